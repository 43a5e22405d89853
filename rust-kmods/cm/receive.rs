// SPDX-License-Identifier: GPL-2.0-only

//! From a received frame to the circuit or the layer that it is for.
//!
//! Everything here runs in softirq.

use kernel::prelude::*;
use kernel::sync::{Arc, UniqueArc};
use podos_proto::cdt::PeerKey;
use podos_proto::circuit::{Circuit, Config};
use podos_proto::hello::Hello;
use podos_proto::keys::{AuthError, Event, Handshake, Mode, Outgoing};
use podos_proto::peer::OpenCheck;
use podos_proto::wire::{Header, Kind, ResetReason, COUNTER_LEN, HEADER_LEN};
use podos_proto::Gpid;

use crate::counters::Unwanted;
use crate::entry::Entry;
use crate::listener::Listener;
use crate::node::Node;
use crate::sessions::Sessions;
use crate::share::Share;
use crate::sys::trace::{self, TracedCircuit};
use crate::sys::{FrameReceiver, NetDevice, SegmentData, SkBuff};
use crate::transmit::BROADCAST_MAC;

impl FrameReceiver for Node {
    fn receive(&self, dev: &NetDevice, mut frame: SkBuff) {
        let Some(rail) = self.rails().number(dev) else {
            return;
        };
        let len = frame.len();
        self.counters.received(rail, len);
        let header = match Header::parse_start(frame.start(HEADER_LEN + COUNTER_LEN), len) {
            Ok(header) => header,
            Err(reason) => return self.counters.dropped(rail, reason),
        };
        if header.from.host() == self.gpid().host() {
            return self.counters.unwanted(rail, Unwanted::Echo);
        }
        if header.to != Gpid::EVERYBODY && !header.to.same_node(self.gpid()) {
            return self.counters.unwanted(rail, Unwanted::Misaddressed);
        }
        let sign_of_life = match self.sessions().mode() {
            None => return self.counters.unwanted(rail, Unwanted::NoMode),
            Some(Mode::Open) if header.auth.is_some() || header.kind == Kind::Handshake => {
                return self.counters.unauthentic(rail, AuthError::Unsealed);
            }
            Some(Mode::Open) => true,
            Some(_) => match self.authenticate(&header, rail, &mut frame) {
                Ok(fresh) => fresh,
                Err(why) => return self.counters.unauthentic(rail, why),
            },
        };
        if sign_of_life {
            self.take(&header, rail, frame);
        }
    }
}

impl Node {
    /// Proves that a frame is a member's, decrypts its data, and lets sessions take note of it.
    /// Whether it was sent just now.
    fn authenticate(
        &self,
        header: &Header,
        rail: usize,
        frame: &mut SkBuff,
    ) -> Result<bool, AuthError> {
        let now = self.now();
        let opening = self.sessions().open(now, header, frame)?;
        let mac = frame.source_mac();
        let data = frame.start(header.data_range().end);
        let data = data.get(header.data_range()).unwrap_or_default();
        let heard = match header.kind {
            Kind::Hello => {
                let hello = Hello::decode(data).map_err(|_| AuthError::Malformed)?;
                self.sessions().on_hello(now, header, hello, &opening)?
            }
            Kind::Handshake => {
                let handshake = Handshake::decode(data).map_err(|_| AuthError::Malformed)?;
                let sessions = self.sessions();
                let heard = sessions.on_handshake(now, header, handshake, &opening)?;
                if heard.fresh {
                    let incarnation = handshake.incarnation.get();
                    self.peers().meet(self, header.from, incarnation, rail, mac);
                }
                heard
            }
            _ => {
                let event = self.sessions().accept(now, header, &opening)?;
                if let Some(event) = event {
                    self.on_session_event(event);
                }
                return Ok(true);
            }
        };
        if let Some(event) = heard.event {
            self.on_session_event(event);
        }
        if let Some(answer) = heard.answer {
            self.send_handshake(&answer, Some((rail, mac)));
        }
        Ok(heard.fresh)
    }

