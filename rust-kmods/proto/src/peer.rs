// SPDX-License-Identifier: GPL-2.0-only

//! The nodes that are heard, and on which rails.
//!
//! Any frame is a sign of life on the rail it came on; a [`Hello`] on every rail makes sure that
//! there is one. A rail is up for a peer if it was heard there within [`RAIL_LIFETIME`], and has not
//! missed hellos that other rails brought, and if the peer has not [told](Peers::told) that it does not
//! hear this node there. A peer without rails is down.

mod known;
mod past;
mod rail;
mod replay;
mod report;
mod sweep;

pub use known::Peer;
pub use rail::{LocalRail, Rail, RAIL_LIFETIME};
pub use replay::{OpenCheck, ReplayWindow};

use core::ops::DerefMut;

use crate::gpid::Gpid;
use crate::hello::Hello;
use crate::host_id::HostId;
use crate::host_map::{HostMap, HostSlot};
use crate::seq::Seq;
use crate::tgroup::{PerRail, RailStatus, RailView};
pub use crate::tgroup::{RailId, RailSet};
use crate::time::{Duration, Instant};
use crate::wire::{data_room, ResetReason, MIN_MTU};
use past::Start;
use sweep::Sweep;

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
    /// The frame must not be looked at: it is of a start that is over, or of another machine of the
    /// same name, or there is no room for its sender.
    Ignored,
}

/// What silence, or what a peer tells, means for the table of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
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
        rail: RailId,
    },
    /// A rail of a node that is up can be used again.
    RailUp {
        /// The node: host and boot.
        node: Gpid,
        /// The rail's number.
        rail: RailId,
    },
    /// A node that was down is up.
    Up {
        /// The node: host and boot.
        node: Gpid,
        /// A rail that it is up on.
        rail: RailId,
    },
}

/// What is to be told to a peer: on which rails it is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardOn {
    /// The node: host and boot.
    pub node: Gpid,
    /// The rails.
    pub rails: RailSet,
    /// How long that holds.
    pub valid: Duration,
}

/// Room for one peer.
pub type PeerSlot = HostSlot<Peer>;

/// The table, over slots that its owner provides.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Peers<S: DerefMut<Target = [PeerSlot]>> {
    map: HostMap<Peer, S>,
    /// For what changed.
    changes: Sweep,
    /// For reports that are due.
    reports: Sweep,
    version: u32,
}

impl<S: DerefMut<Target = [PeerSlot]>> Peers<S> {
    /// An empty table over `slots`.
    pub fn new(slots: S) -> Self {
        Self {
            map: HostMap::new(slots),
            changes: Sweep::new(),
            reports: Sweep::new(),
            version: 0,
        }
    }

    /// A number that changes, modulo 2^32, whenever the ways to a peer do: on which rails it is up,
    /// with which address and MTU, and which start of it that is. While it does not, frames from where
    /// a peer was [heard](Peers::heard) before mean [`Event::None`], and [`Peers::add_rails`] and
    /// [`Peers::address`] give what they gave, but for round trips.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Takes note of what was done to a peer.
    fn note_change(&mut self, host: HostId) {
        let peer = self.map.get_mut(host);
        let changed = peer.is_some_and(Peer::take_changed);
        self.version = self.version.wrapping_add(changed.into());
    }

    /// Takes note of a frame of `from` that came on the receiver's rail `rail` from `mac`.
    pub fn heard(&mut self, now: Instant, from: Gpid, rail: RailId, mac: [u8; 6]) -> Event {
        let event = self.hear(now, from, rail, mac);
        self.note_change(from.host());
        event
    }

    fn hear(&mut self, now: Instant, from: Gpid, rail: RailId, mac: [u8; 6]) -> Event {
        let known = self.map.get(from.host()).is_some();
        let Some(peer) = self
            .map
            .get_or_insert_with(from.host(), || Peer::new(from.node()))
        else {
            return Event::Ignored;
        };
        let rebooted = peer.node.boot() != from.boot();
        if !rebooted && peer.incarnation == 0 && peer.past.has_boot(now, from.boot()) {
            // It has left: a hello will say that it is back.
            return Event::Ignored;
        }
        if rebooted {
            // If it is a boot number that came back, a hello will say so.
            if peer.past.has_boot(now, from.boot()) || peer.is_another(now, mac) {
                return Event::Ignored;
            }
            peer.restart(now, from.node(), 0);
        }
        let before = peer.rails();
        if !peer.hear(now, rail, mac) {
            return Event::None;
        }
        if let Some(at) = peer.report.at() {
            self.reports.not_later_than(at);
        }
        let after = peer.rails();
        match () {
            () if !known => Event::New,
            () if rebooted => Event::Rebooted,
            () if before == after => Event::None,
            () if before.is_empty() => Event::Up,
            () => Event::RailUp,
        }
    }

