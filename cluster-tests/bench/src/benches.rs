// SPDX-License-Identifier: MIT OR Apache-2.0

//! The benches that there are.

pub mod cm;

use crate::bench::Bench;

/// All of them.
pub fn all() -> [&'static dyn Bench; 1] {
    [&cm::Cm]
}
