// SPDX-License-Identifier: GPL-2.0-only

//! The processes of this node that take circuits.

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_cm::{Backlog, Circuit};

/// Who listens, the first one of them for the node, too.
#[pin_data]
pub(crate) struct Listeners {
    #[pin]
    list: SpinLockIrq<KVec<Listening>>,
}

/// A process that listens.
struct Listening {
    pid: u16,
    backlog: Arc<Backlog>,
}

/// Most processes that may listen; the list does not grow under its lock.
const MAX_LISTENERS: usize = 64;

/// Circuits that may wait for one of them.
const MAX_WAITING: usize = 256;

impl Listeners {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_spinlock_irq!(KVec::new(), "podos_cmtest_listeners"),
        })
    }

    /// Has the circuits for the current process go into a new backlog.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if it listens already, `EUSERS` if too many do, `ENOMEM`.
    pub(crate) fn add(&self) -> Result<Arc<Backlog>> {
        let pid = podos_cm::local_gpid().pid();
        let backlog = Arc::pin_init(Backlog::new(MAX_WAITING), GFP_KERNEL)?;
        let room = KVec::with_capacity(MAX_LISTENERS, GFP_KERNEL)?;
        let mut list = self.list.lock();
        // What is not needed of `room` is freed after the lock.
        let _unused = if list.capacity() == 0 {
            core::mem::replace(&mut *list, room)
        } else {
            room
        };
        if list.iter().any(|listening| listening.pid == pid) {
            return Err(EADDRINUSE);
        }
        let listening = Listening {
            pid,
            backlog: backlog.clone(),
        };
        list.push_within_capacity(listening).map_err(|_| EUSERS)?;
        Ok(backlog)
    }

    /// Takes a backlog out, with what waits in it.
    pub(crate) fn remove(&self, backlog: &Arc<Backlog>) {
        {
            let mut list = self.list.lock();
            list.retain(|listening| !Arc::ptr_eq(&listening.backlog, backlog));
        }
        backlog.close();
    }

    /// Gives a circuit to the process that its opener named. Context: softirq.
    pub(crate) fn deal(&self, circuit: Circuit) {
        let pid = circuit.target().pid();
        let backlog = {
            let list = self.list.lock();
            let wanted = |listening: &&Listening| pid == 0 || listening.pid == pid;
            list.iter().find(wanted).map(|found| found.backlog.clone())
        };
        let refused = match backlog {
            Some(backlog) => backlog.offer(circuit),
            None => Err(circuit),
        };
        if let Err(circuit) = refused {
            circuit.refuse();
        }
    }
}
