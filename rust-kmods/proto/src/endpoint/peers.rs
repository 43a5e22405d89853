// SPDX-License-Identifier: GPL-2.0-only

//! What follows when the state of a peer changes.

use super::sightings::Sighting;
use super::{announce, Dropped, Environment, Mac, News, Unwanted};
use crate::derive::IntoBytes;
use crate::gpid::Gpid;
use crate::heard::Heard;
use crate::hello::Hello;
use crate::host_id::HostId;
use crate::keys;
use crate::peer::{Change, Event, HeardOn};
use crate::seq::Seq;
use crate::tgroup::RailId;
use crate::wire::{Header, ResetReason};

/// Takes note of a frame that is a sign of life. Whether it is to be looked at further.
pub(super) fn heard<E: Environment>(env: &mut E, from: Gpid, rail: RailId, mac: Mac) -> bool {
    let now = env.now();
    let sighting = Sighting::new(now, env.peers_version(), from, rail, mac);
    if sighting.is_noted(env.sightings()) {
        return true;
    }
    let event = env.peers(|peers| peers.heard(now, from, rail, mac));
    if event == Event::None {
        sighting.note(env.sightings());
    }
    follow(env, from, rail, event)
}

/// The same, of a hello.
pub(super) fn hello<E: Environment>(
    env: &mut E,
    from: Gpid,
    rail: RailId,
    mac: Mac,
    hello: (Seq, &Hello),
) -> bool {
    let now = env.now();
    let event = env.peers(|peers| peers.hello(now, from, rail, mac, hello));
    follow(env, from, rail, event)
}

/// The same, of what tells which start of CM its sender is.
pub(super) fn meet<E: Environment>(
    env: &mut E,
    from: Gpid,
    rail: RailId,
    mac: Mac,
    incarnation: u32,
) -> bool {
    let now = env.now();
    let event = env.peers(|peers| peers.meet(now, from, rail, mac, incarnation));
    follow(env, from, rail, event)
}

/// Does what an event asks for; whether its cause counts.
fn follow<E: Environment>(env: &mut E, from: Gpid, rail: RailId, event: Event) -> bool {
    let node = from.node();
    match event {
        Event::None => {}
        Event::Ignored => return false,
        Event::New | Event::Up => env.tell(News::Up { node, rail }),
        Event::RailUp => {
            // Circuits may have waited for a rail.
            env.reroute(node.host());
            env.tell(News::RailUp { node, rail });
        }
        Event::Rebooted => {
            env.break_circuits(node.host(), ResetReason::PeerDown);
            env.tell(News::Rebooted { node, rail });
        }
        Event::Left => {
            env.break_circuits(node.host(), ResetReason::PeerDown);
            env.tell(News::Left { node });
        }
    }
    true
}

/// Has the table of peers follow what became of a session. That one is up it knows already: no session
/// comes up without a handshake, and each of these is a sign of life.
pub(super) fn follow_session<E: Environment>(env: &mut E, event: keys::Event) {
    env.tell(News::Session(event));
    if let keys::Event::Ended { node } = event {
        expel(env, node);
    }
}

/// Takes a node down that may not take part any more.
fn expel<E: Environment>(env: &mut E, node: Gpid) {
    if env.peers(|peers| peers.expel(node.host())) {
        env.break_circuits(node.host(), ResetReason::PeerDown);
        env.tell(News::Expelled { node });
    }
}

/// Takes all nodes down: this one is not any more who they know.
pub fn expel_all<E: Environment>(env: &mut E) {
    let mut from = Some(HostId::NONE);
    while let Some(node) = from.and_then(|from| env.peers(|peers| peers.next_known(from))) {
        expel(env, node);
        from = node.host().next();
    }
}

/// Finds what fell silent, and what a peer told and holds no more.
pub(super) fn find_changes<E: Environment>(env: &mut E) {
    let now = env.now();
    while let Some(change) = env.peers(|peers| peers.next_change(now)) {
        follow_change(env, change);
    }
}

/// Takes in what a peer says of the rails on which it hears this node.
pub(super) fn told<E: Environment>(env: &mut E, rail: RailId, header: &Header, data: &[u8]) {
    let Ok(heard) = Heard::decode(data) else {
        return env.dropped(rail, Dropped::Unwanted(Unwanted::Hello));
    };
    let (now, rails, valid) = (env.now(), heard.rails(), heard.valid());
    let seq = Seq::new(header.seq);
    let change = env.peers(|peers| peers.told(now, header.from, seq, rails, valid));
    if let Some(change) = change {
        follow_change(env, change);
    }
}

/// Does what a change asks for.
fn follow_change<E: Environment>(env: &mut E, change: Change) {
    match change {
        Change::Down { node } => {
            env.break_circuits(node.host(), ResetReason::PeerDown);
            env.tell(News::Silent { node });
        }
        Change::RailDown { node, rail } => {
            env.reroute(node.host());
            env.tell(News::RailDown { node, rail });
        }
        Change::RailUp { node, rail } => {
            env.reroute(node.host());
            env.tell(News::RailUp { node, rail });
        }
        Change::Up { node, rail } => env.tell(News::Up { node, rail }),
    }
}

/// Tells peers that are not heard on all rails on which they are: on all rails on which each was heard
/// at any time, since those may be the very ones that work the other way.
pub(super) fn report<E: Environment>(env: &mut E) {
    let (own, now, usable) = (env.node(), env.now(), env.usable());
    let seq = Seq::new((now.as_nanos() / 1_000_000) as u32);
    while let Some(report) = env.peers(|peers| peers.next_report(now, usable)) {
        let HeardOn { node, rails, valid } = report;
        let header = Heard::header(own, node, seq);
        let heard = Heard::new(rails, valid);
        for rail in usable.iter() {
            let address = env.peers(|peers| peers.last_address(node.host(), rail));
            if let Some(to) = address {
                announce(env, rail, to, &header, heard.as_bytes());
            }
        }
    }
}
