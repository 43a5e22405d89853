// SPDX-License-Identifier: MIT OR Apache-2.0

//! The test firmware: a second implementation of CM, from docs/wire-protocol.md.
//!
//! It shares no code with the kernel's protocol (`rust-kmods/proto`), so that a slip in one of the
//! two, or in the document, shows. The library is what needs no machine: the protocol
//! ([`node::Node`]), what can be asked of it ([`scenario`]), and the bad frames ([`attack`]). The
//! program in `main.rs` is the machine: it boots without an operating system, drives virtio network
//! cards, and reports over a serial console. See docs/firmware.md.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod attack;
pub mod audit;
pub mod body;
pub mod check;
pub mod circuit;
pub mod crypto;
pub mod identity;
mod meeting;
pub mod node;
pub mod peer;
mod receive;
pub mod receive_queue;
pub mod run;
pub mod scenario;
pub mod send_queue;
pub mod wire;
