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

/// What busybox's `poweroff`, `reboot` and `halt`, the kernel's Ctrl-Alt-Del and a failing power
/// supply send to process 1.
pub const SIGNALS: [i32; 5] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPWR,
];

impl Power {
    /// What a signal asks for.
    pub fn asked_by(signal: i32) -> Option<Self> {
        match signal {
            libc::SIGTERM | libc::SIGINT => Some(Self::Restart),
            libc::SIGUSR1 => Some(Self::Halt),
            libc::SIGUSR2 | libc::SIGPWR => Some(Self::Off),
            _ => None,
        }
    }
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
        console::say(&format!("cannot end the node: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_ends_nodes_by_signals() {
        for (signal, power) in [
            (libc::SIGUSR2, Some(Power::Off)),
            (libc::SIGTERM, Some(Power::Restart)),
            (libc::SIGUSR1, Some(Power::Halt)),
            (libc::SIGCHLD, None),
        ] {
            assert_eq!(Power::asked_by(signal), power);
        }
        assert!(SIGNALS
            .into_iter()
            .all(|one| Power::asked_by(one).is_some()));
    }
}
