// SPDX-License-Identifier: MIT OR Apache-2.0

//! The environment of the protocol's endpoint in the simulation: vectors in place of locked tables,
//! the simulated rails in place of devices.

use std::ops::Range;
use std::rc::Rc;

use podos_proto::cdt::{CdtIndex, PeerKey};
use podos_proto::endpoint::{
    Dropped, Environment, Frame, Identity, Mac, News, SightingSlot, BROADCAST,
};
use podos_proto::keys::{self, Key, Mode, Nonce, Seal, SessionSlot, Sessions};
use podos_proto::peer::{PeerSlot, Peers};
use podos_proto::rm::Beacon;
use podos_proto::tgroup::{RailId, RailSet};
use podos_proto::time::Instant;
use podos_proto::wire::{Class, Header, ResetReason};
use podos_proto::{Gpid, HostId};

use super::members::{self, Blake2s};
use super::Life;
use crate::clock::Nanos;
use crate::content::Side;
use crate::ether::Ether;
use crate::network::owner;
use crate::protocol::{self, instant, Ledger, Payload};
use crate::sabotage::Sabotage;
use crate::user::User;

/// A frame that has arrived.
#[derive(Debug)]
pub(super) struct Heard {
    from: Mac,
    bytes: Bytes,
    /// Of the node that may keep its data.
    ledger: Ledger,
}

/// A frame's bytes.
#[derive(Debug)]
enum Bytes {
    /// All who hear a frame to all share it.
    Shared(Rc<[u8]>),
    Own(Vec<u8>),
}

impl Heard {
    pub(super) fn shared(from: Mac, bytes: Rc<[u8]>, ledger: &Ledger) -> Self {
        Self {
            from,
            bytes: Bytes::Shared(bytes),
            ledger: ledger.clone(),
        }
    }

    pub(super) fn own(from: Mac, bytes: Vec<u8>, ledger: &Ledger) -> Self {
        Self {
            from,
            bytes: Bytes::Own(bytes),
            ledger: ledger.clone(),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Shared(bytes) => bytes,
            Bytes::Own(bytes) => bytes,
        }
    }
}

impl Frame for Heard {
    type Data = Payload;

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn source(&self) -> Mac {
        self.from
    }

    fn is_for_this_station(&self) -> bool {
        true
    }

    fn start(&mut self, _len: usize) -> &[u8] {
        self.bytes()
    }

    fn into_data(self, range: Range<usize>) -> Option<Payload> {
        let data = self.bytes().get(range)?.to_vec();
        Some(Payload::new(&self.ledger, data))
    }
}

/// A run of a node's CM in its world, at a moment: frames to all are taken in later than they came.
pub(super) struct Here<'a> {
    pub(super) life: &'a mut Life,
    pub(super) ether: &'a mut Ether,
    pub(super) at: Nanos,
}

impl<'a> Here<'a> {
    /// Now.
    pub(super) fn new(life: &'a mut Life, ether: &'a mut Ether) -> Self {
        let at = ether.now;
        Self { life, ether, at }
    }

    fn circuit(&self, index: CdtIndex) -> Option<(u64, Gpid)> {
        let id = *self.life.table.get(index)?;
        Some((id, self.life.ends.get(&id)?.peer))
    }
}

