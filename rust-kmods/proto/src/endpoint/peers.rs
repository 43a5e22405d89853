// SPDX-License-Identifier: GPL-2.0-only

//! What the news of a peer mean.

use super::{Environment, Mac, News};
use crate::gpid::Gpid;
use crate::hello::Hello;
use crate::keys;
use crate::peer::{Event, Lost};
use crate::wire::ResetReason;

/// Takes note of a frame that is a sign of life. Whether it is to be looked at further.
pub(super) fn heard<E: Environment>(env: &mut E, from: Gpid, rail: usize, mac: Mac) -> bool {
    let now = env.now();
    let event = env.peers(|peers| peers.heard(now, from, rail, mac));
    follow(env, from, rail, event)
}

/// The same, of a hello.
pub(super) fn hello<E: Environment>(
    env: &mut E,
    from: Gpid,
    rail: usize,
    mac: Mac,
    hello: &Hello,
) -> bool {
    let now = env.now();
    let event = env.peers(|peers| peers.hello(now, from, rail, mac, hello));
    follow(env, from, rail, event)
}

/// The same, of what tells which start of CM its sender is.
pub(super) fn meet<E: Environment>(
    env: &mut E,
    from: Gpid,
    rail: usize,
    mac: Mac,
    incarnation: u32,
) -> bool {
    let now = env.now();
    let event = env.peers(|peers| peers.meet(now, from, rail, mac, incarnation));
    follow(env, from, rail, event)
}

/// Does what an event asks for; whether its cause counts.
fn follow<E: Environment>(env: &mut E, from: Gpid, rail: usize, event: Event) -> bool {
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
    let mut from = Some(0);
    while let Some(node) = from.and_then(|from| env.peers(|peers| peers.next_known(from))) {
        expel(env, node);
        from = node.host().checked_add(1);
    }
}

/// Finds what fell silent.
pub(super) fn find_silent<E: Environment>(env: &mut E) {
    let now = env.now();
    while let Some(lost) = env.peers(|peers| peers.tick(now).next()) {
        match lost {
            Lost::RailDown { node, rail } => {
                env.reroute(node.host());
                env.tell(News::RailDown { node, rail });
            }
            Lost::Down { node } => {
                env.break_circuits(node.host(), ResetReason::PeerDown);
                env.tell(News::Silent { node });
            }
        }
    }
}
