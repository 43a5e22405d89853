// SPDX-License-Identifier: GPL-2.0-only

//! The files by which userspace gives this node its mode and its cluster keys.
//!
//! A key can be written, never read.

use core::fmt::Write;
use kernel::prelude::*;
use podos_proto::keys::{Fingerprint, Key, Mode};
use podos_sys::Attribute;

use crate::node::NODE;
use crate::sys;

/// `mode`: `open`, `mac` or `aead`, set once; `unset` until then.
pub(super) struct ModeFile;

impl Attribute for ModeFile {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        let mode = NODE.get()?.sessions().mode();
        Ok(writeln!(text, "{}", mode.map_or("unset", Mode::name))?)
    }

    fn store(&self, text: &[u8]) -> Result {
        let mode = Mode::from_name(text.trim_ascii()).ok_or(EINVAL)?;
        let node = NODE.get()?;
        node.sessions().set_mode(mode)?;
        node.clock().not_later_than(node.now());
        Ok(())
    }
}

/// `keys`: takes `add KEY` (64 hexadecimal digits), `use FINGERPRINT` and `drop FINGERPRINT`.
pub(super) struct KeysFile;

impl Attribute for KeysFile {
    const READABLE: bool = false;
    const WRITABLE: bool = true;

    fn store(&self, text: &[u8]) -> Result {
        let node = NODE.get()?;
        let now = node.now();
        let text = text.trim_ascii();
        let blank = text.iter().position(|&b| b == b' ').ok_or(EINVAL)?;
        let (verb, object) = text.split_at(blank);
        let object = object.trim_ascii();
        match verb {
            b"add" => {
                let key = Key::parse(object).map_err(|_| EINVAL)?;
                // The nonces of this node's keys are to be its own alone.
                sys::wait_for_random_bytes()?;
                node.sessions().add_key(now, key)?;
            }
            b"use" => node.sessions().use_key(now, fingerprint(object)?)?,
            b"drop" => node.sessions().drop_key(now, fingerprint(object)?)?,
            _ => return Err(EINVAL),
        }
        // Hellos and handshakes with the new keys need not wait.
        node.clock().not_later_than(now);
        Ok(())
    }
}

fn fingerprint(text: &[u8]) -> Result<Fingerprint> {
    Fingerprint::parse(text).map_err(|_| EINVAL)
}

/// `keyring`: the fingerprints of the keys, and which of them is used.
pub(super) struct KeyringFile;

impl Attribute for KeyringFile {
    const PRIVATE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        let mut written = writeln!(text, "fingerprint state");
        NODE.get()?.sessions().for_each_key(|which, used| {
            let state = if used { "used" } else { "accepted" };
            written = written.and_then(|()| writeln!(text, "{which} {state}"));
        });
        Ok(written?)
    }
}
