// SPDX-License-Identifier: MIT OR Apache-2.0

//! Traffic on the wire, by kind.

use podos_proto::wire::Kind;

use crate::protocol::ETHERNET_LEN;

/// The kinds of frames, in the order of their columns.
pub const KINDS: [(Kind, &str); 6] = [
    (Kind::Hello, "hello"),
    (Kind::Handshake, "handshake"),
    (Kind::Ephemeral, "beacon"),
    (Kind::Data, "data"),
    (Kind::Ack, "ack"),
    (Kind::Reset, "reset"),
];

/// The place of a kind in [`KINDS`].
fn column(kind: Kind) -> usize {
    match kind {
        Kind::Hello => 0,
        Kind::Handshake => 1,
        Kind::Ephemeral => 2,
        Kind::Data => 3,
        Kind::Ack => 4,
        Kind::Reset => 5,
    }
}

/// Frames and the bytes that they take on the wire, Ethernet header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many frames.
    pub frames: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Frames of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([Amount; KINDS.len()]);

impl Traffic {
    /// Counts `copies` frames of `len` bytes each, without their Ethernet header.
    pub fn count(&mut self, kind: Kind, len: usize, copies: u64) {
        let amount = &mut self.0[column(kind)];
        amount.frames += copies;
        amount.bytes += copies * (len as u64 + ETHERNET_LEN);
    }

    /// Counts a frame that was not parsed; its second byte tells its kind.
    pub fn count_raw(&mut self, frame: &[u8]) {
        if let Some(kind) = frame.get(1).and_then(|&kind| Kind::from_raw(kind)) {
            self.count(kind, frame.len(), 1);
        }
    }

    /// Adds up.
    pub fn add(&mut self, other: &Traffic) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            mine.frames += others.frames;
            mine.bytes += others.bytes;
        }
    }

    /// One amount for each of [`KINDS`].
    pub fn by_kind(&self) -> &[Amount; KINDS.len()] {
        &self.0
    }

    /// All kinds together.
    pub fn total(&self) -> Amount {
        self.0.iter().fold(Amount::default(), |sum, amount| Amount {
            frames: sum.frames + amount.frames,
            bytes: sum.bytes + amount.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_column() {
        for (at, (kind, _)) in KINDS.into_iter().enumerate() {
            let mut traffic = Traffic::default();
            traffic.count(kind, 46, 3);
            let amount = Amount {
                frames: 3,
                bytes: 180,
            };
            assert_eq!(traffic.by_kind()[at], amount);
            assert_eq!(traffic.total(), amount);
        }
    }
}
