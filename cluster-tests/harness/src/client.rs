// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running cluster from the outside: what a program that uses it has in its hands.

mod cancellation;
mod cluster;
mod exec;
mod firmware;
mod instructions;
pub mod nemesis;
mod node;
mod spawn;
mod switch;
mod timeline;
mod watch;

pub use cluster::{Cluster, Lifetime, Up};
pub use exec::{Dialogue, Exec, Output, Running};
pub use firmware::{Firmware, FirmwareReport};
pub use instructions::Instructions;
pub use node::Node;
pub use switch::Switch;
pub use watch::{Expectation, Watch};
