// SPDX-License-Identifier: GPL-2.0-only

//! The other nodes: who is heard, on which rails, and what follows when one falls silent.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::prelude::*;
use kernel::sync::{Mutex, SpinLockIrq};
use kernel::{new_mutex, new_spinlock_irq};
use podos_proto::hello::Hello;
use podos_proto::peer::{self, Event, Lost, OpenCheck, Peer, PeerSlot};
use podos_proto::tgroup::{RailSet, RailStatus, RailView, MAX_RAILS};
use podos_proto::time::{Duration, Instant};
use podos_proto::wire::{data_room, ResetReason};
use podos_proto::Gpid;

use crate::node::{Node, NODE};
use crate::rails::LocalRail;
use crate::sys::trace;

/// Slots of the tables by host: twice as many as there are hosts in a large cluster.
pub(crate) const HOST_SLOTS: usize = 512;

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
    /// Whether a rail to somebody came or went since the circuits were last driven for it.
    rerouted: AtomicBool,
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
                let mut slots = KVVec::with_capacity(HOST_SLOTS, GFP_KERNEL)?;
                for _ in 0..HOST_SLOTS {
                    slots.push(PeerSlot::new(), GFP_KERNEL)?;
                }
                new_spinlock_irq!(peer::Peers::new(slots), "podos_peers")
            },
            changed: AtomicBool::new(false),
            rerouted: AtomicBool::new(false),
            observers <- new_mutex!(
                Observers { handlers: KVec::new(), next_id: 0, told: KVec::new() },
                "podos_peer_observers"
            ),
        })
    }

    /// Takes note of a frame that is a sign of life. Whether the frame is to be looked at further.
    /// Context: softirq.
    pub(crate) fn heard(&self, node: &Node, from: Gpid, rail: usize, mac: [u8; 6]) -> bool {
        let event = self.map.lock().heard(node.now(), from, rail, mac);
        self.follow(node, from, rail, event)
    }

    /// The same, of a hello.
    pub(crate) fn hello(
        &self,
        node: &Node,
        from: Gpid,
        hello: &Hello,
        rail: usize,
        mac: [u8; 6],
    ) -> bool {
        let event = self.map.lock().hello(node.now(), from, rail, mac, hello);
        self.follow(node, from, rail, event)
    }

    /// The same, of what tells which start of CM its sender is.
    pub(crate) fn meet(
        &self,
        node: &Node,
        from: Gpid,
        incarnation: u32,
        rail: usize,
        mac: [u8; 6],
    ) -> bool {
        let event = {
            let mut map = self.map.lock();
            map.meet(node.now(), from, rail, mac, incarnation)
        };
        self.follow(node, from, rail, event)
    }

    /// Does what an event asks for; whether its cause counts.
    fn follow(&self, node: &Node, from: Gpid, rail: usize, event: Event) -> bool {
        trace_event(from, rail, &event);
        match event {
            Event::None => {}
            // Circuits may have waited for a rail.
            Event::RailUp => self.reroute(node),
            Event::Ignored => return false,
            Event::New | Event::Up => self.note_change(node),
            Event::Rebooted | Event::Left => {
                node.reset_circuits(from.host(), ResetReason::PeerDown);
                self.note_change(node);
            }
        }
        true
    }

    /// Takes a host down that is no member any more.
    pub(crate) fn expel(&self, node: &Node, peer: Gpid) {
        let was_up = self.map.lock().expel(peer.host());
        if was_up {
            pr_info!("the session with host {} is over\n", peer.host());
            trace::peer(peer, false);
            node.reset_circuits(peer.host(), ResetReason::PeerDown);
            self.note_change(node);
        }
    }

    /// Takes all hosts down: this node is not any more who they know.
    pub(crate) fn expel_all(&self, node: &Node) {
        let mut from = Some(0);
        while let Some(peer) = from.and_then(|from| self.next_known(from)) {
            self.expel(node, peer.node());
            from = peer.node().host().checked_add(1);
        }
    }

    /// Has the clock thread look at circuits whose rails changed.
    pub(crate) fn reroute(&self, node: &Node) {
        self.rerouted.store(true, Ordering::Release);
        node.clock().not_later_than(node.now());
    }

    /// Finds what fell silent, and tells the handlers of all changes. Context: the clock thread.
    pub(crate) fn tick(&self, node: &Node, now: Instant) {
        while let Some(lost) = self.next_lost(now) {
            match lost {
                Lost::RailDown { node: peer, rail } => {
                    pr_info!("host {}: rail {rail} is down\n", peer.host());
                    trace::rail(peer, rail, false);
                    self.rerouted.store(true, Ordering::Release);
                }
                Lost::Down { node: peer } => {
                    pr_info!("host {} is down\n", peer.host());
                    trace::peer(peer, false);
                    node.reset_circuits(peer.host(), ResetReason::PeerDown);
                    self.changed.store(true, Ordering::Release);
                }
            }
        }
        if self.rerouted.swap(false, Ordering::AcqRel) {
            node.table().for_each(|entry| entry.reroute(node));
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

    /// The node to open a circuit to, and what the OPEN says: its sequence, and the association of
    /// both nodes. `None` if the host is not up.
    pub(crate) fn begin_open(&self, host: u32, own: u32) -> Option<(Gpid, u32, u32)> {
        let mut map = self.map.lock();
        let peer = map.get(host).filter(|peer| peer.is_up())?.node();
        let association = map.association_with(host, own)?;
        Some((peer, map.next_open_seq(host)?, association))
    }

    /// Whether an OPEN with this association is of nodes that know each other as they are now.
    pub(crate) fn is_acquainted(&self, node: &Node, host: u32, association: u32) -> bool {
        let own = node.incarnation();
        self.map.lock().is_acquainted(host, own, association)
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

    /// Adds to `view` the rails to `host` that are up: `local` tells this node's own MTU on a rail
    /// that it can send on, and the bytes queued there.
    pub(crate) fn add_rails(
        &self,
        host: u32,
        authenticated: bool,
        local: &[Option<LocalRail>; MAX_RAILS],
        view: &mut RailView,
    ) {
        let map = self.map.lock();
        let Some(peer) = map.get(host) else {
            return;
        };
        for (number, local) in local.iter().enumerate() {
            let rail = peer.rail(number).filter(|rail| rail.up);
            if let (Some(rail), Some(local)) = (rail, local) {
                let room = data_room(rail.mtu.min(local.mtu), authenticated);
                let status = RailStatus {
                    queued_bytes: local.queued_bytes,
                    rtt_us: rail.rtt_us,
                    room: room as u16,
                };
                view.insert(number, status);
            }
        }
    }

    /// Takes note of a round trip to `host` over a rail.
    pub(crate) fn note_rtt(&self, host: u32, rail: usize, rtt: Duration) {
        self.map.lock().note_rtt(host, rail, rtt);
    }

    /// The node with the least host id of at least `from` that was ever heard.
    pub(crate) fn next_known(&self, from: u32) -> Option<Peer> {
        let map = self.map.lock();
        let known = map.iter().filter(|(host, _)| *host >= from);
        let (_, peer) = known.min_by_key(|(host, _)| *host)?;
        Some(peer.clone())
    }

    /// The address that `host` last had on a rail, whether it is up or not.
    pub(crate) fn last_mac(&self, host: u32, rail: usize) -> Option<[u8; 6]> {
        let map = self.map.lock();
        let mac = map.get(host)?.rail(rail)?.mac;
        (mac != [0; 6]).then_some(mac)
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

/// Tells tracers what a frame from a node on a rail was.
fn trace_event(from: Gpid, rail: usize, event: &Event) {
    match event {
        Event::New | Event::Up | Event::Rebooted => {
            trace::peer(from, true);
            trace::rail(from, rail, true);
        }
        Event::RailUp => trace::rail(from, rail, true),
        Event::Left => trace::peer(from, false),
        Event::None | Event::Ignored => {}
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
