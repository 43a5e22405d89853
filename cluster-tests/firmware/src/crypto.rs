// SPDX-License-Identifier: MIT OR Apache-2.0

//! Section 11: keys, counters, tags.

use alloc::vec::Vec;

use blake2::digest::{FixedOutput, KeyInit as _, Update};
use blake2::Blake2sMac256;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Tag};

use crate::check::Parts;
use crate::wire::{flag, Gpid, Header, COUNTER, HEADER, TAG};

/// A key, or a nonce of a node.
pub type Key = [u8; 32];

/// PRF(key, input), the input in parts.
pub fn prf(key: &Key, input: &[&[u8]]) -> Key {
    // A keyed BLAKE2s takes every key of at most 32 bytes.
    let Ok(mut mac) = Blake2sMac256::new_from_slice(key) else {
        return [0; 32];
    };
    input.iter().for_each(|part| mac.update(part));
    mac.finalize_fixed().into()
}

/// The fingerprint of a cluster key.
pub fn fingerprint(cluster: &Key) -> u32 {
    crate::wire::be32(&prf(cluster, &[b"podos fingerprint"]), 0)
}

/// The sender key of a node, by the cluster key that it uses and its nonce.
pub fn sender_key(cluster: &Key, node: Gpid, nonce: &Key) -> Key {
    let node = node.node().0.to_be_bytes();
    prf(cluster, &[b"podos sender", &node, nonce])
}

/// The pair key from one node to another, by the cluster key that the first one uses.
pub fn pair_key(cluster: &Key, from: (Gpid, &Key), to: (Gpid, &Key)) -> Key {
    let nodes = [from.0, to.0].map(|node| node.node().0.to_be_bytes());
    prf(
        cluster,
        &[b"podos pair", &nodes[0], &nodes[1], from.1, to.1],
    )
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

/// A frame behind its Ethernet header: with `AUTH`, and `SEALED` if the header says so. `length`
/// and `AUTH` are set here.
pub fn seal(key: &Key, counter: u64, mut header: Header, data: &[u8]) -> Vec<u8> {
    header.flags |= flag::AUTH;
    header.length = data.len() as u16;
    let mut frame = Vec::with_capacity(HEADER + COUNTER + data.len() + TAG);
    frame.extend(header.bytes());
    frame.extend(counter.to_be_bytes());
    frame.extend(data);
    let covered = match header.has(flag::SEALED) {
        true => HEADER + COUNTER,
        false => frame.len(),
    };
    let (associated, secret) = frame.split_at_mut(covered);
    let cipher = ChaCha20Poly1305::new(key.into());
    let tag = cipher
        .encrypt_inout_detached(&nonce(counter).into(), associated, secret.into())
        // Only what is longer than 256 GiB fails.
        .unwrap_or_default();
    frame.extend(tag);
    frame
}

/// The data of a frame with `AUTH`, in the clear; `None` if its tag is wrong.
pub fn open(key: &Key, frame: &[u8], parts: &Parts) -> Option<Vec<u8>> {
    let counter = parts.counter?;
    let tag = Tag::try_from(frame.get(parts.data.end..parts.end)?).ok()?;
    let data = frame.get(parts.data.clone())?;
    let cipher = ChaCha20Poly1305::new(key.into());
    let mut plain = Vec::from(data);
    let (associated, secret) = match parts.header.has(flag::SEALED) {
        true => (frame.get(..HEADER + COUNTER)?, plain.as_mut_slice()),
        false => (frame.get(..parts.data.end)?, &mut [][..]),
    };
    cipher
        .decrypt_inout_detached(&nonce(counter).into(), associated, secret.into(), &tag)
        .ok()?;
    Some(plain)
}

/// Which counters of one key came.
#[derive(Clone, Debug)]
pub struct Replay {
    highest: u64,
    /// Bit `counter % 1024`, of those up to the highest.
    came: [u64; 16],
}

/// How many counters are remembered.
const REMEMBERED: u64 = 1024;

impl Replay {
    /// All counters up to `counter` count as come; from 0, none did.
    pub fn after(counter: u64) -> Self {
        Self {
            highest: counter,
            came: [u64::MAX; 16],
        }
    }

    /// Whether this one came before, or is too far behind the highest to know.
    pub fn came(&self, counter: u64) -> bool {
        if counter > self.highest {
            return false;
        }
        let bit = counter % REMEMBERED;
        self.highest - counter >= REMEMBERED
            || self.came[(bit / 64) as usize] & 1 << (bit % 64) != 0
    }

    /// Notes that it came.
    pub fn note(&mut self, counter: u64) {
        // Those that are skipped did not come yet.
        let first = (self.highest + 1).max(counter.saturating_sub(REMEMBERED - 1));
        for skipped in first..counter {
            let bit = skipped % REMEMBERED;
            self.came[(bit / 64) as usize] &= !(1 << (bit % 64));
        }
        self.highest = self.highest.max(counter);
        let bit = counter % REMEMBERED;
        self.came[(bit / 64) as usize] |= 1 << (bit % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::inspect;
    use crate::wire::{class, kind};

    #[test]
    fn counters_come_once() {
        let mut replay = Replay::after(0);
        assert!(replay.came(0) && !replay.came(1));
        for counter in [1, 3, 2, 2000, 1500] {
            assert!(!replay.came(counter), "{counter}");
            replay.note(counter);
            assert!(replay.came(counter), "{counter}");
        }
        // 1024 behind the highest, and one less.
        assert!(replay.came(976) && !replay.came(977) && !replay.came(1999));
        let later = Replay::after(50);
        assert!(later.came(50) && later.came(1) && !later.came(51));
    }

    #[test]
    fn what_was_sealed_is_opened_and_nothing_else() {
        let key = [7; 32];
        for flags in [0, flag::SEALED] {
            let (from, to) = (Gpid::new(1, 1, 0), Gpid::new(2, 1, 0));
            let header = Header {
                flags,
                ..Header::new(kind::EPHEMERAL, class::TEST, 1, from, to)
            };
            let frame = seal(&key, 5, header, b"data");
            let parts = inspect(&frame).unwrap();
            assert_eq!(parts.counter, Some(5));
            assert_eq!(open(&key, &frame, &parts).unwrap(), b"data");
            assert_eq!(&frame[56..60] == b"data", flags == 0);
            for at in [6, 20, 49, 57, 70] {
                let mut bad = frame.clone();
                bad[at] ^= 1;
                assert_eq!(open(&key, &bad, &parts), None, "byte {at}");
            }
        }
    }
}
