// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command lines of the programs that boot clusters: those programs take them, and
//! `cargo xtask`, which builds images before and hands on what it was given.
//!
//! This is no part of the programs, so that xtask needs none of their code.

mod bench;
mod image;
mod memory;
mod tests;

pub use bench::{Bench, Profiling, Run, Verb};
pub use image::{image_dir, Folder, Image, Profile};
pub use memory::Memory;
pub use tests::Tests;
