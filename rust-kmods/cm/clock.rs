// SPDX-License-Identifier: GPL-2.0-only

//! The thread that lets time pass: circuits' deadlines, hellos, the death of peers.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use kernel::prelude::*;
use podos_proto::time::Instant;
use podos_proto::wire::Header;

use crate::node::{Node, NODE};
use crate::sys::{StopToken, WaitQueue, Wake};

/// Time between two hellos on a rail; peers give a rail up after four that are missing.
const HELLO_INTERVAL: Duration = Duration::from_millis(300);

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
    let mut hello_at = node.now();
    while !stop.is_stopping() {
        let now = node.now();
        if now >= hello_at {
            hello(node);
            hello_at = now + HELLO_INTERVAL;
        }
        node.peers().tick(node, now);
        // From here on deadlines that circuits set anew count.
        node.clock().next.store(hello_at.as_nanos(), Ordering::Release);
        node.table().for_each_due(now, |entry| {
            entry.drive(node, |circuit, now| circuit.on_timeout(now));
        });
        if let Some(deadline) = node.table().next_deadline() {
            node.clock().next.fetch_min(deadline.as_nanos(), Ordering::AcqRel);
        }
        node.clock().sleep(node, stop);
    }
}

/// Says on every rail that this node is there.
fn hello(node: &Node) {
    let header = Header::hello(node.gpid());
    for rail in node.rails().usable().iter() {
        // A rail that has just gone has nothing to say.
        let _ = node.broadcast_on(rail, &header, &[]);
    }
}
