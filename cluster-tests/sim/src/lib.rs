// SPDX-License-Identifier: MIT OR Apache-2.0

//! A cluster of thousands of nodes in one thread, whose whole history follows from one seed.
//!
//! Every node runs the protocol's own endpoint and state machines (`podos-proto`: peers,
//! communication descriptor table, circuits, system state table), the same code as the kernel's
//! modules ([`life`] is their environment here). The rails between them ([`network`]) lose, double,
//! delay, reorder and damage frames; [`faults`] cut interfaces and rails, part them, and turn nodes
//! off and on. Users ([`user`]) talk over circuits, and a judge ([`judge`]) that knows everything
//! says when something happened that must not: a segment that came twice, in the wrong place, in
//! the wrong conversation or not at all, a circuit that broke without cause, one that outlived its
//! other end, memory without bound, a table that is not empty at the end.
//!
//! Time passes by events. Nothing depends on the machine: the same configuration gives the same
//! [`Report`] everywhere, its digest included.

#[macro_use]
extern crate podos_terminal;

pub mod air;
pub mod clock;
pub mod config;
pub mod content;
pub mod ether;
pub mod faults;
pub mod incast;
pub mod judge;
pub mod life;
pub mod network;
pub mod node;
pub mod protocol;
pub mod random;
pub mod report;
pub mod sabotage;
pub mod traffic;
pub mod user;
pub mod world;

pub use config::{Config, Faults, Protection};
pub use judge::Violation;
pub use report::Report;
pub use sabotage::Sabotage;

/// Simulates.
///
/// # Errors
///
/// The first thing that happened and must not.
pub fn run(config: &Config) -> Result<Report, Violation> {
    world::World::new(config).run()
}
