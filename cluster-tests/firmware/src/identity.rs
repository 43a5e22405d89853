// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware's own name, keys and nonce.

use alloc::vec::Vec;

use crate::crypto::{self, Key};
use crate::wire::{flag, kind, Gpid, Header};

/// How frames are protected (section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Open,
    /// By a tag.
    Mac,
    /// By a tag, and data are encrypted.
    Aead,
}

impl Mode {
    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "open" => Some(Self::Open),
            "mac" => Some(Self::Mac),
            "aead" => Some(Self::Aead),
            _ => None,
        }
    }

    /// The flags among `AUTH` and `SEALED` that a frame of this kind has.
    pub fn flags(self, kind: u8) -> u16 {
        match self {
            Self::Open => 0,
            Self::Mac => flag::AUTH,
            Self::Aead if matches!(kind, kind::HELLO | kind::HANDSHAKE) => flag::AUTH,
            Self::Aead => flag::AUTH | flag::SEALED,
        }
    }

    /// Bytes of a frame that are neither header nor data.
    pub fn overhead(self) -> usize {
        match self {
            Self::Open => 0,
            Self::Mac | Self::Aead => crate::wire::COUNTER + crate::wire::TAG,
        }
    }
}

/// Numbers that nobody can guess who does not know the seed.
pub struct Random {
    seed: Key,
    drawn: u64,
}

impl Random {
    /// Each seed gives other numbers.
    pub fn new(seed: Key) -> Self {
        Self { seed, drawn: 0 }
    }

    /// 32 bytes.
    pub fn key(&mut self) -> Key {
        self.drawn += 1;
        crypto::prf(&self.seed, &[&self.drawn.to_be_bytes()])
    }

    /// A number that is not 0.
    pub fn number(&mut self) -> u32 {
        crate::wire::be32(&self.key(), 0).max(1)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.number() as usize % limit
    }
}

/// Who the firmware is to others.
pub struct Identity {
    /// Its node, with pid 0.
    pub node: Gpid,
    /// The cluster's mode.
    pub mode: Mode,
    /// The cluster key.
    pub cluster: Key,
    /// The cluster key's fingerprint; 0 in `open` mode.
    pub fingerprint: u32,
    /// Which start this is.
    pub incarnation: u32,
    /// The number of the nonce; 0 in `open` mode.
    pub epoch: u8,
    /// The nonce; 0 in `open` mode.
    pub nonce: Key,
    sender: Key,
    counter: u64,
}

impl Identity {
    /// A node that just started.
    pub fn new(node: Gpid, mode: Mode, cluster: Key, random: &mut Random) -> Self {
        let mut identity = Self {
            node,
            mode,
            cluster,
            fingerprint: 0,
            incarnation: random.number(),
            epoch: 0,
            nonce: [0; 32],
            sender: [0; 32],
            counter: 0,
        };
        if mode != Mode::Open {
            identity.fingerprint = crypto::fingerprint(&cluster);
            identity.epoch = random.number() as u8;
            identity.rekey(random);
        }
        identity
    }

    /// Picks a new nonce.
    pub fn rekey(&mut self, random: &mut Random) {
        self.nonce = random.key();
        self.epoch = self.epoch.wrapping_add(1);
        self.sender = crypto::sender_key(&self.cluster, self.node, &self.nonce);
        self.counter = 0;
    }

    /// The `key_id` of frames under the sender key.
    pub fn key_id(&self) -> u8 {
        (self.epoch & 15) << 4
    }

    /// The present sender key.
    pub fn sender(&self) -> Key {
        self.sender
    }

    /// The next counter of the sender key.
    pub fn next_counter(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A frame under the sender key, or in the clear, as the mode wants it.
    pub fn frame(&mut self, mut header: Header, data: &[u8]) -> Vec<u8> {
        if self.mode == Mode::Open {
            return plain(header, data);
        }
        header.flags |= self.mode.flags(header.kind);
        header.key_id = self.key_id();
        let counter = self.next_counter();
        crypto::seal(&self.sender, counter, header, data)
    }
}

/// A frame without counter and tag. `length` is set here.
pub fn plain(mut header: Header, data: &[u8]) -> Vec<u8> {
    header.length = data.len() as u16;
    let mut frame = Vec::from(header.bytes());
    frame.extend(data);
    frame
}