    /// Takes a frame that counts.
    fn take(&self, header: &Header, rail: usize, mut frame: SkBuff) {
        let mac = frame.source_mac();
        match header.kind {
            Kind::Hello => {
                let data = frame.start(header.data_range().end);
                let data = data.get(header.data_range()).unwrap_or_default();
                let Ok(hello) = Hello::decode(data) else {
                    return self.counters.unwanted(rail, Unwanted::Hello);
                };
                if !self.peers().hello(self, header.from, hello, rail, mac) {
                    self.counters.unwanted(rail, Unwanted::Peer);
                }
            }
            // The table of peers was told already.
            Kind::Handshake => {}
            Kind::Ephemeral | Kind::Data | Kind::Ack | Kind::Reset => {
                if !self.peers().heard(self, header.from, rail, mac) {
                    return self.counters.unwanted(rail, Unwanted::Peer);
                }
                let data = header.data_range();
                if header.kind == Kind::Ephemeral {
                    let data = frame.start(data.end).get(data).unwrap_or_default();
                    self.handlers().deliver(header, data);
                } else if frame.crop(data.start, data.len()).is_ok() {
                    self.route(header, rail, frame.into());
                }
            }
        }
    }

    /// Has the table of peers follow what became of a session. That one is up it knows already: no
    /// session comes up without a handshake, and each of these is a sign of life.
    pub(crate) fn on_session_event(&self, event: Event) {
        if let Event::Ended { node } = event {
            self.peers().expel(self, node);
        }
    }

    /// Sends a handshake: back to where its cause came from, or to where its receiver was last
    /// heard, or to all.
    pub(crate) fn send_handshake(&self, handshake: &Outgoing, place: Option<(usize, [u8; 6])>) {
        let host = handshake.to.host();
        let Ok(frame) = Sessions::handshake_frame(self.gpid(), handshake) else {
            // Without memory it is lost, as any frame can be.
            return;
        };
        if let Some((rail, mac)) = place {
            return self.transmit_at(rail, mac, frame);
        }
        let usable = self.rails().usable();
        let count = usable.len().max(1);
        let Some(rail) = usable.iter().nth(usize::from(handshake.attempt) % count) else {
            return;
        };
        let mac = self.peers().last_mac(host, rail).unwrap_or(BROADCAST_MAC);
        self.transmit_at(rail, mac, frame);
    }

    /// Hands a frame to its circuit, which is made if the frame opens it.
    fn route(&self, header: &Header, rail: usize, payload: SegmentData) {
        let mut listener = None;
        let found = if header.opens() {
            self.entry_for_open(header, &mut listener)
        } else {
            self.entry(header).ok_or(Some(ResetReason::NoCircuit))
        };
        match found {
            Ok(entry) => {
                entry.receive(self, rail, header, payload);
                if let Some(listener) = listener {
                    listener.offer(self, entry, header.op);
                }
            }
            Err(reason) => {
                self.counters.unwanted(rail, Unwanted::NoCircuit);
                let reply = match reason {
                    Some(ResetReason::NoCircuit) => {
                        let finished = self.table().has_finished(header.receiver_index());
                        header.stray_reply(self.gpid(), finished)
                    }
                    Some(reason) => header.reset_reply(self.gpid(), reason),
                    None => None,
                };
                if let Some(reply) = reply {
                    self.send_to(header.from.host(), rail, &reply);
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

    /// The passive entry that an OPEN is for; with its listener if it is a new one. Else what the
    /// opener is told, if anything.
    fn entry_for_open(
        &self,
        header: &Header,
        new: &mut Option<Arc<Listener>>,
    ) -> Result<Arc<Entry>, Option<ResetReason>> {
        let full = Some(ResetReason::Full);
        let room = UniqueArc::new_uninit(GFP_ATOMIC).map_err(|_| full)?;
        let key = PeerKey::new(header.from, header.active);
        let host = header.from.host();
        let _opening = self.opening().lock();
        // Circuits with a former self of the opener are gone as soon as the new one is known.
        if !self.peers().is_acquainted(self, host, header.sack) {
            return Err(None);
        }
        if let Some(entry) = self.table().find_passive(key) {
            return Ok(entry);
        }
        if self.peers().accept_open(host, header.ack) != OpenCheck::Fresh {
            // A late copy of the OPEN of a circuit that is gone.
            return Err(Some(ResetReason::NoCircuit));
        }
        let listener = self
            .listeners()
            .get(header.class)
            .ok_or(Some(ResetReason::Refused))?;
        let local = match header.to {
            Gpid::EVERYBODY => self.gpid(),
            process_or_node => process_or_node,
        };
        let entry = self
            .table()
            .insert(room, Some(key), header.from.node(), Share::NONE, |index| {
                let group = self.rails().new_group(None);
                Circuit::accept(&Config::default(), group, header, local, index)
            })
            .map_err(|_| full)?;
        self.counters.accepted();
        trace::circuit_accepted(|| TracedCircuit {
            remote: header.from,
            index: entry.index(),
            class: header.class,
        });
        *new = Some(listener);
        Ok(entry)
    }
}
