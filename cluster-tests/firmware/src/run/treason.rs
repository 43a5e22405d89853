// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a member can do wrong: its frames have right tags, except those that are meant to have
//! wrong ones.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::hostile::Sent;
use super::{pattern, Machine, Outcome, Run};
use crate::attack::NOBODY;
use crate::body::Hello;
use crate::check::Reason;
use crate::circuit::{reset, State};
use crate::crypto;
use crate::identity::Mode;
use crate::wire::{class, flag, kind, Gpid, Header, BROADCAST};

/// Op of messages that a node's kernel sends back.
pub(super) const ECHO: u8 = 1;

impl<M: Machine> Run<M> {
    pub(super) fn treason(&mut self, host: u32, count: usize) -> Outcome {
        if self.node.identity.mode == Mode::Open {
            return Err("without keys there is nothing to betray".into());
        }
        let mut sent = Sent::default();
        let frames = self.late(host, &mut sent)?;
        self.send_in_order(host, frames);
        let frames = self.copies(host, count, &mut sent)?;
        self.send_to(host, frames);
        let frames = self.wrong_tags(host, count, &mut sent)?;
        self.send_to(host, frames);
        let frames = self.wrong_names(host, count, &mut sent)?;
        self.send_to(host, frames);
        let frames = self.given_up(count, &mut sent)?;
        self.send_to(host, frames);
        self.tell_sent(&sent.0, &format!("{host}"));
        Ok("done".into())
    }

    /// An Ack of a circuit that there is not: nothing is answered to it.
    fn harmless(&mut self, host: u32) -> Result<Header, String> {
        let to = match self.node.peers.get(&host) {
            Some(peer) => peer.node,
            None => return Err(format!("{host} is not known")),
        };
        Ok(Header {
            flags: flag::ACK_VALID,
            active: 0x7abc_0001,
            passive: 0x7abc_0002,
            ..Header::new(kind::ACK, class::TEST, 0, self.node.process(), to)
        })
    }

    fn pair(&mut self, host: u32, header: Header) -> Result<Vec<u8>, String> {
        let frame = self.node.pair_frame(host, header, &[]);
        frame.ok_or_else(|| format!("no key is shared with {host}"))
    }

    /// A frame that was never sent before, behind one that makes its counter one from long ago.
    fn late(&mut self, host: u32, sent: &mut Sent) -> Result<Vec<Vec<u8>>, String> {
        let header = self.harmless(host)?;
        let old = self.pair(host, header)?;
        // Numbers may be left out.
        for _ in 0..1100 {
            self.pair(host, header)?;
        }
        let ahead = self.pair(host, header)?;
        sent.add(Reason::Replayed, 1);
        Ok(Vec::from([ahead, old]))
    }

    /// Frames that come more than once.
    fn copies(&mut self, host: u32, count: usize, sent: &mut Sent) -> Result<Vec<Vec<u8>>, String> {
        let header = self.harmless(host)?;
        let mut frames = Vec::new();
        let shout = Header::new(
            kind::EPHEMERAL,
            class::TEST,
            3,
            self.node.identity.node,
            header.to.node(),
        );
        let shout = self.node.identity.frame(shout, b"once");
        let ack = self.pair(host, header)?;
        for frame in [shout, ack] {
            frames.extend((0..=count).map(|_| frame.clone()));
            sent.add(Reason::Replayed, count);
        }
        Ok(frames)
    }

    /// One bit is wrong: in the header, the counter, the data, the tag.
    fn wrong_tags(
        &mut self,
        host: u32,
        count: usize,
        sent: &mut Sent,
    ) -> Result<Vec<Vec<u8>>, String> {
        let mut frames = Vec::new();
        let header = self.harmless(host)?;
        let to = header.to.node();
        for _ in 0..count {
            // In `ack` and in the tag of the one; in the data and in the tag of the other.
            for at in [39, 60] {
                let mut frame = self.pair(host, header)?;
                frame[at] ^= 0x10;
                frames.push(frame);
            }
            for at in [58, 70] {
                let shout =
                    Header::new(kind::EPHEMERAL, class::TEST, 3, self.node.identity.node, to);
                let mut frame = self.node.identity.frame(shout, b"a shout");
                frame[at] ^= 0x10;
                frames.push(frame);
            }
        }
        sent.add(Reason::BadTag, 4 * count);
        Ok(frames)
    }

