// SPDX-License-Identifier: MIT OR Apache-2.0

//! In a cluster with a key: the cryptography of frames that prove who sent them, and the table of
//! sessions.

use blake2::digest::{FixedOutput, Update};
use blake2::Blake2sMac256;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use podos_proto::keys::{Config, Key, Prf, Seal, SessionSlot, Sessions, KEY_LEN};
use podos_proto::wire::{Header, HEADER_LEN, TAG_LEN};
use podos_random::SplitMix64;

use super::Birth;
use crate::ether::Ether;
use crate::protocol::instant;
use crate::random;

/// The key of the simulated cluster.
const CLUSTER_KEY: [u8; KEY_LEN] = [0x5a; KEY_LEN];

/// Keyed BLAKE2s-256.
#[derive(Debug)]
pub(super) struct Blake2s;

impl Prf for Blake2s {
    fn prf(key: &Key, input: &[u8]) -> [u8; KEY_LEN] {
        let mut prf = <Blake2sMac256 as blake2::digest::KeyInit>::new(key.as_bytes().into());
        prf.update(input);
        prf.finalize_fixed().into()
    }
}

fn cipher(key: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.as_bytes().into())
}

fn cipher_nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce.into()
}

/// A frame with this header and data, protected as `seal` says.
pub(super) fn sealed_frame(mut header: Header, data: &[u8], seal: &Seal) -> Vec<u8> {
    header.len = data.len() as u16;
    header.auth = Some(seal.auth);
    let mut start = [0; HEADER_LEN];
    header.write(&mut start);
    let mut frame = start.to_vec();
    frame.extend(seal.auth.counter.to_be_bytes());
    let at = frame.len();
    frame.extend_from_slice(data);
    let (cipher, nonce) = (cipher(&seal.key), cipher_nonce(seal.auth.counter));
    let tag = if seal.auth.sealed {
        let (associated, data) = frame.split_at_mut(at);
        cipher.encrypt_inout_detached(&nonce, associated, data.into())
    } else {
        cipher.encrypt_inout_detached(&nonce, &frame, (&mut [][..]).into())
    };
    frame.extend_from_slice(&tag.expect("a frame is shorter than what the cipher takes"));
    frame
}

/// A frame with its data decrypted, if its tag is right.
pub(super) fn verified(header: &Header, frame: &[u8], key: &Key) -> Option<Vec<u8>> {
    let auth = header.auth?;
    let range = header.data_range();
    let tag: [u8; TAG_LEN] = *frame.get(range.end..)?.first_chunk()?;
    let mut plain = frame.to_vec();
    let (covered, _) = plain.split_at_mut_checked(range.end)?;
    let (cipher, nonce) = (cipher(key), cipher_nonce(auth.counter));
    let opened = if auth.sealed {
        let (associated, data) = covered.split_at_mut_checked(range.start)?;
        cipher.decrypt_inout_detached(&nonce, associated, data.into(), &tag.into())
    } else {
        cipher.decrypt_inout_detached(&nonce, covered, (&mut [][..]).into(), &tag.into())
    };
    opened.is_ok().then_some(plain)
}

/// A node's membership.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) table: Sessions<Blake2s, Vec<SessionSlot>>,
    random: SplitMix64,
}

impl Members {
    /// That of a node in a cluster of this mode; `None` in an open one.
    pub(super) fn new(ether: &Ether, birth: Birth, slots: usize) -> Option<Self> {
        let mode = ether.config.mode.of_protocol();
        if !mode.is_keyed() {
            return None;
        }
        let slots = (0..slots).map(|_| SessionSlot::new()).collect();
        let table = Sessions::new(slots, birth.gpid, birth.incarnation, Config::default());
        let mut members = Self {
            table,
            random: random::of(ether.config.seed, 1 << 45 | u64::from(birth.life)),
        };
        let (key, nonce) = (Key::new(CLUSTER_KEY), members.nonce());
        let set = members.table.set_mode(mode);
        let added = members.table.add_key(instant(ether.now), key, nonce);
        (set.is_ok() && added.is_ok()).then_some(members)
    }

    /// A random number.
    pub(super) fn nonce(&mut self) -> [u8; KEY_LEN] {
        let mut nonce = [0; KEY_LEN];
        for chunk in nonce.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.random.draw().to_le_bytes());
        }
        nonce
    }
}
