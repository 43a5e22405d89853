// SPDX-License-Identifier: MIT OR Apache-2.0

//! Contents of the simulated users' messages: every segment tells whose it is, and the rest follows
//! from that.

use podos_proto::wire::{data_room, MIN_MTU};
use podos_random::{mix, SplitMix64};

use crate::protocol::MAX_SEGMENT;

/// Which end of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that opened it.
    Active = 0,
    /// The one that accepted it.
    Passive = 1,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Active => Side::Passive,
            Side::Passive => Side::Active,
        }
    }
}

/// One segment of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The layer's operation.
    pub op: u8,
    /// Whether it ends a message.
    pub end: bool,
    /// The data.
    pub bytes: Vec<u8>,
}

/// How long the segments of a conversation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A few bytes.
    Small,
    /// Up to what a frame of every rail has room for.
    Frame,
    /// Up to the longest that there may be.
    Any,
}

/// Bytes that name a segment.
const NAME_LEN: usize = 9;
/// Most bytes of a small segment.
const SMALL: u64 = 80;
/// Most bytes of most others.
const USUAL: u64 = data_room(MIN_MTU, true) as u64;

/// Segment `seq` of what `side` says in conversation `conversation`; of at most `size`.
pub fn say(conversation: u32, side: Side, seq: u32, size: Size) -> Said {
    let name = u64::from(conversation) << 33 | u64::from(seq) << 1 | side as u64;
    let mut random = SplitMix64::new(mix(name));
    let most = match size {
        // Most fit an ordinary frame, as most users' do.
        Size::Any if random.chance(100_000) => MAX_SEGMENT,
        Size::Any | Size::Frame => USUAL,
        Size::Small => SMALL,
    };
    let len = NAME_LEN as u64 + random.below(most - NAME_LEN as u64 + 1);
    let mut bytes = Vec::with_capacity(len as usize);
    bytes.extend_from_slice(&conversation.to_be_bytes());
    bytes.push(side as u8);
    bytes.extend_from_slice(&seq.to_be_bytes());
    while bytes.len() < len as usize {
        let filler = random.draw().to_le_bytes();
        let left = (len as usize - bytes.len()).min(filler.len());
        bytes.extend_from_slice(&filler[..left]);
    }
    Said {
        op: random.below(32) as u8,
        end: random.chance(300_000),
        bytes,
    }
}

/// What a segment says that it is, for messages.
pub fn name_of(bytes: &[u8]) -> String {
    match bytes.get(..NAME_LEN) {
        Some(&[a, b, c, d, side, e, f, g, h]) => format!(
            "segment {} of the {} end of conversation {}",
            u32::from_be_bytes([e, f, g, h]),
            if side == 0 { "active" } else { "passive" },
            u32::from_be_bytes([a, b, c, d]),
        ),
        _ => format!("{} bytes of nothing known", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_tell_what_they_are_and_differ() {
        let said = say(7, Side::Passive, 3, Size::Any);
        assert_eq!(
            name_of(&said.bytes),
            "segment 3 of the passive end of conversation 7"
        );
        assert_eq!(said, say(7, Side::Passive, 3, Size::Any));
        assert_ne!(said, say(7, Side::Active, 3, Size::Any));
        assert!((0..1_000).all(|seq| {
            let len = say(1, Side::Active, seq, Size::Any).bytes.len() as u64;
            (NAME_LEN as u64..=MAX_SEGMENT).contains(&len)
        }));
        assert_eq!(name_of(&[1, 2]), "2 bytes of nothing known");
    }
}
