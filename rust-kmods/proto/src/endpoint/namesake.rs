// SPDX-License-Identifier: GPL-2.0-only

//! Frames that bear this node's own host id.

use super::receive::data;
use super::{expel_all, send, Dropped, Environment, Frame, Mac, News, Unwanted};
use crate::hello::Hello;
use crate::keys::{AuthError, Handshake, Mode};
use crate::tgroup::RailId;
use crate::wire::{Header, Kind};

/// What another machine of this name says of itself.
struct Claim {
    settled: bool,
    incarnation: u32,
}

/// Takes a frame in that bears this node's host id; why it is dropped.
pub(super) fn hear<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    frame: &mut E::Frame,
) -> Dropped {
    let mac = frame.source();
    let introduces = matches!(header.kind, Kind::Hello | Kind::Handshake);
    if env.is_own(mac) || !introduces {
        return Dropped::Unwanted(Unwanted::Echo);
    }
    let claim = match env.mode() {
        None => Ok(None),
        Some(Mode::Open) => {
            let hello = Hello::decode(data(header, frame)).ok();
            let hello = hello.filter(|_| header.kind == Kind::Hello && header.auth.is_none());
            Ok(hello.map(|hello| Claim {
                settled: hello.is_settled(),
                incarnation: hello.incarnation.get(),
            }))
        }
        Some(_) => prove(env, rail, header, frame),
    };
    match claim {
        Ok(Some(claim)) => contest(env, rail, mac, &claim),
        Ok(None) => {}
        // The node's own word, or nobody's.
        Err(_) => return Dropped::Unwanted(Unwanted::Echo),
    }
    Dropped::Unwanted(Unwanted::Namesake)
}

/// In a cluster with a key: who says so must be a member, and be there now. A Hello may be a recording,
/// also one of this node's own: its sender is asked to prove it, as any stranger is.
fn prove<E: Environment>(
    env: &mut E,
    rail: RailId,
    header: &Header,
    frame: &mut E::Frame,
) -> Result<Option<Claim>, AuthError> {
    let (now, mac) = (env.now(), frame.source());
    let body = data(header, frame);
    let opening = env
        .sessions(|sessions| sessions.open_namesake(now, header, body))
        .unwrap_or(Err(AuthError::UnknownSession))?;
    if !env.verify(&opening.key, header, frame) {
        return Err(AuthError::BadTag);
    }
    let (nonce, claim) = match header.kind {
        Kind::Hello => {
            let hello = Hello::decode(data(header, frame)).map_err(|_| AuthError::Malformed)?;
            (hello.nonce, None)
        }
        _ => {
            let handshake = Handshake::decode(data(header, frame));
            let handshake = *handshake.map_err(|_| AuthError::Malformed)?;
            let fresh = env.sessions(|sessions| sessions.proves_namesake(&handshake, &opening));
            let claim = Claim {
                settled: handshake.is_settled(),
                incarnation: handshake.incarnation.get(),
            };
            (handshake.nonce, (fresh == Some(true)).then_some(claim))
        }
    };
    // It wants to know, too, and learns it from a fresh answer.
    let settled = env.identity().is_settled(now);
    let answer = env.sessions(|sessions| sessions.answer_namesake(now, header.from, &nonce));
    if let Some(mut answer) = answer.flatten() {
        answer.handshake = answer.handshake.settled(settled);
        send::handshake(env, &answer, Some((rail, mac)));
    }
    Ok(claim)
}

/// Another machine is this node, too: one of both yields.
fn contest<E: Environment>(env: &mut E, rail: RailId, mac: Mac, claim: &Claim) {
    let (now, own) = (env.now(), env.incarnation());
    if own == claim.incarnation {
        // The node's own word, by another station.
        return;
    }
    let is_first = own > claim.incarnation;
    let had_yielded = env.identity().has_yielded();
    let (yields, tell) = env.identity().claim(now, mac, claim.settled, is_first);
    if tell {
        env.tell(News::Namesake { mac, rail, yields });
    }
    if yields && !had_yielded {
        expel_all(env);
    }
}
