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

#[macro_use]
pub mod terminal;

mod accel;
mod agent;
mod alarm;
mod cargo;
mod clock;
mod cluster;
mod console;
mod control;
mod counters;
mod drawing;
mod error;
mod exec;
mod fault;
mod firmware;
mod guest_tool;
mod image;
mod keys;
mod namespace;
pub mod nemesis;
mod node;
mod paths;
mod qemu;
mod qmp;
mod spawn;
mod state;
pub mod supervisor;
mod switch;
mod timeline;
mod topology;
mod trouble;
mod tsc;
mod vm;
mod watch;

pub use accel::Accelerator;
pub use cluster::{Cluster, Lifetime, Up, WaitFor};
pub use control::{NodeState, NodeStatus, Status};
pub use counters::{Counters, PortCounters};
pub use error::{Error, Result};
pub use exec::{Dialogue, Exec, Output, Running};
pub use fault::{Chance, Direction, Faults, LinkStatus, Rate, Selector, WayStatus};
pub use firmware::{build_firmware, Firmware, FirmwareReport};
pub use guest_tool::build_guest_tool;
pub use node::Node;
pub use podos_agent_proto::Exit;
pub use state::{list as list_clusters, DEFAULT_NAME};
pub use switch::Switch;
pub use topology::{node_name, CmMode, Kernel, Net, NodeKey, Rail, Topology, LAB, MAX_NODES};
pub use trouble::Trouble;
pub use watch::{Expectation, Watch};
