// SPDX-License-Identifier: MIT OR Apache-2.0

//! What others need to know of a node's init: what its image tells it to do ([`Config`]), what its
//! kernel command line does ([`CommandLine`]), and how it says that the boot is over
//! ([`boot_report`]).

pub mod boot_report;
mod cmdline;
pub mod config;

pub use cmdline::CommandLine;
pub use config::Config;
