// SPDX-License-Identifier: MIT OR Apache-2.0

//! Abandoned commands: those that nobody waits for any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use podos_process::child::signal_group;
use rustix::process::Pid;

/// Time between the hang-up and the kill.
const GRACE: Duration = Duration::from_secs(1);

/// Process groups that were told to end, by their leader, and when they are killed.
#[derive(Debug, Default)]
pub struct Doomed(BTreeMap<i32, Instant>);

impl Doomed {
    /// Hangs up on the group of `leader`, and kills it after a grace.
    pub fn hang_up(&mut self, leader: Pid) {
        signal_group(leader, libc::SIGHUP);
        // A stopped process can't follow.
        signal_group(leader, libc::SIGCONT);
        let at = Instant::now() + GRACE;
        self.0.insert(leader.as_raw_nonzero().get(), at);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Kills what did not follow in time.
    pub fn tick(&mut self, now: Instant) {
        self.0.retain(|&leader, at| {
            let wait = *at > now;
            if let Some(leader) = Pid::from_raw(leader).filter(|_| !wait) {
                signal_group(leader, libc::SIGKILL);
            }
            wait
        });
    }

    /// A process has ended and is about to be reaped. If it led a doomed group, the rest of that
    /// goes now: the group's number is not its own for long.
    pub fn ended(&mut self, pid: Pid) {
        if self.0.remove(&pid.as_raw_nonzero().get()).is_some() {
            signal_group(pid, libc::SIGKILL);
        }
    }
}
