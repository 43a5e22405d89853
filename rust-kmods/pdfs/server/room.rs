// SPDX-License-Identifier: GPL-2.0-only

//! How many circuits are served at once: each costs a thread.

use kernel::prelude::*;

use podos_proto::HostId;
use podos_sys::Memory;

/// Bytes that a thread costs: its stack, its `task_struct` and what it holds.
const COST: u64 = 32 * 1024;

/// Threads that even the smallest node has.
const LEAST: usize = 256;

/// Circuits that are being served.
pub(super) struct Room {
    /// By node; those without any are not in it.
    by_host: KVVec<(HostId, usize)>,
    all: usize,
    most: usize,
}

impl Room {
    /// Threads may take a quarter of the node's memory.
    pub(super) fn of_this_node() -> Self {
        let affordable = Memory::now().total / 4 / COST;
        Self {
            by_host: KVVec::new(),
            all: 0,
            most: usize::try_from(affordable).unwrap_or(usize::MAX).max(LEAST),
        }
    }

    /// Counts one more circuit of the node. One node gets three quarters of what there is, so that
    /// the others are served whatever it does.
    ///
    /// # Errors
    ///
    /// `ENFILE` if there is no more room, `ENOMEM`.
    pub(super) fn enter(&mut self, host: HostId) -> Result {
        if self.all >= self.most {
            return Err(ENFILE);
        }
        match self.by_host.iter_mut().find(|(other, _)| *other == host) {
            Some((_, count)) if *count >= self.most / 4 * 3 => return Err(ENFILE),
            Some((_, count)) => *count += 1,
            None => self.by_host.push((host, 1), GFP_KERNEL)?,
        }
        self.all += 1;
        Ok(())
    }

    /// Counts one circuit of the node less.
    pub(super) fn leave(&mut self, host: HostId) {
        let Some(at) = self.by_host.iter().position(|(other, _)| *other == host) else {
            return;
        };
        self.by_host[at].1 -= 1;
        self.all -= 1;
        if self.by_host[at].1 == 0 {
            let _ = self.by_host.remove(at);
        }
    }
}
