// SPDX-License-Identifier: MIT OR Apache-2.0

//! A learning Ethernet switch over Unix sockets, as QEMU's `stream` netdevs speak, that makes
//! faults of frames: loss, damage, copies, delay, another order, cuts, partitions, rates.
//!
//! Every random choice is drawn from the seed, the rail, the node, the direction and how many
//! frames passed there before: the same frames meet the same faults, whatever other ports do.

#[macro_use]
extern crate podos_terminal;

mod bucket;
mod capture;
mod core;
mod counters;
mod engine;
mod faults;
mod frame;
mod link;
mod pipe;
mod ring;

/// Largest MTU of a rail, in bytes.
pub const MAX_MTU: u16 = 9000;

pub use counters::{Counters, PortCounters};
pub use engine::Engine;
pub use faults::{Chance, Direction, Faults, Rate, Selector};
