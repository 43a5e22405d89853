// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm bad-frames`: frames that no node may send, one kind for each reason to drop a frame.
//!
//! They are laid out by docs/wire-protocol.md, not by the code that is to see through them.

use anyhow::{Context, Result};

use crate::rail::Rail;
use crate::report::say;

/// Send bad frames to all nodes of a rail; say which, by the reason for which each is to be dropped
#[derive(Debug, clap::Args)]
pub struct BadFrames {
    /// Interface of the rail
    interface: String,

    /// How many of each kind
    #[arg(long, default_value_t = 1)]
    count: u32,
}

const EVERYBODY: [u8; 6] = [0xff; 6];
const ETHERTYPE: u16 = 0x88b5;
const HEADER: usize = 48;
const DATA: u8 = 3;
const HELLO: u8 = 2;

const ACK_VALID: u16 = 0x0010;
const MORE: u16 = 0x0040;
const UNKNOWN: u16 = 0x0080;
const SEALED: u16 = 0x4000;
const AUTH: u16 = 0x8000;

/// A header with its fields at their offsets.
#[derive(Clone)]
struct Packet(Vec<u8>);

impl Packet {
    /// A Data frame of a host that nobody knows, to everybody, without data: nothing is wrong with
    /// it but that it bears no tag.
    fn data() -> Self {
        let mut packet = Self(vec![0; HEADER]);
        packet.0[0] = 2;
        packet.0[1] = DATA;
        packet.flags(ACK_VALID);
        packet.gpid(8, 99, 1);
        packet.long(24, 0x0001_0001);
        packet.long(28, 0x0001_0002);
        packet
    }

    fn byte(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    fn with_flags(mut self, flags: u16) -> Self {
        self.flags(flags);
        self
    }

    fn flags(&mut self, flags: u16) {
        self.0[2..4].copy_from_slice(&flags.to_be_bytes());
    }

    fn gpid(&mut self, at: usize, host: u32, boot: u16) {
        self.long(at, host);
        self.0[at + 4..at + 6].copy_from_slice(&boot.to_be_bytes());
    }

    fn long(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    fn cut(mut self, len: usize) -> Self {
        self.0.truncate(len);
        self
    }

    /// With a counter, `data` and a tag that is none.
    fn authenticated(mut self, data: &[u8]) -> Self {
        self.0[6..8].copy_from_slice(&(data.len() as u16).to_be_bytes());
        self.0.extend(1u64.to_be_bytes());
        self.0.extend(data);
        self.0.extend([0x5a; 16]);
        self
    }
}

/// A Hello under a cluster key that nobody has.
fn strange_hello() -> Packet {
    let mut body = [0x33; 48];
    // Rail, rails, flags and epoch; incarnation; interval and MTU.
    body[..4].copy_from_slice(&[0, 3, 0, 0]);
    body[8..12].copy_from_slice(&[0x01, 0x2c, 0x05, 0xdc]);
    let mut packet = Packet::data().byte(1, HELLO).with_flags(AUTH);
    packet.long(24, u32::MAX);
    packet.long(28, u32::MAX);
    packet.authenticated(&body)
}

/// The packets, by the reason that docs/wire-protocol.md gives.
fn packets() -> Vec<(&'static str, Packet)> {
    let data = Packet::data;
    let no_host = {
        let mut packet = data();
        packet.gpid(8, 0, 1);
        packet
    };
    let no_index = {
        let mut packet = data();
        packet.long(28, u32::MAX);
        packet
    };
    let elsewhere = {
        let mut packet = data();
        packet.gpid(16, 98, 1);
        packet
    };
    vec![
        ("short", data().cut(HEADER - 1)),
        ("version", data().byte(0, 1)),
        ("kind", data().byte(1, 7)),
        ("class", data().byte(4, 6)),
        ("flags", data().with_flags(ACK_VALID | UNKNOWN)),
        // It says 1,280 bytes of data, and has none.
        ("length", data().byte(6, 5)),
        ("offset", data().with_flags(ACK_VALID | MORE)),
        ("auth", data().with_flags(ACK_VALID | SEALED)),
        ("address", no_host),
        ("index", no_index),
        ("misaddressed", elsewhere),
        ("unsealed", data()),
        (
            "unknown_session",
            data()
                .with_flags(ACK_VALID | AUTH | SEALED)
                .authenticated(b"not sealed at all"),
        ),
        ("no_key", strange_hello()),
    ]
}

/// The frames of the station `source`, by the reason that docs/wire-protocol.md gives.
fn frames(source: [u8; 6]) -> Vec<(&'static str, Vec<u8>)> {
    let frame = |to: [u8; 6], ethertypes: &[u16], packet: Packet| {
        let mut frame = to.to_vec();
        frame.extend(source);
        frame.extend(ethertypes.iter().flat_map(|number| number.to_be_bytes()));
        frame.extend(packet.0);
        frame
    };
    let all = |(reason, packet)| (reason, frame(EVERYBODY, &[ETHERTYPE], packet));
    let mut frames: Vec<_> = packets().into_iter().map(all).collect();
    let foreign = [
        frame([2, 0, 0, 0, 0, 0x77], &[ETHERTYPE], Packet::data()),
        // In VLAN 5.
        frame(EVERYBODY, &[0x8100, 5, ETHERTYPE], Packet::data()),
    ];
    frames.extend(foreign.map(|frame| ("foreign", frame)));
    frames
}

impl BadFrames {
    pub fn run(&self) -> Result<()> {
        let name = &self.interface;
        let rail = Rail::open(name).with_context(|| format!("cannot open interface {name}"))?;
        let source = rail.address()?;
        for (reason, frame) in frames(source) {
            for _ in 0..self.count {
                rail.send(&frame)
                    .with_context(|| format!("cannot send a frame that is `{reason}` on {name}"))?;
            }
            say("sent", reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_is_bad_in_one_way() {
        let packets = packets();
        let reasons: BTreeSet<_> = packets.iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons.len(), packets.len());
        let lengths = packets.iter().map(|(_, packet)| packet.0.len());
        assert_eq!(lengths.filter(|len| *len < HEADER).count(), 1);
        assert_eq!(strange_hello().0.len(), HEADER + 8 + 48 + 16);
    }
}
