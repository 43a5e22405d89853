// SPDX-License-Identifier: GPL-2.0-only

//! The other nodes: who is heard, on which rails, and who wants to know of it.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::sync::{Mutex, SpinLockIrq};
use kernel::{new_mutex, new_spinlock_irq};
use podos_proto::endpoint::{News, SightingSlot};
use podos_proto::peer::{self, Peer, PeerSlot};
use podos_proto::tgroup::{RailId, RailSet, MAX_RAILS};
use podos_proto::time::Duration;
use podos_proto::{Gpid, HostId};

use crate::mac::MacAddress;
use crate::node::{Node, NODE};
use crate::sys::trace;

/// Slots of the tables by host: twice as many as there are hosts in a large cluster.
pub(crate) const HOST_SLOTS: usize = 512;
/// Places for who was heard just now: one for each rail of each host.
const SIGHTINGS: usize = 256 * MAX_RAILS;

/// Told of a host that comes (`true`) or goes (`false`). Runs in the clock thread; may sleep, but
/// circuits' deadlines wait for it.
pub type PeerHandler = KBox<dyn Fn(HostId, bool) + Send + Sync>;

type Table = peer::Peers<KVVec<PeerSlot>>;

/// See the module.
#[pin_data]
pub(crate) struct Peers {
    #[pin]
    map: SpinLockIrq<Table>,
    /// The table's version, for those who don't want its lock.
    version: AtomicU32,
    sightings: KVVec<SightingSlot>,
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
                new_spinlock_irq!(Table::new(slots), "podos_peers")
            },
            version: AtomicU32::new(0),
            sightings: {
                let mut slots = KVVec::with_capacity(SIGHTINGS, GFP_KERNEL)?;
                for _ in 0..SIGHTINGS {
                    slots.push(SightingSlot::new(), GFP_KERNEL)?;
                }
                slots
            },
            changed: AtomicBool::new(false),
            rerouted: AtomicBool::new(false),
            observers <- new_mutex!(
                Observers { handlers: KVec::new(), next_id: 0, told: KVec::new() },
                "podos_peer_observers"
            ),
        })
    }

    /// Works on the table, under its lock. Context: any.
    pub(crate) fn work<R>(&self, work: impl FnOnce(&mut Table) -> R) -> R {
        let mut map = self.map.lock();
        let result = work(&mut map);
        self.version.store(map.version(), Ordering::Release);
        result
    }

    /// See [`Environment::peers_version`](podos_proto::endpoint::Environment::peers_version).
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// See [`Environment::sightings`](podos_proto::endpoint::Environment::sightings).
    pub(crate) fn sightings(&self) -> &[SightingSlot] {
        &self.sightings
    }

    /// Logs and traces what changed, and has the handlers told of it. Context: any.
    pub(crate) fn tell(&self, node: &Node, news: News) {
        match news {
            News::Up { node: peer, rail } | News::Rebooted { node: peer, rail } => {
                trace::peer(peer, true);
                trace::rail(peer, rail, true);
            }
            News::RailUp { node: peer, rail } => return trace::rail(peer, rail, true),
            News::RailDown { node: peer, rail } => {
                let host = peer.host().raw();
                pr_info!("host {host}: rail {} is down\n", rail.index());
                return trace::rail(peer, rail, false);
            }
            News::Left { node: peer } => trace::peer(peer, false),
            News::Silent { node: peer } => {
                pr_info!("host {} is down\n", peer.host().raw());
                trace::peer(peer, false);
            }
            News::Expelled { node: peer } => {
                pr_info!("the session with host {} is over\n", peer.host().raw());
                trace::peer(peer, false);
            }
            News::Namesake { mac, rail, yields } => {
                let (host, rail) = (node.gpid().host().raw(), rail.index());
                let mac = MacAddress(mac);
                match yields {
                    true => pr_err!(
                        "host id {host} is another machine's, {} on rail {rail}: this one keeps silent until that is gone; give it a host id of its own\n",
                        core::format_args!("{mac}")
                    ),
                    false => pr_err!(
                        "another machine, {} on rail {rail}, has host id {host}, too: it has to get one of its own\n",
                        core::format_args!("{mac}")
                    ),
                }
                return;
            }
            News::Alone => {
                pr_info!("the other machine with this host id is gone\n");
                return;
            }
            News::Session(_) => return,
        }
        self.changed.store(true, Ordering::Release);
        node.clock().not_later_than(node.now());
    }

    /// Has the clock thread look at circuits whose rails changed.
    pub(crate) fn reroute(&self, node: &Node) {
        self.rerouted.store(true, Ordering::Release);
        node.clock().not_later_than(node.now());
    }

    /// Has circuits look anew at rails that changed, and tells the handlers of peers that did. Context:
    /// the clock thread.
    pub(crate) fn follow_changes(&self, node: &Node) {
        if self.rerouted.swap(false, Ordering::AcqRel) {
            node.table().for_each(|entry| entry.reroute(node));
        }
        if self.changed.swap(false, Ordering::AcqRel) {
            self.tell_handlers();
        }
    }

    /// Calls the handlers for the difference between what is and what they were told.
    fn tell_handlers(&self) {
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
        let mut from = Some(HostId::NONE);
        while let Some(node) = from.and_then(|from| self.next_up(from)) {
            from = node.host().next();
            // Without memory the news wait for the next change.
            if !told.contains(&node) && told.push(node, GFP_KERNEL).is_ok() {
                tell(node.host(), true);
            }
        }
    }

    /// The node that `host` is now, if it is up.
    pub(crate) fn node(&self, host: HostId) -> Option<Gpid> {
        let map = self.map.lock();
        map.get(host)
            .filter(|peer| peer.is_up())
            .map(|peer| peer.node())
    }

    /// The first node that is up with a host id of at least `from`.
    fn next_up(&self, from: HostId) -> Option<Gpid> {
        let map = self.map.lock();
        let up = map
            .iter()
            .filter(|(host, peer)| *host >= from && peer.is_up());
        up.map(|(_, peer)| peer.node())
            .min_by_key(|node| node.host())
    }

    /// The rails on which `host` is heard.
    pub(crate) fn rails(&self, host: HostId) -> RailSet {
        self.map
            .lock()
            .get(host)
            .map(|peer| peer.rails())
            .unwrap_or_default()
    }

    /// Takes note of a round trip to `host` over a rail.
    pub(crate) fn note_rtt(&self, host: HostId, rail: RailId, rtt: Duration) {
        self.map.lock().note_rtt(host, rail, rtt);
    }

    /// The node with the least host id of at least `from` that was ever heard.
    pub(crate) fn next_known(&self, from: HostId) -> Option<Peer> {
        self.work(|peers| {
            let node = peers.next_known(from)?;
            peers.get(node.host()).cloned()
        })
    }
}

/// Which node `host` is now, with its boot sequence and process id 0; `None` if it is not heard.
pub fn peer(host: HostId) -> Option<Gpid> {
    NODE.get().ok()?.peers().node(host)
}

/// Whether a host is heard.
pub fn peer_up(host: HostId) -> bool {
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