    /// Takes note of hello number `seq`; tells more than [`Peers::heard`], which need not be called too.
    pub fn hello(
        &mut self,
        now: Instant,
        from: Gpid,
        rail: RailId,
        mac: [u8; 6],
        (seq, hello): (Seq, &Hello),
    ) -> Event {
        let event = self.meet(now, from, rail, mac, hello.incarnation.get());
        if event == Event::Ignored {
            return event;
        }
        let Some(peer) = self.map.get_mut(from.host()) else {
            return Event::Ignored;
        };
        let event = if hello.is_leaving() {
            peer.restart(now, from.node(), 0);
            Event::Left
        } else {
            if peer.hear_hello(seq, rail, hello.mtu.get(), hello.rails) {
                self.changes.not_later_than(now);
            }
            if peer.heard().len() < usize::from(hello.rails) {
                self.reports.not_later_than(peer.report.expect(now));
            }
            event
        };
        self.note_change(from.host());
        event
    }

    /// Takes note that `from` says, by its report number `seq`, on which rails it hears this node, and
    /// that this holds for so long. What changed.
    pub fn told(
        &mut self,
        now: Instant,
        from: Gpid,
        seq: Seq,
        rails: RailSet,
        valid: Duration,
    ) -> Option<Change> {
        let peer = self.map.get_mut(from.host())?;
        if !peer.node.same_node(from) {
            return None;
        }
        self.changes.not_later_than(now + valid);
        let change = peer.tell(now, seq, rails, valid);
        self.note_change(from.host());
        change
    }

    /// What is to be told to a peer by now, if this node can send on `usable`; to be asked until there
    /// is nothing.
    pub fn next_report(&mut self, now: Instant, usable: RailSet) -> Option<HeardOn> {
        self.reports.poll(
            &mut self.map,
            now,
            RAIL_LIFETIME * 8,
            |peer| {
                let (rails, valid) = peer.poll_report(now, usable)?;
                let node = peer.node;
                Some(HeardOn { node, rails, valid })
            },
            |peer| peer.report.at(),
        )
    }

    /// Whether another machine has the name of `from`: one that was heard lately, and never from `mac`.
    /// A machine that is started again keeps some of its interfaces, or takes longer.
    pub fn is_taken(&self, now: Instant, from: Gpid, mac: [u8; 6], incarnation: u32) -> bool {
        let peer = self.map.get(from.host());
        peer.is_some_and(|peer| {
            !peer.is_start(from.boot(), incarnation) && peer.is_another(now, mac)
        })
    }

    /// As [`Peers::heard`], of a frame that tells which start of CM its sender is.
    pub fn meet(
        &mut self,
        now: Instant,
        from: Gpid,
        rail: RailId,
        mac: [u8; 6],
        incarnation: u32,
    ) -> Event {
        let boot = from.boot();
        let mut restarted = false;
        if let Some(peer) = self.map.get_mut(from.host()) {
            if peer.past.has(now, Start { boot, incarnation }) {
                return Event::Ignored;
            }
            restarted = !peer.is_start(boot, incarnation);
            if restarted && peer.is_another(now, mac) {
                return Event::Ignored;
            }
            if restarted {
                peer.restart(now, from.node(), incarnation);
            }
            peer.introduce(incarnation);
        }
        let event = self.heard(now, from, rail, mac);
        if event == Event::Ignored {
            return event;
        }
        let Some(peer) = self.map.get_mut(from.host()) else {
            return Event::Ignored;
        };
        peer.introduce(incarnation);
        match restarted {
            true => Event::Rebooted,
            false => event,
        }
    }

    /// Takes `host` down: it may not take part any more. Whether it was up.
    pub fn expel(&mut self, host: HostId) -> bool {
        let Some(peer) = self.map.get_mut(host) else {
            return false;
        };
        let was_up = peer.is_up();
        peer.expel();
        self.note_change(host);
        was_up
    }

    /// The address at which `host` is reached on a rail; `None` if it is not heard there.
    pub fn address(&self, host: HostId, rail: RailId) -> Option<[u8; 6]> {
        let peer = self.map.get(host)?;
        let is_up = peer.rails().contains(rail);
        is_up.then(|| peer.rail(rail).mac)
    }

    /// The address that `host` last had on a rail, whether it is up or not.
    pub fn last_address(&self, host: HostId, rail: RailId) -> Option<[u8; 6]> {
        let mac = self.map.get(host)?.rail(rail).mac;
        (mac != Rail::UNHEARD.mac).then_some(mac)
    }

