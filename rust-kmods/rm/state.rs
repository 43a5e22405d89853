// SPDX-License-Identifier: GPL-2.0-only

//! The System State Table and those who wait for news in it.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use kernel::new_spinlock_irq;
use kernel::pr_warn_once;
use kernel::prelude::*;
use kernel::sync::SpinLockIrq;
use podos_proto::rm::{Beacon, Op};
use podos_proto::sst::{Entry, Sst, SstEvent, SstSlot};
use podos_proto::time::Instant;
use podos_proto::{Gpid, HostId};
use podos_sys::{StopToken, WaitQueue, Wake};

use crate::sys;

/// Nodes that the table has room for. The slots are twice as many, which keeps it fast.
const MAX_NODES: usize = 256;

/// What this node knows of the cluster.
#[pin_data]
pub(crate) struct State {
    own: Gpid,
    #[pin]
    table: SpinLockIrq<Sst<KVVec<SstSlot>>>,
    /// Whether something changed that the herald has not seen.
    news: AtomicBool,
    #[pin]
    herald: WaitQueue,
}

/// One node, as [`State::look`] finds it.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) host: HostId,
    /// Host and boot.
    pub(crate) node: Gpid,
    pub(crate) alive: bool,
}

impl State {
    /// An empty table on the node `own`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(own: Gpid) -> Result<impl PinInit<Self>> {
        let mut slots = KVVec::with_capacity(2 * MAX_NODES, GFP_KERNEL)?;
        for _ in 0..2 * MAX_NODES {
            slots.push(SstSlot::new(), GFP_KERNEL)?;
        }
        let table = Sst::new(slots);
        Ok(pin_init!(Self {
            own,
            table <- new_spinlock_irq!(table, "podos_sst"),
            news: AtomicBool::new(false),
            herald <- WaitQueue::new(c"podos_rm", kernel::static_lock_class!()),
        }))
    }

    /// Takes in a message from another node. Context: softirq.
    pub(crate) fn hear(&self, from: Gpid, op: u8, body: &[u8]) {
        if Op::from_raw(op) != Some(Op::Beacon) {
            return;
        }
        // Of who sends nonsense nothing new is known.
        if let Ok(beacon) = Beacon::decode(body) {
            self.update(from, beacon);
        }
    }

    /// Enters what a node, this one too, says of itself. Context: any.
    pub(crate) fn update(&self, from: Gpid, beacon: &Beacon) {
        let now = sys::now();
        match self.table.lock().update(now, from, beacon) {
            SstEvent::Appeared | SstEvent::Returned => self.poke(),
            SstEvent::Refreshed | SstEvent::Stale => {}
            SstEvent::Full => pr_warn_once!("the system state table is full: {MAX_NODES} nodes\n"),
        }
    }

    /// Host and boot of this node.
    pub(crate) fn own(&self) -> Gpid {
        self.own
    }

    /// See [`crate::is_alive`].
    pub(crate) fn is_alive(&self, host: HostId) -> bool {
        host == self.own.host() || podos_cm::peer_up(host)
    }

    /// What is known of a node.
    pub(crate) fn entry(&self, host: HostId) -> Option<Entry> {
        self.table.lock().get(host).copied()
    }

    /// Every node that was ever heard of, into `seen`, which is cleared first.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn look(&self, seen: &mut KVec<Seen>) -> Result {
        seen.clear();
        loop {
            let table = self.table.lock();
            let len = table.len();
            if len > seen.capacity() {
                drop(table);
                seen.reserve(len, GFP_KERNEL)?;
                continue;
            }
            for (host, entry) in table.iter() {
                let node = Seen {
                    host,
                    node: entry.node(),
                    // That is asked below, without the table's lock.
                    alive: false,
                };
                // There is room: it was reserved above.
                seen.push_within_capacity(node).map_err(|_| ENOMEM)?;
            }
            break;
        }
        for node in seen.iter_mut() {
            node.alive = self.is_alive(node.host);
        }
        Ok(())
    }

    /// A host came or went.
    pub(crate) fn met(&self, host: HostId, up: bool) {
        if !up {
            self.table.lock().lose(host);
        }
        self.poke();
    }

    /// Has the herald look. Context: any.
    pub(crate) fn poke(&self) {
        self.news.store(true, Ordering::Release);
        self.herald.wake_all();
    }

    /// For the herald: waits until `moment`, or for news, or for its end.
    pub(crate) fn wait(&self, moment: Instant, stop: &StopToken) {
        // Rounded up: a jiffy is the finest that the wait can do.
        let left = moment.saturating_duration_since(sys::now()) + Duration::from_millis(1);
        let _ = self.herald.wait_until_timeout(Wake::Idle, left, || {
            let news = self.news.swap(false, Ordering::AcqRel);
            (news || stop.is_stopping()).then_some(())
        });
    }
}
