// SPDX-License-Identifier: GPL-2.0-only

//! Membership and secrecy: cluster keys, and the sessions that nodes make of them.
//!
//! Who has a cluster key is a member. Each pair of members agrees, by a [`Handshake`], on one key
//! for each direction; what a node says to all is authenticated by a key of its own. This module
//! knows which key a frame is to be made or checked with and whether it was seen before; making and
//! checking tags is its owner's part, and so are random numbers and time.
//!
//! The order on receipt is always: [`Sessions::open_key`], check the tag, then one of
//! [`Sessions::accept`], [`Sessions::on_hello`] and [`Sessions::on_handshake`]. Nothing that a
//! frame says is remembered before its tag was found right.
//!
//! `docs/wire-protocol.md`, section 11, has the same to the byte, and what it protects from.

mod handshake;
mod peer;
mod proofs;
mod receive;
mod ring;
pub mod schedule;
mod sessions;

pub use handshake::{Handshake, Outgoing};
pub use peer::Peer;
pub use receive::{Heard, Opening};
pub use ring::KeyRing;
pub use sessions::{Action, Config, Event, SessionKey, SessionSlot, Sessions};

pub use crate::replay::CounterWindow;

use core::fmt;

use crate::wire::{Auth, Header, Kind};

/// Bytes of a key, and of a nonce.
pub const KEY_LEN: usize = 32;

/// The random number that a node picks anew for every epoch. It is no secret.
pub type Nonce = [u8; KEY_LEN];

/// A secret: a cluster key or one made from it. Nothing shows it but [`Key::as_bytes`]; its memory
/// is wiped when it goes out of use.
#[derive(Clone)]
pub struct Key([u8; KEY_LEN]);

impl Key {
    /// The key with these bytes.
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] for any other text.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        parse_hex(text).map(Self).ok_or(KeyError::Malformed)
    }

    /// The secret itself.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0 = [0; KEY_LEN];
        // Somebody might look: the stores above are not dead ones.
        core::hint::black_box(&mut self.0);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A keyed pseudo-random function: BLAKE2s-256 with a 32-byte key.
pub trait Prf {
    /// The function of `input` (at most 90 bytes) under `key`.
    fn prf(key: &Key, input: &[u8]) -> [u8; KEY_LEN];
}

/// A short name of a cluster key, by which it may be spoken of.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 4]);

impl Fingerprint {
    /// The fingerprint with these bytes.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// From 8 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] for any other text.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        parse_hex(text).map(Self).ok_or(KeyError::Malformed)
    }

    /// The bytes as they stand in a frame.
    pub const fn bytes(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut pairs = text.chunks_exact(2);
    for (byte, pair) in bytes.iter_mut().zip(&mut pairs) {
        for &digit in pair {
            *byte = (*byte << 4) | char::from(digit).to_digit(16)? as u8;
        }
    }
    (text.len() == 2 * N).then_some(bytes)
}

/// How the frames of a cluster are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: to measure the price.
    Open,
    /// Authenticated, but readable by everybody.
    Mac,
    /// Authenticated, and the data encrypted.
    Aead,
}

impl Mode {
    /// The mode of this name.
    pub const fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"open" => Some(Mode::Open),
            b"mac" => Some(Mode::Mac),
            b"aead" => Some(Mode::Aead),
            _ => None,
        }
    }

    /// The mode's name.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Open => "open",
            Mode::Mac => "mac",
            Mode::Aead => "aead",
        }
    }

    /// Whether frames are authenticated.
    pub const fn is_keyed(self) -> bool {
        !matches!(self, Mode::Open)
    }

    /// Whether the data of frames of this kind are encrypted.
    pub const fn seals(self, kind: Kind) -> bool {
        matches!(self, Mode::Aead) && !matches!(kind, Kind::Hello | Kind::Handshake)
    }

    /// Whether a frame has the form that this mode asks for.
    pub const fn admits(self, header: &Header) -> bool {
        match header.auth {
            Some(auth) => self.is_keyed() && auth.sealed == self.seals(header.kind),
            // Nobody shakes hands in the open.
            None => !self.is_keyed() && !matches!(header.kind, Kind::Handshake),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a cluster key could not be handled, or the mode not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The ring has no room.
    Full,
    /// A key with this fingerprint is there already.
    Exists,
    /// There is no key with this fingerprint.
    Unknown,
    /// The key is in use: another one has to be taken into use first.
    InUse,
    /// The mode was set before.
    ModeSet,
    /// The text is no key, or no fingerprint.
    Malformed,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyError::Full => "there is no room for another cluster key: drop one first",
            KeyError::Exists => "the cluster key is there already",
            KeyError::Unknown => "there is no cluster key with this fingerprint",
            KeyError::InUse => "the cluster key is in use: use another one first",
            KeyError::ModeSet => "the mode was set before, and can be set once only",
            KeyError::Malformed => "not the hexadecimal digits of a key or fingerprint",
        })
    }
}

impl core::error::Error for KeyError {}

/// Why a frame of a cluster with a key was dropped; the numbers index a table of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum AuthError {
    /// It has not the form that the mode asks for: no tag, or data that are not encrypted.
    Unsealed = 0,
    /// A Hello or Handshake whose body makes no sense.
    Malformed = 1,
    /// It was made with a cluster key that this node does not have.
    NoKey = 2,
    /// Its tag is wrong: it was forged or damaged. Counted by whoever checks the tag.
    BadTag = 3,
    /// There is no session with its sender, or not the one that it names.
    UnknownSession = 4,
    /// It came before.
    Replayed = 5,
    /// It is from a past that was replaced.
    NotFresh = 6,
    /// There were too many with nonces that nobody knows.
    Limited = 7,
}

impl AuthError {
    /// How many reasons there are.
    pub const COUNT: usize = 8;

    /// Every reason, by its number.
    pub const ALL: [AuthError; Self::COUNT] = [
        AuthError::Unsealed,
        AuthError::Malformed,
        AuthError::NoKey,
        AuthError::BadTag,
        AuthError::UnknownSession,
        AuthError::Replayed,
        AuthError::NotFresh,
        AuthError::Limited,
    ];

    /// The reason as a file name: lower case, no blanks.
    pub const fn name(self) -> &'static str {
        match self {
            AuthError::Unsealed => "unsealed",
            AuthError::Malformed => "handshake",
            AuthError::NoKey => "no_key",
            AuthError::BadTag => "bad_tag",
            AuthError::UnknownSession => "unknown_session",
            AuthError::Replayed => "replayed",
            AuthError::NotFresh => "not_fresh",
            AuthError::Limited => "limited",
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one frame is to be protected with.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The key.
    pub key: Key,
    /// What the frame's header says of it; the counter makes the cipher's nonce.
    pub auth: Auth,
}

#[cfg(test)]
mod tests;