    /// Adds to `view` the rails on which `host` is heard and this node can send, whose ends of them
    /// are `local`; `authenticated`: in a cluster with a key. A rail with less than [`MIN_MTU`] is of
    /// no use.
    pub fn add_rails(
        &self,
        host: HostId,
        authenticated: bool,
        local: &PerRail<Option<LocalRail>>,
        view: &mut RailView,
    ) {
        let Some(peer) = self.map.get(host) else {
            return;
        };
        for rail in peer.rails().iter() {
            let Some(local) = local[rail].filter(|local| local.mtu >= MIN_MTU) else {
                continue;
            };
            let remote = peer.rail(rail);
            let room = data_room(remote.mtu.min(local.mtu), authenticated);
            let status = RailStatus {
                queued_bytes: local.queued_bytes,
                rtt_us: remote.rtt_us,
                room: room as u16,
            };
            view.insert(rail, status);
        }
    }

    /// Takes note of a round trip to `host` over a rail.
    pub fn note_rtt(&mut self, host: HostId, rail: RailId, rtt: Duration) {
        if let Some(peer) = self.map.get_mut(host) {
            peer.rails[rail].note_rtt(rtt);
        }
    }

    /// What changed by `now`, because rails fell silent or what a peer told holds no more: to be asked
    /// about every 50 ms, each time until there is nothing.
    pub fn next_change(&mut self, now: Instant) -> Option<Change> {
        let version = &mut self.version;
        let change = self.changes.poll(
            &mut self.map,
            now,
            RAIL_LIFETIME,
            |peer| {
                let change = peer.next_change(now);
                *version = version.wrapping_add(peer.take_changed().into());
                change
            },
            Peer::unchanged_until,
        );
        if change.is_some() {
            self.reports.not_later_than(now);
        }
        change
    }

    /// What is known of `host`.
    pub fn get(&self, host: HostId) -> Option<&Peer> {
        self.map.get(host)
    }

    /// Whether `host` was heard lately.
    pub fn is_up(&self, host: HostId) -> bool {
        self.map.get(host).is_some_and(Peer::is_up)
    }

    /// Every node that was ever heard, by its host id.
    pub fn iter(&self) -> impl Iterator<Item = (HostId, &Peer)> {
        self.map.iter()
    }

    /// The node with the least host id of at least `from` that was ever heard.
    pub fn next_known(&self, from: HostId) -> Option<Gpid> {
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
    pub fn next_open_seq(&mut self, host: HostId) -> Option<Seq> {
        let peer = self.map.get_mut(host)?;
        let seq = peer.next_open_seq;
        peer.next_open_seq = seq.next();
        Some(seq)
    }

    /// The [`association`] that an OPEN to `host` says, `own` being the incarnation of this node;
    /// `None` until `host` has told its own.
    pub fn association_with(&self, host: HostId, own: u32) -> Option<u32> {
        let peer = self.map.get(host)?;
        (peer.incarnation != 0).then(|| association(own, peer.incarnation))
    }

    /// Whether an OPEN of `host` with this [`association`] is of nodes that know each other as they
    /// are now, `own` being the incarnation of this one. If not, it is dropped without an answer,
    /// and comes again.
    pub fn is_acquainted(&self, host: HostId, own: u32, association: u32) -> bool {
        let peer = self.map.get(host).filter(|peer| peer.incarnation != 0);
        peer.is_some_and(|peer| association == self::association(peer.incarnation, own))
    }

    /// Whether the OPEN of `host` with this open sequence is a first one; takes note of it.
    pub fn accept_open(&mut self, host: HostId, open_seq: Seq) -> OpenCheck {
        match self.map.get_mut(host) {
            Some(peer) => peer.opens.check(open_seq),
            None => OpenCheck::Old,
        }
    }

    /// Lets `host` have one more circuit in this node's table, in which `free` entries are free; whether
    /// it may. A host may have as many as are left free then: one alone half of the table, two a third
    /// each, and so on, so that there is always room for another one.
    pub fn admit_passive(&mut self, host: HostId, free: usize) -> bool {
        let peer = self.map.get_mut(host);
        let Some(peer) = peer.filter(|peer| peer.passive < free) else {
            return false;
        };
        peer.passive += 1;
        true
    }

    /// A circuit that `host` was admitted for has left the table.
    pub fn release_passive(&mut self, host: HostId) {
        if let Some(peer) = self.map.get_mut(host) {
            peer.passive = peer.passive.saturating_sub(1);
        }
    }

    /// Takes note that the OPEN of `host` with this open sequence, which was fresh, was refused.
    pub fn refuse_open(&mut self, host: HostId, open_seq: Seq, reason: ResetReason) {
        if let Some(peer) = self.map.get_mut(host) {
            peer.opens.refuse(open_seq, reason);
        }
    }
}

#[cfg(test)]
mod tests;
