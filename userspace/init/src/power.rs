// SPDX-License-Identifier: MIT OR Apache-2.0

//! The end of a node.

use rustix::system::{reboot, RebootCommand};

use crate::console;

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It is switched off.
    Off,
    /// It starts again.
    Restart,
    /// It stops and stays on.
    Halt,
}

/// Writes out what is in memory and ends the node; returns only if the kernel refuses.
pub fn end(power: Power) {
    rustix::fs::sync();
    let command = match power {
        Power::Off => RebootCommand::PowerOff,
        Power::Restart => RebootCommand::Restart,
        Power::Halt => RebootCommand::Halt,
    };
    if let Err(error) = reboot(command) {
        console::say(&format!("the kernel refuses to end the node: {error}"));
    }
}
