// SPDX-License-Identifier: GPL-2.0-only

//! The nodes that are heard, and on which rails.
//!
//! Any frame is a sign of life on the rail it came on; a [`Hello`] on every rail makes sure that
//! there is one. A rail that was silent for [`RAIL_LIFETIME`] is down for this peer, a peer
//! without rails is down.

mod past;
mod replay;

pub use replay::{OpenCheck, ReplayWindow};

use core::ops::DerefMut;

use crate::gpid::Gpid;
use crate::hello::Hello;
use crate::host_map::{HostMap, HostSlot};
pub use crate::tgroup::{RailSet, MAX_RAILS};
use crate::tgroup::{RailStatus, RailView};
use crate::time::{nanos, Duration, Instant};
use crate::wire::data_room;
use past::{Past, Start};

/// What a rail takes until its hello says otherwise.
const USUAL_MTU: u16 = 1500;
/// How long a rail may be silent.
pub const RAIL_LIFETIME: Duration = Duration::from_millis(1200);

/// A peer's interface on one rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rail {
    /// The interface's hardware address.
    pub mac: [u8; 6],
    /// The most bytes behind the Ethernet header that it takes: its last hello says so.
    pub mtu: u16,
    /// The smoothed round-trip time over this rail in microseconds; 0 if it was never measured.
    pub rtt_us: u32,
    /// When it was last heard.
    pub last_heard: Instant,
    /// Whether that is not too long ago.
    pub up: bool,
}

impl Rail {
    /// One that was never heard.
    const UNHEARD: Rail = Rail {
        mac: [0; 6],
        mtu: USUAL_MTU,
        rtt_us: 0,
        last_heard: Instant::from_nanos(0),
        up: false,
    };

    /// Smooths as RFC 6298 does: an eighth of the new.
    fn note_rtt(&mut self, rtt: Duration) {
        let micros = u32::try_from(nanos(rtt) / 1000).unwrap_or(u32::MAX).max(1);
        self.rtt_us = match self.rtt_us {
            0 => micros,
            smoothed => smoothed - smoothed / 8 + micros / 8,
        };
    }
}

/// This node's end of a rail that it can send on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRail {
    /// Most bytes of a frame without its Ethernet header.
    pub mtu: u16,
    /// Bytes that the device was given and has not sent yet.
    pub queued_bytes: u32,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub struct Peer {
    node: Gpid,
    /// 0 until it is told.
    incarnation: u32,
    past: Past,
    rails: [Rail; MAX_RAILS],
    next_open_seq: u32,
    opens: ReplayWindow,
}

impl Peer {
    fn new(node: Gpid) -> Self {
        Self {
            node,
            incarnation: 0,
            past: Past::new(),
            rails: [Rail::UNHEARD; MAX_RAILS],
            next_open_seq: 1,
            opens: ReplayWindow::new(),
        }
    }

    /// The node: host and boot.
    pub fn node(&self) -> Gpid {
        self.node
    }

    /// The rail with this number, heard or not.
    pub fn rail(&self, rail: usize) -> Option<&Rail> {
        self.rails.get(rail)
    }

    /// The rails that are up.
    pub fn rails(&self) -> RailSet {
        (0..MAX_RAILS)
            .filter(|&rail| self.rails.get(rail).is_some_and(|rail| rail.up))
            .collect()
    }

    /// Whether any rail is up.
    pub fn is_up(&self) -> bool {
        self.rails.iter().any(|rail| rail.up)
    }

    /// Takes down one rail that was silent for too long.
    fn next_lost(&mut self, now: Instant) -> Option<Lost> {
        let silent = |rail: &Rail| {
            rail.up && now.saturating_duration_since(rail.last_heard) >= RAIL_LIFETIME
        };
        let rail = self.rails.iter().position(silent)?;
        self.rails.get_mut(rail)?.up = false;
        Some(match self.is_up() {
            true => Lost::RailDown {
                node: self.node,
                rail,
            },
            false => Lost::Down { node: self.node },
        })
    }

    /// Another start takes the place of the present one: nothing of that counts any more.
    fn restart(&mut self, node: Gpid, incarnation: u32) {
        self.past.add(Start {
            boot: self.node.boot(),
            incarnation: self.incarnation,
        });
        self.node = node;
        self.incarnation = incarnation;
        self.rails = [Rail::UNHEARD; MAX_RAILS];
        self.opens = ReplayWindow::new();
    }
}