    /// Frames for others, and under keys that there are not.
    fn wrong_names(
        &mut self,
        host: u32,
        count: usize,
        sent: &mut Sent,
    ) -> Result<Vec<Vec<u8>>, String> {
        let mut frames = Vec::new();
        let header = self.harmless(host)?;
        for _ in 0..count {
            for (to, reason) in [
                (Gpid::new(NOBODY, 1, 0), Reason::Misaddressed),
                // An earlier boot of the node.
                (
                    Gpid::new(header.to.host(), header.to.boot() ^ 0x4000, 0),
                    Reason::Misaddressed,
                ),
            ] {
                frames.push(self.pair(host, Header { to, ..header })?);
                sent.add(reason, 1);
            }
            let own = Header {
                from: header.to,
                ..header
            };
            frames.push(self.pair(host, own)?);
            sent.add(Reason::Echo, 1);
            let mut frame = self.pair(host, header)?;
            // Eight epochs away at both ends.
            frame[5] ^= 0x88;
            frames.push(frame);
            sent.add(Reason::UnknownSession, 1);
            let hello = Hello {
                mtu: 68,
                ..self.node.hello(0, 0)
            };
            let header = Header::new(kind::HELLO, class::CM, 0, self.node.identity.node, Gpid(0));
            frames.push(self.node.identity.frame(header, &hello.bytes()));
            sent.add(Reason::Handshake, 1);
        }
        Ok(frames)
    }

    /// Hellos with a nonce that was given up.
    fn given_up(&mut self, count: usize, sent: &mut Sent) -> Result<Vec<Vec<u8>>, String> {
        let (hello, key) = (self.node.hello(0, 0), self.node.identity.sender());
        let key_id = self.node.identity.key_id();
        self.rekey()?;
        let node = self.node.identity.node;
        let header = Header {
            key_id,
            ..Header::new(kind::HELLO, class::CM, 0, node, Gpid(0))
        };
        sent.add(Reason::NotFresh, count);
        let frame = |number| crypto::seal(&key, 1_000_000 + number as u64, header, &hello.bytes());
        Ok((0..count).map(frame).collect())
    }

    pub(super) fn abuse(&mut self, host: u32) -> Outcome {
        self.harass(host)?;
        // Segments 1 and 2 lack, so the stream can't come to its end before the second frame.
        self.contradict(host, "a segment behind the FIN", |header| {
            let fin = header.flags | flag::FIN;
            [
                Header {
                    flags: fin,
                    seq: 3,
                    ..header
                },
                Header { seq: 4, ..header },
            ]
        })?;
        self.contradict(host, "a second FIN", |header| {
            [3, 2].map(|seq| Header {
                flags: header.flags | flag::FIN,
                seq,
                ..header
            })
        })?;
        self.stale(host)?;
        Ok("the node bore it".into())
    }

    /// A circuit to the node's echo service after its first message came back.
    pub(super) fn begin(&mut self, host: u32) -> Result<u32, String> {
        let now = self.machine.now();
        let index = self
            .node
            .open(host, class::TEST, ECHO, &pattern(0, 0, 100), now);
        let index = index.ok_or_else(|| format!("{host} is not known"))?;
        self.expect_back(index, 0)?;
        Ok(index)
    }

    /// Waits until message `number` comes back.
    fn expect_back(&mut self, index: u32, number: usize) -> Result<(), String> {
        let mut back = None;
        let came = self.until(|node, _| {
            back = node.messages(index).pop();
            let lives = |node: &crate::node::Node| {
                let circuit = node.circuits.get(&index);
                circuit.is_some_and(|circuit| circuit.state == State::Open)
            };
            back.is_some() || !lives(node)
        });
        let wanted = (ECHO, pattern(0, number, 100));
        match back {
            Some(back) if came && back == wanted => Ok(()),
            _ => {
                let circuit = self.node.circuits.get(&index);
                let state = circuit.map(|circuit| circuit.state);
                Err(format!(
                    "message {number} did not come back; the circuit: {state:?}"
                ))
            }
        }
    }

