// SPDX-License-Identifier: GPL-2.0-only

//! Frames that leave.

use super::{Environment, Mac, BROADCAST};
use crate::host_id::HostId;
use crate::keys::{Mode, Outgoing, Seal};
use crate::tgroup::RailId;
use crate::wire::Header;

/// How a frame for a host is protected: not at all, in a cluster without a key. `None` if this node
/// keeps silent, or there is no session: the frame is lost then, as any frame can be. A seal is for one
/// frame.
pub fn protection<E: Environment>(env: &mut E, host: HostId) -> Option<Option<Seal>> {
    if env.identity().has_yielded() {
        return None;
    }
    match env.mode()? {
        Mode::Open => Some(None),
        _ => env.sessions(|sessions| sessions.seal_for(host))?.map(Some),
    }
}

/// Sends a packet without data to a host on a rail.
pub(super) fn to_host<E: Environment>(env: &mut E, host: HostId, rail: RailId, header: &Header) {
    let Some(to) = env.peers(|peers| peers.address(host, rail)) else {
        return;
    };
    if let Some(seal) = protection(env, host) {
        env.send(rail, to, header, &[], seal.as_ref());
    }
}

/// Sends a Hello or an ephemeral packet to a station on a rail, or to all. Whether it was sent: who
/// has no mode or no key yet says nothing, nor does who has yielded to another machine of its name.
pub fn announce<E: Environment>(
    env: &mut E,
    rail: RailId,
    to: Mac,
    header: &Header,
    data: &[u8],
) -> bool {
    if env.identity().has_yielded() {
        return false;
    }
    let now = env.now();
    let seal = match env.mode() {
        None => return false,
        Some(Mode::Open) => None,
        Some(_) => {
            let seal = env.sessions(|sessions| sessions.seal_broadcast(now, header.kind));
            let Some(seal) = seal.flatten() else {
                return false;
            };
            Some(seal)
        }
    };
    env.send(rail, to, header, data, seal.as_ref());
    true
}

/// Sends a handshake: back to where its cause came from, or to where its receiver was last heard, or
/// to all.
pub(super) fn handshake<E: Environment>(
    env: &mut E,
    handshake: &Outgoing,
    place: Option<(RailId, Mac)>,
) {
    let Some((rail, to)) = place.or_else(|| place_of(env, handshake)) else {
        return;
    };
    let header = handshake.header(env.node());
    env.send(rail, to, &header, handshake.body(), Some(&handshake.seal));
}

/// Each try goes over another rail.
fn place_of<E: Environment>(env: &mut E, handshake: &Outgoing) -> Option<(RailId, Mac)> {
    let usable = env.usable();
    let turn = usize::from(handshake.attempt) % usable.len().max(1);
    let rail = usable.iter().nth(turn)?;
    let host = handshake.to.host();
    let last = env.peers(|peers| peers.last_address(host, rail));
    Some((rail, last.unwrap_or(BROADCAST)))
}