/// What an OPEN says of the starts of CM at both ends, by their incarnations: that of the opener
/// and, as the opener knows it, that of the other node.
///
/// A node whose CM was loaded anew numbers its circuits from the start again. Without this, its
/// first OPEN could be taken for a late one of its former self, or be taken twice.
pub const fn association(opener: u32, acceptor: u32) -> u32 {
    opener ^ acceptor.rotate_left(16)
}

/// What a frame means for the table of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node that was never heard before.
    New,
    /// A node that was down, without having rebooted.
    Up,
    /// A known node that lost its memory (another boot, or its CM was loaded anew): circuits with
    /// it are gone. It is up.
    Rebooted,
    /// A further rail of a node that is up.
    RailUp,
    /// The node said that it leaves: it is down, circuits with it are gone.
    Left,
    /// Nothing new.
    None,
    /// The frame must not be looked at: it is of a start that is over, or there is no room for its
    /// sender.
    Ignored,
}

/// What silence means for the table of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// No rail of this node is left.
    Down {
        /// The node: host and boot.
        node: Gpid,
    },
    /// One rail of this node is lost, others are left.
    RailDown {
        /// The node: host and boot.
        node: Gpid,
        /// The rail's number.
        rail: usize,
    },
}

/// Room for one peer.
pub type PeerSlot = HostSlot<Peer>;

/// The table, over slots that its owner provides.
#[derive(Debug)]
pub struct Peers<S: DerefMut<Target = [PeerSlot]>> {
    map: HostMap<Peer, S>,
}

impl<S: DerefMut<Target = [PeerSlot]>> Peers<S> {
    /// An empty table over `slots`.
    pub fn new(slots: S) -> Self {
        Self {
            map: HostMap::new(slots),
        }
    }

    /// Takes note of a frame of `from` that came on the receiver's rail `rail` from `mac`.
    pub fn heard(&mut self, now: Instant, from: Gpid, rail: usize, mac: [u8; 6]) -> Event {
        if rail >= MAX_RAILS {
            return Event::Ignored;
        }
        let known = self.map.get(from.host()).is_some();
        let Some(peer) = self
            .map
            .get_or_insert_with(from.host(), || Peer::new(from.node()))
        else {
            return Event::Ignored;
        };
        let rebooted = peer.node.boot() != from.boot();
        if rebooted {
            // If it is a boot number that came back, a hello will say so.
            if peer.past.has_boot(from.boot()) {
                return Event::Ignored;
            }
            peer.restart(from.node(), 0);
        }
        let was_up = peer.is_up();
        let Some(slot) = peer.rails.get_mut(rail) else {
            return Event::Ignored;
        };
        let rail_was_up = slot.up;
        slot.mac = mac;
        slot.last_heard = now;
        slot.up = true;
        match () {
            () if !known => Event::New,
            () if rebooted => Event::Rebooted,
            () if !was_up => Event::Up,
            () if !rail_was_up => Event::RailUp,
            () => Event::None,
        }
    }

    /// Takes note of a hello; tells more than [`Peers::heard`], which need not be called too.
    pub fn hello(
        &mut self,
        now: Instant,
        from: Gpid,
        rail: usize,
        mac: [u8; 6],
        hello: &Hello,
    ) -> Event {
        let event = self.meet(now, from, rail, mac, hello.incarnation.get());
        if event == Event::Ignored {
            return event;
        }
        let Some(peer) = self.map.get_mut(from.host()) else {
            return Event::Ignored;
        };
        if hello.is_leaving() {
            peer.restart(from.node(), 0);
            return Event::Left;
        }
        if let Some(slot) = peer.rails.get_mut(rail) {
            slot.mtu = hello.mtu.get();
        }
        event
    }

    /// As [`Peers::heard`], of a frame that tells which start of CM its sender is.
    pub fn meet(
        &mut self,
        now: Instant,
        from: Gpid,
        rail: usize,
        mac: [u8; 6],
        incarnation: u32,
    ) -> Event {
        let boot = from.boot();
        let known = self.map.get_mut(from.host());
        let mut restarted = false;
        if let Some(peer) = known.filter(|_| rail < MAX_RAILS) {
            if peer.past.has(Start { boot, incarnation }) {
                return Event::Ignored;
            }
            restarted = peer.node.boot() != boot
                || (peer.incarnation != 0 && peer.incarnation != incarnation);
            if restarted {
                peer.restart(from.node(), incarnation);
            }
        }
        let event = self.heard(now, from, rail, mac);
        if event == Event::Ignored {
            return event;
        }
        let Some(peer) = self.map.get_mut(from.host()) else {
            return Event::Ignored;
        };
        peer.incarnation = incarnation;
        match restarted {
            true => Event::Rebooted,
            false => event,
        }
    }

