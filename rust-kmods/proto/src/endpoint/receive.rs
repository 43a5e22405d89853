// SPDX-License-Identifier: GPL-2.0-only

//! From a received frame to its destination in this node.

use super::{namesake, peers, route, send, Dropped, Environment, Frame, Unwanted};
use crate::gpid::Gpid;
use crate::heard;
use crate::hello::Hello;
use crate::keys::{AuthError, Handshake, Mode};
use crate::seq::Seq;
use crate::tgroup::RailId;
use crate::wire::{Class, Header, Kind, COUNTER_LEN, HEADER_LEN};

/// Takes in a frame that came on `rail`.
pub fn receive<E: Environment>(env: &mut E, rail: RailId, mut frame: E::Frame) {
    if !frame.is_for_this_station() {
        return env.dropped(rail, Dropped::Unwanted(Unwanted::Foreign));
    }
    let len = frame.len();
    match Header::parse_start(frame.start(HEADER_LEN + COUNTER_LEN), len) {
        Ok(header) => receive_parsed(env, rail, &header, frame),
        Err(reason) => env.dropped(rail, Dropped::Malformed(reason)),
    }
}

/// As [`receive`], of a frame for this station whose header was parsed already.
pub fn receive_parsed<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    mut frame: E::Frame,
) {
    match admit(env, rail, header, &mut frame) {
        Ok(true) => take(env, rail, header, frame),
        Ok(false) => {}
        Err(why) => env.dropped(rail, why),
    }
}

/// Whether a frame is a sign of life of its sender.
fn admit<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    frame: &mut E::Frame,
) -> Result<bool, Dropped> {
    let own = env.node();
    if header.from.host() == own.host() {
        return Err(namesake::hear(env, rail, header, frame));
    }
    if env.identity().has_yielded() {
        return Err(Dropped::Unwanted(Unwanted::Namesake));
    }
    if header.to != Gpid::EVERYBODY && !header.to.same_node(own) {
        return Err(Dropped::Unwanted(Unwanted::Misaddressed));
    }
    match env.mode() {
        None => Err(Dropped::Unwanted(Unwanted::NoMode)),
        Some(mode @ Mode::Open) => match mode.admits(header) {
            true => Ok(true),
            false => Err(Dropped::Unauthentic(AuthError::Unsealed)),
        },
        Some(_) => authenticate(env, rail, header, frame).map_err(Dropped::Unauthentic),
    }
}

/// Proves that a frame is a member's, decrypts its data, and lets sessions take note of it. Whether it
/// was sent just now.
fn authenticate<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    frame: &mut E::Frame,
) -> Result<bool, AuthError> {
    let now = env.now();
    let introduces = matches!(header.kind, Kind::Hello | Kind::Handshake);
    let body = match introduces {
        true => data(header, frame),
        false => &[],
    };
    let opening = env
        .sessions(|sessions| sessions.open_key(now, header, body))
        .unwrap_or(Err(AuthError::UnknownSession))?;
    if !env.verify(&opening.key, header, frame) {
        return Err(AuthError::BadTag);
    }
    let mac = frame.source();
    let heard = match header.kind {
        Kind::Hello => {
            let hello = Hello::decode(data(header, frame)).map_err(|_| AuthError::Malformed)?;
            let incarnation = hello.incarnation.get();
            if env.peers(|peers| peers.is_taken(now, header.from, mac, incarnation)) {
                return Err(AuthError::NotFresh);
            }
            env.sessions(|sessions| sessions.on_hello(now, header, hello, &opening))
        }
        Kind::Handshake => {
            let handshake = Handshake::decode(data(header, frame));
            let handshake = *handshake.map_err(|_| AuthError::Malformed)?;
            let incarnation = handshake.incarnation.get();
            if env.peers(|peers| peers.is_taken(now, header.from, mac, incarnation)) {
                return Err(AuthError::NotFresh);
            }
            let heard =
                env.sessions(|sessions| sessions.on_handshake(now, header, &handshake, &opening));
            if let Some(Ok(heard)) = &heard {
                if heard.fresh {
                    peers::meet(env, header.from, rail, mac, incarnation);
                }
            }
            heard
        }
        _ => {
            let accepted = env.sessions(|sessions| sessions.accept(now, header, &opening));
            if let Some(event) = accepted.unwrap_or(Err(AuthError::UnknownSession))? {
                peers::follow_session(env, event);
            }
            return Ok(true);
        }
    };
    let heard = heard.unwrap_or(Err(AuthError::UnknownSession))?;
    if let Some(event) = heard.event {
        peers::follow_session(env, event);
    }
    if let Some(answer) = heard.answer {
        send::handshake(env, &answer, Some((rail, mac)));
    }
    Ok(heard.fresh)
}

/// Takes a frame that counts.
fn take<E: Environment>(env: &mut E, rail: RailId, header: &Header, mut frame: E::Frame) {
    let mac = frame.source();
    match header.kind {
        Kind::Hello => {
            let Ok(hello) = Hello::decode(data(header, &mut frame)) else {
                return env.dropped(rail, Dropped::Unwanted(Unwanted::Hello));
            };
            let hello = (Seq::new(header.seq), hello);
            if !peers::hello(env, header.from, rail, mac, hello) {
                env.dropped(rail, Dropped::Unwanted(Unwanted::Peer));
            }
        }
        // The table of peers was told already.
        Kind::Handshake => {}
        Kind::Ephemeral | Kind::Data | Kind::Ack | Kind::Reset => {
            if !peers::heard(env, header.from, rail, mac) {
                return env.dropped(rail, Dropped::Unwanted(Unwanted::Peer));
            }
            if header.kind == Kind::Ephemeral {
                let data = data(header, &mut frame);
                match (header.class, header.op) {
                    (Class::Cm, heard::OP) => peers::told(env, rail, header, data),
                    _ => env.ephemeral(header, data),
                }
            } else if let Some(data) = frame.into_data(header.data_range()) {
                route::route(env, rail, header, data);
            }
        }
    }
}

/// A frame's data, which are in one piece.
pub(super) fn data<'a>(header: &Header, frame: &'a mut impl Frame) -> &'a [u8] {
    let range = header.data_range();
    frame.start(range.end).get(range).unwrap_or_default()
}
