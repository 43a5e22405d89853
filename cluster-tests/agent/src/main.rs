// SPDX-License-Identifier: MIT OR Apache-2.0

//! The test harness's hands on a node: whoever has the host's end of the node's virtio-serial port
//! may run anything here as root. So it is in images for laboratories only, as a service of init.
//!
//! It has one thread, and waits for nothing alone: a node that hangs can still be asked why.

#[macro_use]
extern crate podos_terminal;

mod agent;
mod boot;
mod journal;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
    match service::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            journal::say(&format!("the agent can't go on: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
