// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of a node that need more than its QEMU: its init, its disks, its clock.
//!
//! Each of them is proven before the call returns: a fault that had no effect is an error, or a
//! test would pass without it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Node;
use crate::control::{NodeFault, Request};
use crate::error::{Error, Result};

/// The file that takes all room; others may give some back meanwhile. A file system without a limit
/// has none, or takes all memory.
const FILL: &str = "cd \"$1\" || exit
    if [ \"$(stat -f -c %b .)\" = 0 ]; then
        echo 'its file system has no limit: name a folder on another one' >&2
        exit 1
    fi
    rm -f .podos-full
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        cat /dev/zero >> .podos-full 2> /dev/null
        left=$(stat -f -c %a .)
        [ \"$left\" = 0 ] && exit
    done
    echo \"$left blocks are free still\" >&2
    exit 1";

const FREE: &str = "cd \"$1\" && rm -f .podos-full";

/// Prints the difference in seconds.
const JUMP: &str = "before=$(date +%s); date -s \"@$((before + $1))\" > /dev/null || exit
    echo $(($(date +%s) - before))";

/// How long memory or a disk may take to be full.
pub(super) const FULL_WITHIN: Duration = Duration::from_secs(120);

impl Node<'_> {
    /// Switches it off in good order: its init ends all programs, and what they wrote is kept.
    /// Returns when it is down.
    pub fn power_off(&self) -> Result<()> {
        self.inject(NodeFault::PowerOff)
    }

    /// Takes all room of the file system that this folder is on. One that knows no limit, as
    /// `/proc`, is refused.
    pub fn fill_disk(&self, folder: &str) -> Result<()> {
        self.note(&format!("{folder} is filled"))?;
        let filler = self.command("sh").args(["-c", FILL, "fill", folder]);
        filler.limit(FULL_WITHIN).succeed().map(drop)
    }

    /// Gives the room back that [`Node::fill_disk`] took; nothing to do is fine.
    pub fn free_disk(&self, folder: &str) -> Result<()> {
        self.note(&format!("{folder} is given back"))?;
        let command = self.command("sh").args(["-c", FREE, "free", folder]);
        command.succeed().map(drop)
    }

    /// Sets its clock forward by so many seconds, or back. Only the time of day jumps.
    pub fn jump_clock(&self, by: i64) -> Result<()> {
        self.note(&format!("the clock jumps by {by} s"))?;
        let command = self.command("sh");
        let command = command.args(["-c", JUMP, "jump", &by.to_string()]);
        let jumped = command.succeed()?.text();
        // A second may pass in between, or more on a busy machine.
        match jumped.parse::<i64>().map(|jumped| (jumped - by).abs()) {
            Ok(0..=60) => Ok(()),
            _ => Err(self.missed("jump of the clock", &format!("it went by {jumped} s"))),
        }
    }

    /// Sets its clock to this machine's.
    pub fn set_clock(&self) -> Result<()> {
        self.note("the clock is set right")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        self.succeed(["date", "-s", &format!("@{now}")]).map(drop)
    }

    /// Puts a fault into the timeline that its agent carries out.
    pub(super) fn note(&self, text: &str) -> Result<()> {
        self.cluster.request(&Request::Note {
            node: self.id,
            text: text.into(),
        })
    }

    pub(super) fn missed(&self, fault: &'static str, reason: &str) -> Error {
        Error::Fault {
            node: self.name(),
            fault,
            reason: reason.into(),
        }
    }
}
