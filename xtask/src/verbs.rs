// SPDX-License-Identifier: MIT OR Apache-2.0

//! The verbs, one file each.

pub mod bench;
pub mod clean;
pub mod cluster;
pub mod cluster_test;
pub mod doctor;
pub mod image;
pub mod lock;
pub mod patches;
pub mod rust_analyzer;
pub mod summary;
pub mod test;