impl Environment for Here<'_> {
    type Frame = Heard;
    type Circuit = u64;
    type Room = ();
    type Listener = ();
    type Prf = Blake2s;
    type PeerSlots = Vec<PeerSlot>;
    type SessionSlots = Vec<SessionSlot>;

    fn node(&self) -> Gpid {
        self.life.birth.gpid
    }

    fn incarnation(&self) -> u32 {
        self.life.birth.incarnation
    }

    fn now(&self) -> Instant {
        instant(self.at)
    }

    fn mode(&self) -> Option<Mode> {
        Some(self.ether.config.mode.of_protocol())
    }

    fn nonce(&mut self) -> Nonce {
        let members = self.life.members.as_mut();
        members.map(|members| members.nonce()).unwrap_or_default()
    }

    fn identity(&self) -> &Identity {
        &self.life.identity
    }

    fn is_own(&self, mac: Mac) -> bool {
        owner(mac).0 == self.life.birth.node
    }

    fn peers_version(&self) -> u32 {
        self.life.peers.version()
    }

    fn sightings(&self) -> &[SightingSlot] {
        &self.life.sightings
    }

    fn peers<R>(&mut self, work: impl FnOnce(&mut Peers<Vec<PeerSlot>>) -> R) -> R {
        work(&mut self.life.peers)
    }

    fn sessions<R>(
        &mut self,
        work: impl FnOnce(&mut Sessions<Blake2s, Vec<SessionSlot>>) -> R,
    ) -> Option<R> {
        let members = self.life.members.as_mut()?;
        Some(work(&mut members.table))
    }

    fn usable(&self) -> RailSet {
        self.life.usable(self.ether)
    }

    fn mtu(&self, rail: RailId) -> Option<u16> {
        Some(self.ether.network.mtu(rail))
    }

    fn send(&mut self, rail: RailId, to: Mac, header: &Header, data: &[u8], seal: Option<&Seal>) {
        let node = self.life.birth.node;
        if !self.ether.network.port(node, rail).carrier {
            return;
        }
        let frame = match seal {
            None => protocol::frame(header, data),
            Some(seal) => members::sealed_frame(*header, data, seal),
        };
        match to {
            BROADCAST => self.ether.send_to_all(node, rail, frame),
            to => self.ether.send(node, rail, to, frame),
        }
    }

    fn verify(&mut self, key: &Key, header: &Header, frame: &mut Heard) -> bool {
        let verified = members::verified(header, frame.bytes(), key);
        let trusts = self.ether.config.sabotage == Some(Sabotage::TrustEverybody);
        match verified {
            Some(plain) => {
                frame.bytes = Bytes::Own(plain);
                true
            }
            None => trusts,
        }
    }

    fn room(&mut self) -> Option<()> {
        Some(())
    }

    fn opening<R>(&mut self, handle: impl FnOnce(&mut Self) -> R) -> R {
        handle(self)
    }

    fn find(&mut self, index: CdtIndex) -> Option<(u64, Gpid)> {
        self.circuit(index)
    }

    fn find_passive(&mut self, key: PeerKey) -> Option<(u64, Gpid)> {
        self.circuit(self.life.table.find_passive(key)?)
    }

    fn free(&mut self) -> usize {
        super::TABLE - self.life.table.len()
    }

    fn has_finished(&mut self, index: CdtIndex) -> bool {
        self.life.table.has_finished(index)
    }

    fn listener(&mut self, _class: Class) -> Option<()> {
        Some(())
    }

    fn accept(&mut self, (): (), header: &Header, local: Gpid) -> Option<u64> {
        let open = (header.from, header.sack, header.active, header.ack.raw());
        let key = PeerKey::new(header.from, header.active);
        let turn = self.life.next_end as u32;
        let accept = |index| protocol::accept(turn, header, local, index);
        let inserted = self.life.insert(Some(key), header.from.node(), accept);
        let Some(id) = inserted else {
            self.ether.judge.refused(open);
            return None;
        };
        let (now, life) = (self.ether.now, self.life.birth.life);
        let conversation = self.ether.judge.accepted(now, life, open);
        if let (Some(end), Some(conversation)) = (self.life.ends.get_mut(&id), conversation) {
            let side = Side::Passive;
            end.conversation = Some((conversation, side));
            end.user = Some(User::new(&self.ether.config, conversation, side, now));
        }
        Some(id)
    }

    fn deliver(&mut self, &circuit: &u64, rail: RailId, header: &Header, data: Payload) {
        self.life.take_in(self.ether, circuit, rail, header, data);
    }

    fn arrive(&mut self, (): (), _circuit: u64, _op: u8) {}

    fn ephemeral(&mut self, header: &Header, data: &[u8]) {
        if let Ok(beacon) = Beacon::decode(data) {
            self.life.sst.update(instant(self.at), header.from, beacon);
        }
    }

    fn break_circuits(&mut self, host: HostId, reason: ResetReason) {
        if self.ether.config.sabotage != Some(Sabotage::KeepDead) {
            self.life.break_circuits(self.ether, host, reason);
        }
    }

    fn reroute(&mut self, host: HostId) {
        self.life.drive_all(self.ether, Some(host));
    }

    fn dropped(&mut self, _rail: RailId, why: Dropped) {
        self.ether.dropped(why.name());
    }

    fn tell(&mut self, news: News) {
        self.ether.digest.note(match news {
            News::Up { node, .. } | News::RailUp { node, .. } => node.raw(),
            News::RailDown { node, rail } => node.raw() ^ (rail as u64 + 1) << 60,
            News::Rebooted { node, .. } | News::Left { node } => {
                self.life.sst.lose(node.host());
                !node.raw()
            }
            News::Silent { node } => {
                self.life.sst.lose(node.host());
                u64::from(node.host().raw())
            }
            News::Expelled { node } => node.raw() ^ 5,
            News::Namesake { .. } => 6,
            News::Alone => 7,
            News::Session(event) => match event {
                keys::Event::Up { node } => node.raw() ^ 1,
                keys::Event::Rebooted { node } => node.raw() ^ 2,
                keys::Event::Rekeyed { node } => node.raw() ^ 3,
                keys::Event::Ended { node } => node.raw() ^ 4,
            },
        });
    }
}
