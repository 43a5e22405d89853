// SPDX-License-Identifier: GPL-2.0-only

//! From a received frame to the circuit or the layer that it is for.
//!
//! Everything here runs in softirq.

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::cdt::{CdtIndex, PeerKey};
use podos_proto::circuit::{self, Config};
use podos_proto::peer::OpenVerdict;
use podos_proto::wire::{Header, Kind, ResetReason};

use crate::counters::Unwanted;
use crate::entry::Entry;
use crate::node::Node;
use crate::sys::{FrameReceiver, NetDevice, SkBuff};

impl FrameReceiver for Node {
    fn receive(&self, dev: &NetDevice, mut frame: SkBuff) {
        let Some(rail) = self.rails().number(dev) else {
            return;
        };
        self.counters.received(rail, frame.data().len());
        let (header, start, len) = match Header::parse(frame.data()) {
            Ok((header, data)) => (header, frame.data().len(), data.len()),
            Err(reason) => return self.counters.dropped(reason),
        };
        let _ = start;
        if header.from.host() == self.gpid().host() {
            return self.counters.unwanted(Unwanted::Echo);
        }
        if !header.is_for(self.gpid()) {
            return self.counters.unwanted(Unwanted::Misaddressed);
        }
        if !self.peers().heard(self, &header, rail, frame.source_mac()) {
            return self.counters.unwanted(Unwanted::PeerTable);
        }
        match header.kind {
            Kind::Hello => {}
            Kind::Ephemeral => self.deliver(&header, &frame),
            Kind::Data | Kind::Ack | Kind::Reset => {
                if frame.crop(podos_proto::wire::HEADER_LEN, len).is_ok() {
                    self.route(header, rail, frame);
                }
            }
        }
    }
}
