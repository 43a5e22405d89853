// SPDX-License-Identifier: MIT OR Apache-2.0

//! The verbs, one file each.

pub mod clean;
pub mod doctor;
pub mod image;
pub mod lock;
pub mod patches;
pub mod summary;
pub mod test;
