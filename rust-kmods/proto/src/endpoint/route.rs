// SPDX-License-Identifier: GPL-2.0-only

//! From a circuit's frame to the circuit, which is made if the frame opens it.

use super::{send, Dropped, Environment, Frame, Unwanted};
use crate::cdt::PeerKey;
use crate::gpid::Gpid;
use crate::peer::OpenCheck;
use crate::tgroup::RailId;
use crate::wire::{Header, ResetReason};

/// Where a frame goes.
enum Destination<E: Environment> {
    /// To this circuit.
    Known(E::Circuit),
    /// To this circuit, which it opened, and which goes to this layer then.
    New(E::Circuit, E::Listener),
    /// To none, and its sender is told why.
    Refused(ResetReason),
    /// To none; its sender will say it again.
    Ignored,
}

/// Hands a frame to its circuit.
pub(super) fn route<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    data: <E::Frame as Frame>::Data,
) {
    let destination = match header.opens() {
        true => destination_of_open(env, header),
        false => destination(env, header),
    };
    match destination {
        Destination::Known(circuit) => env.deliver(&circuit, rail, header, data),
        Destination::New(circuit, listener) => {
            env.deliver(&circuit, rail, header, data);
            env.arrive(listener, circuit, header.op);
        }
        Destination::Refused(reason) => {
            env.dropped(rail, Dropped::Unwanted(Unwanted::NoCircuit));
            refuse(env, rail, header, reason);
        }
        Destination::Ignored => env.dropped(rail, Dropped::Unwanted(Unwanted::NoCircuit)),
    }
}

/// The circuit that a frame is for; that of its sender, whatever index it names.
fn destination<E: Environment>(env: &mut E, header: &Header) -> Destination<E> {
    let found = match header.peer_key() {
        Some(key) => env.find_passive(key),
        None => env.find(header.receiver_index()),
    };
    match found {
        Some((circuit, peer)) if peer == header.from.node() => Destination::Known(circuit),
        _ => Destination::Refused(ResetReason::NoCircuit),
    }
}

/// The passive end that an OPEN is for.
fn destination_of_open<E: Environment>(env: &mut E, header: &Header) -> Destination<E> {
    let Some(room) = env.room() else {
        return Destination::Refused(ResetReason::Full);
    };
    env.opening(|env| judge_open(env, header, room))
}

fn judge_open<E: Environment>(env: &mut E, header: &Header, room: E::Room) -> Destination<E> {
    let (host, own) = (header.from.host(), env.incarnation());
    // Circuits with a former self of the opener are gone as soon as the new one is known.
    if !env.peers(|peers| peers.is_acquainted(host, own, header.sack)) {
        return Destination::Ignored;
    }
    if let Some((circuit, _)) = env.find_passive(PeerKey::new(header.from, header.active)) {
        return Destination::Known(circuit);
    }
    match env.peers(|peers| peers.accept_open(host, header.ack)) {
        OpenCheck::Fresh => {}
        OpenCheck::Refused(reason) => return Destination::Refused(reason),
        // A late copy of the OPEN of a circuit that is gone.
        OpenCheck::Duplicate | OpenCheck::Old => {
            return Destination::Refused(ResetReason::NoCircuit)
        }
    }
    match accept(env, header, room) {
        Ok((circuit, listener)) => Destination::New(circuit, listener),
        Err(reason) => {
            env.peers(|peers| peers.refuse_open(host, header.ack, reason));
            Destination::Refused(reason)
        }
    }
}

/// Makes the passive end that an OPEN asks for; or why not.
fn accept<E: Environment>(
    env: &mut E,
    header: &Header,
    room: E::Room,
) -> Result<(E::Circuit, E::Listener), ResetReason> {
    let listener = env.listener(header.class).ok_or(ResetReason::Refused)?;
    let local = match header.to {
        Gpid::EVERYBODY => env.node(),
        process_or_node => process_or_node,
    };
    let (host, free) = (header.from.host(), env.free());
    if !env.peers(|peers| peers.admit_passive(host, free)) {
        return Err(ResetReason::Full);
    }
    let Some(circuit) = env.accept(room, header, local) else {
        env.peers(|peers| peers.release_passive(host));
        return Err(ResetReason::Full);
    };
    Ok((circuit, listener))
}

/// The passive end of a circuit with `peer` has left the table.
pub fn passive_ended<E: Environment>(env: &mut E, peer: Gpid) {
    env.peers(|peers| peers.release_passive(peer.host()));
}

/// Answers a frame that found no circuit.
fn refuse<E: Environment>(env: &mut E, rail: RailId, header: &Header, reason: ResetReason) {
    let own = env.node();
    let reply = match reason {
        ResetReason::NoCircuit => {
            let finished = env.has_finished(header.receiver_index());
            header.stray_reply(own, finished)
        }
        reason => header.reset_reply(own, reason),
    };
    if let Some(reply) = reply {
        send::to_host(env, header.from.host(), rail, &reply);
    }
}
