// SPDX-License-Identifier: GPL-2.0-only

//! How a receiver waits for an answer that will come at once.
//!
//! Putting a task to sleep, idling the processor and waking both takes longer than many an answer.
//! So a receiver whose answers come that fast looks for the next one for a moment before it sleeps,
//! as long as no other task wants its processor.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

/// Looks at the clock are that many pauses apart.
const PAUSES: usize = 16;

/// How long one receiver's waits were lately.
pub(crate) struct BusyPoll {
    /// Mean of the latest waits, in ns.
    usual: AtomicU32,
}

impl BusyPoll {
    /// Nothing is known: whoever waits sleeps.
    pub(crate) const fn new() -> Self {
        let usual = AtomicU32::new(u32::MAX);
        Self { usual }
    }

    /// Looks for a moment whether `ready`, if that has been worth while, and no longer than `limit`
    /// ns; then has `sleep` wait. With limit 0 it sleeps at once.
    pub(crate) fn wait<E>(
        &self,
        limit: u32,
        ready: impl Fn() -> bool,
        sleep: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        if ready() {
            return Ok(());
        }
        if limit == 0 {
            return sleep();
        }
        let start = sys::monotonic_ns();
        // However long a wait was, a few short ones make up for it.
        let most = limit.saturating_mul(4);
        let usual = self.usual.load(Ordering::Relaxed).min(most);
        let seen = usual < limit && {
            let end = start + u64::from(usual.saturating_mul(2).min(limit));
            look(end, ready)
        };
        let waited = if seen { Ok(()) } else { sleep() };
        let took = sys::monotonic_ns() - start;
        let took = u32::try_from(took).unwrap_or(u32::MAX).min(most);
        let usual = usual - usual / 4 + took / 4;
        self.usual.store(usual, Ordering::Relaxed);
        waited
    }
}

/// Looks whether `ready` until the time `end`, or until something else is to be done; whether it is.
fn look(end: u64, ready: impl Fn() -> bool) -> bool {
    while sys::is_alone() && sys::monotonic_ns() < end {
        for _ in 0..PAUSES {
            spin_loop();
        }
        if ready() {
            return true;
        }
    }
    false
}
