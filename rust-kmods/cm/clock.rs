// SPDX-License-Identifier: GPL-2.0-only

//! The thread that does what is due as time passes: hellos, the death of peers. Circuits have
//! timers of their own.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use kernel::prelude::*;
use podos_proto::endpoint;
use podos_proto::time::Instant;
use podos_sys::{StopToken, WaitQueue, Wake};

use crate::node::{Node, NODE};
use crate::visit::Visit;

/// When the thread has to look next.
#[pin_data]
pub(crate) struct Clock {
    /// In ns of the node's clock.
    next: AtomicU64,
    #[pin]
    changed: WaitQueue,
}

impl Clock {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            next: AtomicU64::new(0),
            changed <- WaitQueue::new(c"podos_clock", kernel::static_lock_class!()),
        })
    }

    /// Has the thread look at `deadline` at the latest. Context: any.
    pub(crate) fn not_later_than(&self, deadline: Instant) {
        let nanos = deadline.as_nanos();
        if self.next.fetch_min(nanos, Ordering::AcqRel) > nanos {
            self.changed.wake_all();
        }
    }

    /// Sleeps until `next`, or an earlier moment set meanwhile, or the end of the thread.
    fn sleep(&self, node: &Node, stop: &StopToken) {
        loop {
            let next = self.next.load(Ordering::Acquire);
            let left = Instant::from_nanos(next).saturating_duration_since(node.now());
            if left.is_zero() || stop.is_stopping() {
                return;
            }
            // Rounded up: a jiffy is the finest that the wait can do.
            let left = left + Duration::from_millis(1);
            let earlier = || {
                let changed = self.next.load(Ordering::Acquire) < next;
                (changed || stop.is_stopping()).then_some(())
            };
            // `Wake::Idle` is not ended by signals.
            let _ = self.changed.wait_until_timeout(Wake::Idle, left, earlier);
        }
    }
}

/// The clock thread's function.
pub(crate) fn run(stop: &StopToken) {
    let Ok(node) = NODE.get() else {
        return;
    };
    // Else a node that is busy calls others dead, and is called dead, for want of Hellos.
    podos_sys::be_urgent(stop);
    let mut clock = endpoint::Clock::new();
    while !stop.is_stopping() {
        node.follow_generation();
        let next = clock.greet(&mut Visit::of(node));
        // From here on what changes is looked at in the next round.
        node.clock().next.store(next.as_nanos(), Ordering::Release);
        clock.mind(&mut Visit::of(node));
        node.peers().follow_changes(node);
        node.clock().sleep(node, stop);
    }
    clock.leave(&mut Visit::of(node));
}
