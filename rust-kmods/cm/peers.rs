// SPDX-License-Identifier: GPL-2.0-only

//! The other nodes: who is heard, on which rails, and what follows when one falls silent.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;
use kernel::sync::{Mutex, SpinLockIrq};
use kernel::{new_mutex, new_spinlock_irq};
use podos_proto::hello::Hello;
use podos_proto::peer::{self, Event, Lost, OpenCheck, PeerSlot};
use podos_proto::tgroup::RailSet;
use podos_proto::time::Instant;
use podos_proto::wire::{Header, ResetReason};
use podos_proto::Gpid;

use crate::node::{Node, NODE};

/// Hosts that a node can know.
const MAX_HOSTS: usize = 256;

/// Told of a host that comes (`true`) or goes (`false`). Runs in the clock thread; may sleep, but
/// circuits' deadlines wait for it.
pub type PeerHandler = KBox<dyn Fn(u32, bool) + Send + Sync>;

/// See the module.
#[pin_data]
pub(crate) struct Peers {
    #[pin]
    map: SpinLockIrq<peer::Peers<KVVec<PeerSlot>>>,
    /// Whether somebody came or went since the handlers were last told.
    changed: AtomicBool,
    #[pin]
    observers: Mutex<Observers>,
}

/// Who wants to know, and what they were told.
struct Observers {
    handlers: KVec<(u64, PeerHandler)>,
    next_id: u64,
    /// The nodes that the handlers take for present.
    told: KVec<Gpid>,
}

impl Peers {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            map <- {
                let mut slots = KVVec::with_capacity(MAX_HOSTS, GFP_KERNEL)?;
                for _ in 0..MAX_HOSTS {
                    slots.push(PeerSlot::new(), GFP_KERNEL)?;
                }
                new_spinlock_irq!(peer::Peers::new(slots), "podos_peers")
            },
            changed: AtomicBool::new(false),
            observers <- new_mutex!(
                Observers { handlers: KVec::new(), next_id: 0, told: KVec::new() },
                "podos_peer_observers"
            ),
        })
    }

    /// Takes note of a frame, and of the hello in it if it is one. Whether the frame is to be
    /// looked at further. Context: softirq.
    pub(crate) fn heard(
        &self,
        node: &Node,
        header: &Header,
        hello: Option<&Hello>,
        rail: usize,
        mac: [u8; 6],
    ) -> bool {
        let now = node.now();
        let event = {
            let mut map = self.map.lock();
            match hello {
                Some(hello) => map.hello(now, header.from, rail, mac, hello),
                None => map.heard(now, header.from, rail, mac),
            }
        };
        match event {
            Event::None | Event::RailUp => {}
            Event::Ignored => return false,
            Event::New | Event::Up => self.note_change(node),
            Event::Rebooted | Event::Left => {
                node.reset_circuits(header.from.host(), ResetReason::PeerDown);
                self.note_change(node);
            }
        }
        true
    }

    /// Finds what fell silent, and tells the handlers of all changes. Context: the clock thread.
    pub(crate) fn tick(&self, node: &Node, now: Instant) {
        while let Some(lost) = self.next_lost(now) {
            match lost {
                Lost::RailDown { node: peer, rail } => {
                    pr_info!("host {}: rail {rail} is down\n", peer.host());
                }
                Lost::Down { node: peer } => {
                    pr_info!("host {} is down\n", peer.host());
                    node.reset_circuits(peer.host(), ResetReason::PeerDown);
                    self.changed.store(true, Ordering::Release);
                }
            }
        }
        if self.changed.swap(false, Ordering::AcqRel) {
            self.tell();
        }
    }

    fn next_lost(&self, now: Instant) -> Option<Lost> {
        self.map.lock().tick(now).next()
    }

    fn note_change(&self, node: &Node) {
        self.changed.store(true, Ordering::Release);
        node.clock().not_later_than(node.now());
    }

    /// Calls the handlers for the difference between what is and what they were told.
    fn tell(&self) {
        let mut observers = self.observers.lock();
        let Observers { handlers, told, .. } = &mut *observers;
        let tell = |host, up| handlers.iter().for_each(|(_, handler)| handler(host, up));
        told.retain(|node| {
            let present = self.node(node.host()) == Some(*node);
            if !present {
                tell(node.host(), false);
            }
            present
        });
        let mut from = 0;
        while let Some(node) = self.next_up(from) {
            from = node.host() + 1;
            // Without memory the news wait for the next change.
            if !told.contains(&node) && told.push(node, GFP_KERNEL).is_ok() {
                tell(node.host(), true);
            }
        }
    }

    /// The node that `host` is now, if it is up.
    pub(crate) fn node(&self, host: u32) -> Option<Gpid> {
        let map = self.map.lock();
        map.get(host)
            .filter(|peer| peer.is_up())
            .map(|peer| peer.node())
    }

    /// The first node that is up with a host id of at least `from`.
    fn next_up(&self, from: u32) -> Option<Gpid> {
        let map = self.map.lock();
        let up = map
            .iter()
            .filter(|(host, peer)| *host >= from && peer.is_up());
        up.map(|(_, peer)| peer.node())
            .min_by_key(|node| node.host())
    }

    /// The node to open a circuit to and the open's sequence; `None` if the host is not up.
    pub(crate) fn begin_open(&self, host: u32) -> Option<(Gpid, u32)> {
        let mut map = self.map.lock();
        let node = map.get(host).filter(|peer| peer.is_up())?.node();
        Some((node, map.next_open_seq(host)?))
    }

    /// Whether an OPEN of `host` with this sequence is a first one.
    pub(crate) fn accept_open(&self, host: u32, open_seq: u32) -> OpenCheck {
        self.map.lock().accept_open(host, open_seq)
    }

    /// The rails on which `host` is heard.
    pub(crate) fn rails(&self, host: u32) -> RailSet {
        self.map
            .lock()
            .get(host)
            .map(|peer| peer.rails())
            .unwrap_or_default()
    }

    /// The address of `host` on a rail.
    pub(crate) fn mac(&self, host: u32, rail: usize) -> Option<[u8; 6]> {
        let map = self.map.lock();
        map.get(host)?
            .rail(rail)
            .filter(|rail| rail.up)
            .map(|rail| rail.mac)
    }
}

/// Whether a host is heard.
pub fn peer_up(host: u32) -> bool {
    NODE.get()
        .is_ok_and(|node| node.peers().node(host).is_some())
}

/// Keeps a handler registered; dropping it waits until the handler runs no more.
pub struct PeerRegistration {
    id: u64,
}

/// Has `handler` told of every host that comes or goes from now on.
///
/// # Errors
///
/// `ENOMEM`.
pub fn on_peer(handler: PeerHandler) -> Result<PeerRegistration> {
    let mut observers = NODE.get()?.peers().observers.lock();
    let id = observers.next_id;
    observers.handlers.push((id, handler), GFP_KERNEL)?;
    observers.next_id += 1;
    Ok(PeerRegistration { id })
}

impl Drop for PeerRegistration {
    fn drop(&mut self) {
        if let Ok(node) = NODE.get() {
            let mut observers = node.peers().observers.lock();
            observers.handlers.retain(|(id, _)| *id != self.id);
        }
    }
}
