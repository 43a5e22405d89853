// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's cryptography: keyed BLAKE2s and ChaCha20-Poly1305.

use core::ptr;
use kernel::prelude::*;
use kernel::{bindings, error::to_result};
use podos_proto::keys::{Key, Prf};
use podos_proto::wire::TAG_LEN;

/// Keyed BLAKE2s-256, from which all of CM's keys are derived.
pub(crate) struct Blake2s;

impl Prf for Blake2s {
    fn prf(key: &Key, input: &[u8]) -> [u8; 32] {
        let mut output = [0; 32];
        let key = key.as_bytes();
        // SAFETY: All pointers are valid for the lengths beside them; a key of 32 bytes and an
        // output of 32 bytes are the function's largest.
        unsafe {
            bindings::blake2s(
                key.as_ptr(),
                key.len(),
                input.as_ptr(),
                input.len(),
                output.as_mut_ptr(),
                output.len(),
            )
        };
        output
    }
}

/// Random bytes for keys.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: `bytes` is valid for writes of its length.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), N) };
    bytes
}

/// Waits until the random pool gives numbers that nobody can guess. Context: process.
///
/// # Errors
///
/// `ERESTARTSYS` if a signal comes before.
pub(crate) fn wait_for_random_bytes() -> Result {
    // SAFETY: Plain FFI call, from a context that may sleep.
    to_result(unsafe { bindings::wait_for_random_bytes() })
}

/// Encrypts `plain` into the start of `out`, and puts the tag over `associated` and the result
/// behind it.
///
/// # Errors
///
/// `EINVAL` if `out` is not `plain` and a tag long.
pub(crate) fn seal(
    key: &Key,
    counter: u64,
    associated: &[u8],
    plain: &[u8],
    out: &mut [u8],
) -> Result {
    if plain.len().checked_add(TAG_LEN) != Some(out.len()) {
        return Err(EINVAL);
    }
    // SAFETY: All slices are valid for their lengths, `out` for the tag too, as checked above; the
    // key has 32 bytes.
    unsafe {
        bindings::chacha20poly1305_encrypt(
            out.as_mut_ptr(),
            plain.as_ptr(),
            plain.len(),
            associated.as_ptr(),
            associated.len(),
            counter,
            key.as_bytes().as_ptr(),
        )
    };
    Ok(())
}

/// The tag over `associated`, with nothing encrypted.
pub(crate) fn tag(key: &Key, counter: u64, associated: &[u8]) -> [u8; TAG_LEN] {
    let mut tag = [0; TAG_LEN];
    // SAFETY: As in `seal`; nothing is read from a plain text of no bytes.
    unsafe {
        bindings::chacha20poly1305_encrypt(
            tag.as_mut_ptr(),
            ptr::null(),
            0,
            associated.as_ptr(),
            associated.len(),
            counter,
            key.as_bytes().as_ptr(),
        )
    };
    tag
}

/// Checks the tag at the end of `data` and decrypts what is before it, in place; whether the tag
/// was right. `data` is of no use if not.
#[must_use]
pub(crate) fn open(key: &Key, counter: u64, associated: &[u8], data: &mut [u8]) -> bool {
    let data_ptr = data.as_mut_ptr();
    // SAFETY: The slices are valid for their lengths. The function works in place, and writes
    // fewer bytes than it reads; it refuses what is too short for a tag.
    unsafe {
        bindings::chacha20poly1305_decrypt(
            data_ptr,
            data_ptr.cast_const(),
            data.len(),
            associated.as_ptr(),
            associated.len(),
            counter,
            key.as_bytes().as_ptr(),
        )
    }
}
