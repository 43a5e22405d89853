// SPDX-License-Identifier: GPL-2.0-only

//! What the owner of the sessions does: the real cipher on real frames.

use std::vec::Vec;

use blake2::digest::{FixedOutput, Update};
use blake2::Blake2sMac256;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

use crate::keys::{Key, Prf, Seal};
use crate::wire::{Header, HEADER_LEN, TAG_LEN};

/// Keyed BLAKE2s-256.
#[derive(Debug, Clone)]
pub(super) struct Blake2s;

impl Prf for Blake2s {
    fn prf(key: &Key, input: &[u8]) -> [u8; 32] {
        let mut prf = <Blake2sMac256 as blake2::digest::KeyInit>::new(key.as_bytes().into());
        prf.update(input);
        prf.finalize_fixed().into()
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce.into()
}

fn cipher(key: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.as_bytes().into())
}

/// The frame with this header and data, protected as `seal` says.
pub(super) fn seal_frame(mut header: Header, data: &[u8], seal: &Seal) -> Vec<u8> {
    header.len = data.len() as u16;
    header.auth = Some(seal.auth);
    let mut start = [0; HEADER_LEN];
    header.write(&mut start);
    let mut frame = start.to_vec();
    frame.extend_from_slice(&header.counter_bytes().unwrap());
    let at = frame.len();
    frame.extend_from_slice(data);
    let nonce = nonce(seal.auth.counter);
    let tag = if seal.auth.sealed {
        let (associated, data) = frame.split_at_mut(at);
        cipher(&seal.key).encrypt_inout_detached(&nonce, associated, data.into())
    } else {
        cipher(&seal.key).encrypt_inout_detached(&nonce, &frame, (&mut [][..]).into())
    };
    frame.extend_from_slice(&tag.unwrap());
    frame
}

/// The data of a frame if its tag is right.
pub(super) fn open_frame(header: &Header, frame: &[u8], key: &Key) -> Option<Vec<u8>> {
    let auth = header.auth?;
    let range = header.data_range();
    let tag: [u8; TAG_LEN] = *frame.get(range.end..)?.first_chunk()?;
    let mut data = frame[range.clone()].to_vec();
    let nonce = nonce(auth.counter);
    let opened = if auth.sealed {
        let associated = &frame[..range.start];
        cipher(key).decrypt_inout_detached(&nonce, associated, (&mut data[..]).into(), &tag.into())
    } else {
        let associated = &frame[..range.end];
        cipher(key).decrypt_inout_detached(&nonce, associated, (&mut [][..]).into(), &tag.into())
    };
    opened.is_ok().then_some(data)
}
