// SPDX-License-Identifier: GPL-2.0-only

//! What an opener has to know, and what a layer makes of an OPEN.

use super::Environment;
use crate::gpid::Gpid;
use crate::seq::Seq;
use crate::wire::ResetReason;

/// What the OPEN of a new circuit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The node at the other end: host and boot.
    pub peer: Gpid,
    /// The process or node there that the circuit is for, in the node's present boot.
    pub remote: Gpid,
    /// The open sequence.
    pub open_seq: Seq,
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

/// Takes note that its layer refused the circuit that the OPEN `open_seq` of `peer` made: if the answer
/// is lost, the next one says the same.
pub fn refused<E: Environment>(env: &mut E, peer: Gpid, open_seq: Seq, reason: ResetReason) {
    env.peers(|peers| {
        if peers
            .get(peer.host())
            .is_some_and(|known| known.node() == peer.node())
        {
            peers.refuse_open(peer.host(), open_seq, reason);
        }
    });
}
