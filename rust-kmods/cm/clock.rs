// SPDX-License-Identifier: GPL-2.0-only

//! The thread that lets time pass for the node: hellos, the death of peers. Circuits have timers.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use kernel::prelude::*;
use podos_proto::hello::{self, Hello};
use podos_proto::keys::Action;
use podos_proto::time::Instant;
use zerocopy::IntoBytes;

use crate::node::{Node, NODE};
use crate::sys::{self, StopToken, WaitQueue, Wake};
use crate::transmit::BROADCAST_MAC;

/// Time between two looks for rails that fell silent.
const SILENCE_CHECK: Duration = Duration::from_millis(50);

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
    sys::be_urgent(stop);
    let mut hello_at = node.now();
    let mut hellos = 0;
    while !stop.is_stopping() {
        node.follow_generation();
        let now = node.now();
        if now >= hello_at {
            say_hello(node, hellos, false);
            hellos = hellos.wrapping_add(1);
            hello_at = now + hello::INTERVAL;
        }
        let look_at = hello_at.min(now + SILENCE_CHECK);
        // From here on what changes is looked at in the next round.
        node.clock()
            .next
            .store(look_at.as_nanos(), Ordering::Release);
        mind_sessions(node, now);
        node.peers().tick(node, now);
        node.clock().sleep(node, stop);
    }
    say_hello(node, hellos, true);
}

/// Does what keys and handshakes need by now.
fn mind_sessions(node: &Node, now: Instant) {
    while let Some(action) = node.sessions().poll(now) {
        match action {
            Action::Send(handshake) => node.send_handshake(&handshake, None),
            Action::Event(event) => node.on_session_event(event),
            Action::NeedNonce => node.sessions().rekey(now),
        }
    }
}

/// Says on every rail that this node is there, or that it leaves.
fn say_hello(node: &Node, seq: u32, leaving: bool) {
    let rails = node.rails().usable();
    let header = Hello::header(node.gpid(), seq);
    for rail in rails.iter() {
        let Some(device) = node.rails().device(rail) else {
            continue;
        };
        let mut hello = Hello::new(rail as u8, rails.len() as u8, node.incarnation());
        hello = node.sessions().identify(hello.with_mtu(device.mtu()));
        if leaving {
            hello = hello.leaving();
        }
        // Who has no mode or no key yet says nothing.
        let _ = node.introduce(rail, BROADCAST_MAC, &header, hello.as_bytes());
    }
}