    /// Nonsense on a circuit that has to live on.
    fn harass(&mut self, host: u32) -> Result<(), String> {
        let index = self.begin(host)?;
        let Some(circuit) = self.node.circuits.get(&index) else {
            return Err("no circuit".into());
        };
        let ack = circuit.ack(false);
        let data = circuit.header(kind::DATA, ECHO, flag::ACK_VALID);
        // Segment 0 went, so 1 is the next.
        let next = Header { seq: 1, ..data };
        let piece = |offset: u16, op: u8| Header {
            flags: next.flags | flag::MORE,
            offset,
            ctrl_info: class::TEST | op << 3,
            ..next
        };
        let mut nonsense: Vec<(Header, Vec<u8>)> = Vec::new();
        nonsense.extend((0..200).map(|_| (ack, Vec::new())));
        for beyond in [2, 1000, 0x7fff_fff0] {
            let ack = Header {
                ack: ack.ack.wrapping_add(beyond),
                ..ack
            };
            nonsense.push((ack, Vec::new()));
        }
        nonsense.extend([
            // Tells of segments that were never sent.
            (
                Header {
                    sack: u32::MAX,
                    seq: u32::MAX,
                    ..ack
                },
                Vec::new(),
            ),
            // Takes the window back.
            (Header { window: 0, ..ack }, Vec::new()),
            (
                Header {
                    window: u16::MAX,
                    ..ack
                },
                Vec::new(),
            ),
            // Beyond the window; a copy with other data; the middle of nowhere.
            (
                Header {
                    seq: 1 + 64 + 5,
                    ..data
                },
                alloc::vec![1; 50],
            ),
            (
                Header {
                    seq: 0x7fff_ffff,
                    ..data
                },
                alloc::vec![2; 50],
            ),
            (Header { seq: 0, ..data }, alloc::vec![3; 50]),
            // Pieces that overlap, and pieces that differ.
            (piece(0, ECHO), alloc::vec![4; 20]),
            (piece(10, ECHO), alloc::vec![5; 20]),
            (piece(15, ECHO), alloc::vec![6; 1]),
            (piece(40, ECHO + 1), alloc::vec![7; 20]),
            (piece(8900, ECHO), alloc::vec![8; 52]),
        ]);
        for (header, data) in nonsense {
            let frame = self.node.pair_frame(host, header, &data);
            let frame = frame.ok_or("no key")?;
            self.send_to(host, Vec::from([frame]));
        }
        if let Some(circuit) = self.node.circuits.get_mut(&index) {
            circuit.send(ECHO, &pattern(0, 1, 100));
        }
        self.expect_back(index, 1)?;
        if let Some(circuit) = self.node.circuits.get_mut(&index) {
            circuit.finish();
        }
        match self.last_state(index) {
            Some(State::Done) => Ok(()),
            other => Err(format!("the circuit ended as {other:?}")),
        }
    }

    /// Two frames that can't both be true: the node resets the circuit.
    fn contradict(
        &mut self,
        host: u32,
        what: &str,
        frames: impl FnOnce(Header) -> [Header; 2],
    ) -> Result<(), String> {
        let index = self.begin(host)?;
        let Some(circuit) = self.node.circuits.get(&index) else {
            return Err("no circuit".into());
        };
        let header = circuit.header(kind::DATA, ECHO, flag::ACK_VALID);
        for header in frames(header) {
            if let Some(circuit) = self.node.circuits.get_mut(&index) {
                circuit.send_queue.claim(header.seq);
            }
            let frame = self.node.pair_frame(host, header, &[]).ok_or("no key")?;
            self.send_to(host, Vec::from([frame]));
        }
        match self.last_state(index) {
            Some(State::Broken(reset::PROTOCOL)) => Ok(()),
            other => Err(format!("after {what} the circuit is {other:?}")),
        }
    }

    /// Indices that were never right, or not for a circuit that ended well: answered with a Reset, and
    /// turned around.
    fn stale(&mut self, host: u32) -> Result<(), String> {
        let harmless = self.harmless(host)?;
        for (active, passive) in [(0x1234_0001, 0xfffe_0000), (5, 0x7ffe_fffe), (0, 0)] {
            let header = Header {
                kind: kind::DATA,
                flags: flag::ACK_VALID | flag::TO_PASSIVE | flag::END,
                active,
                passive,
                ..harmless
            };
            self.node.strays.clear();
            let frame = self.node.pair_frame(host, header, b"?").ok_or("no key")?;
            let mac = self.node.address(host, 0);
            assert_ne!(mac, BROADCAST);
            self.send_to(host, Vec::from([frame]));
            let came = self.until(|node, _| !node.strays.is_empty());
            let right = |stray: &Header| {
                (stray.seq, stray.active, stray.passive) == (reset::NO_CIRCUIT, active, passive)
                    && !stray.has(flag::TO_PASSIVE)
                    && stray.to == header.from
            };
            if !came || !self.node.strays.iter().any(right) {
                return Err(format!(
                    "Data for {passive:08x} was answered with {:x?}",
                    self.node.strays
                ));
            }
        }
        Ok(())
    }
}
