// SPDX-License-Identifier: GPL-2.0-only

//! The PODOS protocol without I/O.
//!
//! Everything that two nodes must agree upon and that needs no kernel: the frame, circuits, the
//! tables of the Communication Manager, and the messages of PDFS, GIPC and RM. Time and frames go
//! in, frames and events come out; nothing here allocates, blocks or reads a clock, so the same
//! source is compiled into the kernel modules and into host tests.
//!
//! `docs/wire-protocol.md` describes the same to the byte.

// Kbuild passes `no_std` itself.
#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod derive;
mod replay;

pub mod alarm;
pub mod bucket;
pub mod cdt;
pub mod circuit;
pub mod codec;
pub mod endpoint;
pub mod gipc;
pub mod gpid;
pub mod heard;
pub mod hello;
pub mod host_id;
pub mod host_map;
pub mod kept;
pub mod keys;
pub mod pdfs;
pub mod peer;
pub mod rails;
pub mod rm;
pub mod seq;
pub mod share;
pub mod sst;
pub mod tgroup;
pub mod time;
pub mod wire;

pub use gpid::Gpid;
pub use host_id::HostId;
pub use seq::Seq;