    /// Takes `host` down: it may not take part any more. Whether it was up.
    pub fn expel(&mut self, host: u32) -> bool {
        let Some(peer) = self.map.get_mut(host) else {
            return false;
        };
        let was_up = peer.is_up();
        peer.rails.iter_mut().for_each(|rail| rail.up = false);
        was_up
    }

    /// The address at which `host` is reached on a rail; `None` if it is not heard there.
    pub fn address(&self, host: u32, rail: usize) -> Option<[u8; 6]> {
        let rail = self.map.get(host)?.rail(rail)?;
        rail.up.then_some(rail.mac)
    }

    /// The address that `host` last had on a rail, whether it is up or not.
    pub fn last_address(&self, host: u32, rail: usize) -> Option<[u8; 6]> {
        let mac = self.map.get(host)?.rail(rail)?.mac;
        (mac != Rail::UNHEARD.mac).then_some(mac)
    }

    /// Adds to `view` the rails on which `host` is heard and this node can send, whose ends of them
    /// are `local`; `authenticated`: in a cluster with a key.
    pub fn add_rails(
        &self,
        host: u32,
        authenticated: bool,
        local: &[Option<LocalRail>; MAX_RAILS],
        view: &mut RailView,
    ) {
        let Some(peer) = self.map.get(host) else {
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
    pub fn note_rtt(&mut self, host: u32, rail: usize, rtt: Duration) {
        let peer = self.map.get_mut(host);
        if let Some(slot) = peer.and_then(|peer| peer.rails.get_mut(rail)) {
            slot.note_rtt(rtt);
        }
    }

    /// What became silent by `now`: loop over it about every 100 ms.
    pub fn tick(&mut self, now: Instant) -> impl Iterator<Item = Lost> + use<'_, S> {
        let peers = self.map.iter_mut();
        peers.flat_map(move |(_, peer)| core::iter::from_fn(move || peer.next_lost(now)))
    }

    /// What is known of `host`.
    pub fn get(&self, host: u32) -> Option<&Peer> {
        self.map.get(host)
    }

    /// Whether `host` was heard lately.
    pub fn is_up(&self, host: u32) -> bool {
        self.map.get(host).is_some_and(Peer::is_up)
    }

    /// Every node that was ever heard, by its host id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Peer)> {
        self.map.iter()
    }

    /// The node with the least host id of at least `from` that was ever heard.
    pub fn next_known(&self, from: u32) -> Option<Gpid> {
        let known = self.map.iter().filter(|(host, _)| *host >= from);
        let first = known.min_by_key(|(host, _)| *host);
        first.map(|(_, peer)| peer.node())
    }

    /// How many nodes were ever heard.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The open sequence of the next circuit to `host`; `None` when it was never heard.
    pub fn next_open_seq(&mut self, host: u32) -> Option<u32> {
        let peer = self.map.get_mut(host)?;
        let seq = peer.next_open_seq;
        peer.next_open_seq = seq.wrapping_add(1);
        Some(seq)
    }

    /// The [`association`] that an OPEN to `host` says, `own` being the incarnation of this node;
    /// `None` until `host` has told its own.
    pub fn association_with(&self, host: u32, own: u32) -> Option<u32> {
        let peer = self.map.get(host)?;
        (peer.incarnation != 0).then(|| association(own, peer.incarnation))
    }

    /// Whether an OPEN of `host` with this [`association`] is of nodes that know each other as they
    /// are now, `own` being the incarnation of this one. If not, it is dropped without an answer,
    /// and comes again.
    pub fn is_acquainted(&self, host: u32, own: u32, association: u32) -> bool {
        let peer = self.map.get(host).filter(|peer| peer.incarnation != 0);
        peer.is_some_and(|peer| association == self::association(peer.incarnation, own))
    }

    /// Whether the OPEN of `host` with this open sequence is a first one; takes note of it.
    pub fn accept_open(&mut self, host: u32, open_seq: u32) -> OpenCheck {
        match self.map.get_mut(host) {
            Some(peer) => peer.opens.check(open_seq),
            None => OpenCheck::Old,
        }
    }
}

#[cfg(test)]
mod tests;
