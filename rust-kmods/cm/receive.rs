// SPDX-License-Identifier: GPL-2.0-only

//! From a received frame to the circuit or the layer that it is for.
//!
//! Everything here runs in softirq.

use kernel::prelude::*;
use kernel::sync::{Arc, UniqueArc};
use podos_proto::cdt::PeerKey;
use podos_proto::circuit::{Circuit, Config};
use podos_proto::hello::Hello;
use podos_proto::peer::OpenCheck;
use podos_proto::wire::{DropReason, Header, Kind, ResetReason, COUNTER_LEN, HEADER_LEN};
use podos_proto::Gpid;

use crate::counters::Unwanted;
use crate::entry::Entry;
use crate::listener::Listener;
use crate::node::Node;
use crate::sys::{FrameReceiver, NetDevice, SegmentData, SkBuff};

impl FrameReceiver for Node {
    fn receive(&self, dev: &NetDevice, mut frame: SkBuff) {
        let Some(rail) = self.rails().number(dev) else {
            return;
        };
        let (len, mac) = (frame.len(), frame.source_mac());
        self.counters.received(rail, len);
        let start = frame.start(HEADER_LEN + COUNTER_LEN);
        let header = match Header::parse_start(start, len) {
            Ok(header) => header,
            Err(reason) => return self.counters.dropped(reason),
        };
        if header.auth.is_some() {
            return self.counters.dropped(DropReason::Auth);
        }
        if header.from.host() == self.gpid().host() {
            return self.counters.unwanted(Unwanted::Echo);
        }
        if header.to != Gpid::EVERYBODY && !header.to.same_node(self.gpid()) {
            return self.counters.unwanted(Unwanted::Misaddressed);
        }
        let place = header.data_range();
        if frame.crop(place.start, place.len()).is_err() {
            // No memory: as good as lost.
            return;
        }
        let hello = match header.kind {
            Kind::Hello => match frame.linear().map(Hello::decode) {
                Ok(Ok(hello)) => Some(hello),
                _ => return self.counters.unwanted(Unwanted::Hello),
            },
            _ => None,
        };
        if !self.peers().heard(self, &header, hello, rail, mac) {
            return self.counters.unwanted(Unwanted::Peer);
        }
        match header.kind {
            Kind::Hello | Kind::Handshake => {}
            Kind::Ephemeral => {
                if let Ok(data) = frame.linear() {
                    self.handlers().deliver(&header, data);
                }
            }
            Kind::Data | Kind::Ack | Kind::Reset => self.route(&header, rail, frame.into()),
        }
    }
}

impl Node {
    /// Hands a frame to its circuit, which is made if the frame opens it.
    fn route(&self, header: &Header, rail: usize, payload: SegmentData) {
        let mut listener = None;
        let found = if header.opens() {
            self.entry_for_open(header, &mut listener)
        } else {
            self.entry(header).ok_or(ResetReason::NoCircuit)
        };
        match found {
            Ok(entry) => {
                entry.receive(self, rail, header, payload);
                if let Some(listener) = listener {
                    listener.offer(self, entry, header.op);
                }
            }
            Err(reason) => {
                self.counters.unwanted(Unwanted::NoCircuit);
                if let Some(reset) = header.reset_reply(self.gpid(), reason) {
                    self.send_to(header.from.host(), rail, &reset);
                }
            }
        }
    }

    /// The entry that a frame is for; that of its sender, whatever index it names.
    fn entry(&self, header: &Header) -> Option<Arc<Entry>> {
        let entry = match header.peer_key() {
            Some(key) => self.table().find_passive(key),
            None => self.table().get(header.receiver_index()),
        };
        entry.filter(|entry| entry.peer() == header.from.node())
    }

    /// The passive entry that an OPEN is for; with its listener if it is a new one.
    fn entry_for_open(
        &self,
        header: &Header,
        new: &mut Option<Arc<Listener>>,
    ) -> Result<Arc<Entry>, ResetReason> {
        let room = UniqueArc::new_uninit(GFP_ATOMIC).map_err(|_| ResetReason::Full)?;
        let key = PeerKey::new(header.from, header.active);
        let _opening = self.opening().lock();
        if let Some(entry) = self.table().find_passive(key) {
            return Ok(entry);
        }
        if self.peers().accept_open(header.from.host(), header.ack) != OpenCheck::Fresh {
            // A late copy of the OPEN of a circuit that is gone.
            return Err(ResetReason::NoCircuit);
        }
        let listener = self
            .listeners()
            .get(header.class)
            .ok_or(ResetReason::Refused)?;
        let local = match header.to {
            Gpid::EVERYBODY => self.gpid(),
            process_or_node => process_or_node,
        };
        let entry = self
            .table()
            .insert(room, Some(key), header.from.node(), |index| {
                let group = self.rails().new_group();
                Circuit::accept(&Config::default(), group, header, local, index)
            })
            .map_err(|_| ResetReason::Full)?;
        self.counters.accepted();
        *new = Some(listener);
        Ok(entry)
    }
}
