// SPDX-License-Identifier: MIT OR Apache-2.0

//! All benches.

pub mod cm;
mod counted;
pub mod gipc;
mod load;
mod offloads;
pub mod pdfs;
mod stack;
mod wireguard;

use crate::bench::Bench;

/// All of them.
pub fn all() -> [&'static dyn Bench; 3] {
    [&cm::Cm, &pdfs::Pdfs, &gipc::Gipc]
}
