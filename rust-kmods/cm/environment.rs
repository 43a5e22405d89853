// SPDX-License-Identifier: GPL-2.0-only

//! The environment of the protocol's [endpoint](podos_proto::endpoint) in the kernel: this node's
//! tables and their locks, its rails, its circuits.
//!
//! The endpoint decides what is done with a frame, an OPEN or a peer, and as time passes.

use core::ops::Range;
use kernel::prelude::*;
use kernel::sync::{Arc, UniqueArc};
use podos_proto::cdt::{CdtIndex, PeerKey};
use podos_proto::circuit::{Circuit, Config};
use podos_proto::endpoint::{Dropped, Environment, Frame, Identity, Mac, News, SightingSlot};
use podos_proto::keys::{Key, Mode, Nonce, Seal, SessionSlot};
use podos_proto::peer::PeerSlot;
use podos_proto::tgroup::{RailId, RailSet};
use podos_proto::time::Instant;
use podos_proto::wire::{Class, Header, ResetReason};
use podos_proto::{keys, peer, Gpid, HostId};

use crate::entry::Entry;
use crate::listener::Listener;
use crate::node::Node;
use crate::sessions;
use crate::share::Share;
use crate::sys::trace::{self, TracedCircuit};
use crate::sys::{Blake2s, NetDevice, SegmentData, SkBuff};
use crate::transmit;
use crate::visit::Visit;

impl Frame for SkBuff {
    type Data = SegmentData;

    fn len(&self) -> usize {
        self.len()
    }

    fn source(&self) -> Mac {
        self.source_mac()
    }

    fn is_for_this_station(&self) -> bool {
        self.is_for_this_station()
    }

    fn start(&mut self, len: usize) -> &[u8] {
        self.start(len)
    }

    fn into_data(mut self, range: Range<usize>) -> Option<SegmentData> {
        self.crop(range.start, range.len()).ok()?;
        Some(self.into())
    }
}

/// Each table is locked while it is worked on, and no longer.
impl Environment for Visit<'_> {
    type Frame = SkBuff;
    type Circuit = Arc<Entry>;
    type Room = UniqueArc<core::mem::MaybeUninit<Entry>>;
    type Listener = Arc<Listener>;
    type Prf = Blake2s;
    type PeerSlots = KVVec<PeerSlot>;
    type SessionSlots = KVVec<SessionSlot>;

    fn node(&self) -> Gpid {
        self.gpid()
    }

    fn incarnation(&self) -> u32 {
        Node::incarnation(self)
    }

    fn now(&self) -> Instant {
        Visit::now(self)
    }

    fn mode(&self) -> Option<Mode> {
        Node::sessions(self).mode()
    }

    fn nonce(&mut self) -> Nonce {
        Node::sessions(self).nonce()
    }

    fn identity(&self) -> &Identity {
        Node::identity(self)
    }

    fn is_own(&self, mac: Mac) -> bool {
        self.rails().addresses().values().contains(&Some(mac))
    }

    fn peers_version(&self) -> u32 {
        Node::peers(self).version()
    }

    fn sightings(&self) -> &[SightingSlot] {
        Node::peers(self).sightings()
    }

    fn peers<R>(&mut self, work: impl FnOnce(&mut peer::Peers<Self::PeerSlots>) -> R) -> R {
        Node::peers(self).work(work)
    }

    fn sessions<R>(
        &mut self,
        work: impl FnOnce(&mut keys::Sessions<Blake2s, Self::SessionSlots>) -> R,
    ) -> Option<R> {
        Node::sessions(self).counting(work)
    }

    fn usable(&self) -> RailSet {
        self.rails().usable()
    }

    fn mtu(&self, rail: RailId) -> Option<u16> {
        self.rails().with_device(rail, NetDevice::mtu)
    }

    fn send(&mut self, rail: RailId, to: Mac, header: &Header, data: &[u8], seal: Option<&Seal>) {
        let frame = match seal {
            None => transmit::plain_frame(to, header, data),
            Some(seal) => sessions::sealed_frame(to, header, data, seal),
        };
        // Without memory it is lost, as any frame can be.
        if let Ok(frame) = frame {
            self.transmit_at(rail, frame);
        }
    }

    fn verify(&mut self, key: &Key, header: &Header, frame: &mut SkBuff) -> bool {
        // No memory counts as a bad tag: the frame is lost, too.
        let bytes = frame.linearized_mut().ok();
        let bytes = bytes.and_then(|bytes| bytes.get_mut(..header.frame_len()));
        let parts = header.auth.zip(bytes);
        parts.is_some_and(|(auth, bytes)| sessions::verify(key, auth, bytes))
    }

    fn room(&mut self) -> Option<Self::Room> {
        UniqueArc::new_uninit(GFP_ATOMIC).ok()
    }

    fn opening<R>(&mut self, handle: impl FnOnce(&mut Self) -> R) -> R {
        let node = Visit::node(self);
        let _opening = node.opening().lock();
        handle(self)
    }

    fn find(&mut self, index: CdtIndex) -> Option<(Arc<Entry>, Gpid)> {
        let entry = self.table().get(index)?;
        let peer = entry.peer();
        Some((entry, peer))
    }

    fn find_passive(&mut self, key: PeerKey) -> Option<(Arc<Entry>, Gpid)> {
        let entry = self.table().find_passive(key)?;
        let peer = entry.peer();
        Some((entry, peer))
    }

    fn free(&mut self) -> usize {
        self.table().free()
    }

    fn has_finished(&mut self, index: CdtIndex) -> bool {
        self.table().has_finished(index)
    }

    fn listener(&mut self, class: Class) -> Option<Arc<Listener>> {
        self.listeners().get(class)
    }

    fn accept(&mut self, room: Self::Room, header: &Header, local: Gpid) -> Option<Arc<Entry>> {
        let (key, peer) = (PeerKey::new(header.from, header.active), header.from.node());
        let make = |index| {
            let group = self.rails().new_group(None);
            Circuit::accept(&Config::default(), group, header, local, index)
        };
        let inserted = self
            .table()
            .insert(room, Some(key), peer, Share::NONE, make);
        let entry = inserted.ok()?;
        self.counters.accepted();
        trace::circuit_accepted(|| TracedCircuit {
            remote: header.from,
            index: entry.index(),
            class: header.class,
        });
        Some(entry)
    }

    fn deliver(&mut self, entry: &Arc<Entry>, rail: RailId, header: &Header, data: SegmentData) {
        entry.receive(self, rail, header, data);
    }

    fn arrive(&mut self, listener: Arc<Listener>, entry: Arc<Entry>, op: u8) {
        listener.offer(self, entry, op);
    }

    fn ephemeral(&mut self, header: &Header, data: &[u8]) {
        self.handlers().deliver(header, data);
    }

    fn break_circuits(&mut self, host: HostId, reason: ResetReason) {
        self.reset_circuits(host, reason);
    }

    fn reroute(&mut self, _host: HostId) {
        // The clock thread does it: this is softirq, and circuits may be many.
        Node::peers(self).reroute(self);
    }

    fn dropped(&mut self, rail: RailId, why: Dropped) {
        self.counters.dropped(rail, why);
    }

    fn tell(&mut self, news: News) {
        Node::peers(self).tell(self, news);
    }
}
