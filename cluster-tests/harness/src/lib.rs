// SPDX-License-Identifier: MIT OR Apache-2.0

//! Clusters of QEMU nodes, as values.
//!
//! A [`Topology`] says what the cluster is; [`Cluster::up`] boots it under a
//! supervisor process of its own, which owns a private user and network
//! namespace with one bridge per rail, the QEMU processes, and a folder with
//! the control socket and the consoles. Guests are reached by an agent over
//! virtio-serial ([`Node::command`]), never by typing at a console.
//!
//! ```no_run
//! use podos_harness::{Cluster, Topology, Up};
//! # fn main() -> podos_harness::Result<()> {
//! let cluster = Cluster::up(&Up::new("docs", "target/images/lab", Topology::nodes(3)))?;
//! let output = cluster.node(1)?.exec(["cat", "/linus2/etc/hostname"])?;
//! assert_eq!(output.stdout, b"linus2\n");
//! # Ok(()) }
//! ```
//!
//! The supervisor is this very executable started again, so every program
//! that calls [`Cluster::up`] begins its `main` with [`supervisor::enter`].

// The client and the supervisor know what is beside them here, and nothing of each other.

#[macro_use]
pub mod terminal;

mod accel;
mod alarm;
mod bridges;
mod client;
mod clock;
mod config;
mod control;
mod error;
mod image;
mod keys;
mod paths;
mod programs;
mod state;
pub mod supervisor;
mod topology;

pub use accel::Accelerator;
pub use alarm::Alarm;
pub use client::{
    nemesis, Cluster, Dialogue, Exec, Expectation, Firmware, FirmwareReport, Instructions,
    Lifetime, Node, Output, Running, Switch, Up, Watch,
};
pub use control::{DirectionStatus, LinkStatus, NodeState, NodeStatus, Status, WaitFor};
pub use error::{Error, Result};
pub use podos_agent_proto::Exit;
pub use podos_switch::{Chance, Counters, Direction, Faults, PortCounters, Rate, Selector};
pub use programs::{build_counter, build_firmware, build_guest_tool};
pub use state::{list as list_clusters, DEFAULT_NAME};
pub use topology::{node_name, CmMode, Kernel, Net, NodeKey, Rail, Topology, LAB, MAX_NODES};
