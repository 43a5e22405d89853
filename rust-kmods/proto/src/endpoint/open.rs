// SPDX-License-Identifier: GPL-2.0-only

//! What an opener has to know.

use super::Environment;
use crate::gpid::Gpid;

/// What the OPEN of a new circuit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The node at the other end: host and boot.
    pub peer: Gpid,
    /// The process or node there that the circuit is for, in the node's present boot.
    pub remote: Gpid,
    /// The open sequence.
    pub open_seq: u32,
    /// The [association](crate::peer::association) of both nodes.
    pub association: u32,
}

/// Prepares a circuit to `to`: a process or, with process id 0, a node; boot 0 stands for whatever boot
/// the host is in. `None` if the host is not up, or not in that boot.
pub fn open<E: Environment>(env: &mut E, to: Gpid) -> Option<Opening> {
    let (host, own) = (to.host(), env.incarnation());
    env.peers(|peers| {
        let peer = peers.get(host).filter(|peer| peer.is_up())?.node();
        if to.boot() != 0 && !to.same_node(peer) {
            return None;
        }
        Some(Opening {
            peer,
            remote: Gpid::new(peer.host(), peer.boot(), to.pid()),
            association: peers.association_with(host, own)?,
            open_seq: peers.next_open_seq(host)?,
        })
    })
}
