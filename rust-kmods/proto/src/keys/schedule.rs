// SPDX-License-Identifier: GPL-2.0-only

//! How keys are made of the cluster key.

use super::{Fingerprint, Key, Nonce, Prf};
use crate::Gpid;

const FINGERPRINT: &[u8] = b"podos fingerprint";
const SENDER: &[u8] = b"podos sender";
const PAIR: &[u8] = b"podos pair";
/// The longest input: that of a pair's key.
const INPUT_MAX: usize = PAIR.len() + 2 * 8 + 2 * 32;

/// The name of a cluster key.
pub fn fingerprint<P: Prf>(cluster: &Key) -> Fingerprint {
    let [a, b, c, d, ..] = P::prf(cluster, FINGERPRINT);
    Fingerprint::new([a, b, c, d])
}

/// The key of what `node` says to all, or to nodes that it has no session with.
pub fn sender_key<P: Prf>(cluster: &Key, node: Gpid, nonce: &Nonce) -> Key {
    derive::<P>(cluster, &[SENDER, &gpid(node), nonce])
}

/// The key of what `from` says to `to`; `cluster` is the key that `from` has in use.
pub fn pair_key<P: Prf>(
    cluster: &Key,
    (from, from_nonce): (Gpid, &Nonce),
    (to, to_nonce): (Gpid, &Nonce),
) -> Key {
    derive::<P>(
        cluster,
        &[PAIR, &gpid(from), &gpid(to), from_nonce, to_nonce],
    )
}

fn gpid(node: Gpid) -> [u8; 8] {
    node.node().raw().to_be_bytes()
}

fn derive<P: Prf>(cluster: &Key, parts: &[&[u8]]) -> Key {
    let mut input = [0; INPUT_MAX];
    let bytes = parts.iter().copied().flatten();
    let mut len = 0;
    for (slot, &byte) in input.iter_mut().zip(bytes) {
        *slot = byte;
        len += 1;
    }
    Key::new(P::prf(cluster, input.get(..len).unwrap_or_default()))
}
