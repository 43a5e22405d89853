// SPDX-License-Identifier: MIT OR Apache-2.0

//! The end of a node.

use rustix::system::{reboot, RebootCommand};

use crate::{console, mounts, programs};

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

/// Ends all programs, lets go of what others keep, writes out what is in memory, and ends the node;
/// returns only if the kernel refuses.
pub fn end(power: Power) {
    programs::end_all();
    for problem in mounts::release() {
        console::say(&problem);
    }
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
