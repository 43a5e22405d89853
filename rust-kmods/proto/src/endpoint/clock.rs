// SPDX-License-Identifier: GPL-2.0-only

//! What a node does as time passes: hellos, handshakes, a check for what fell silent, and reports
//! of that.

use super::{announce, peers, send, Environment, News, BROADCAST};
use crate::derive::IntoBytes;
use crate::hello::{self, Hello};
use crate::keys::Action;
use crate::seq::Seq;
use crate::time::{Duration, Instant};

/// Time between two looks for rails that fell silent.
const SILENCE_CHECK: Duration = Duration::from_millis(50);

/// When a node has to do what. Circuits have deadlines of their own.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hello_at: Option<Instant>,
    /// The number of the next hello.
    hellos: Seq,
}

impl Clock {
    /// One whose first hello is due at once.
    pub const fn new() -> Self {
        Self {
            hello_at: None,
            hellos: Seq::ZERO,
        }
    }

    /// Says hello, if it is time. When the clock has to be turned again; [`Clock::mind`] is due now.
    pub fn greet<E: Environment>(&mut self, env: &mut E) -> Instant {
        let now = env.now();
        env.identity().begin(now);
        if env.identity().recover(now) {
            env.tell(News::Alone);
        }
        let hello_at = match self.hello_at {
            Some(at) if now < at => at,
            _ => {
                self.say_hello(env, false);
                now + hello::INTERVAL
            }
        };
        self.hello_at = Some(hello_at);
        hello_at.min(now + SILENCE_CHECK)
    }

    /// Does what keys, handshakes and silence ask for by now.
    pub fn mind<E: Environment>(&self, env: &mut E) {
        if env.identity().has_yielded() {
            return;
        }
        mind_sessions(env);
        peers::find_changes(env);
        peers::report(env);
    }

    /// Says that this node leaves the cluster.
    pub fn leave<E: Environment>(&mut self, env: &mut E) {
        self.say_hello(env, true);
    }

    /// Says on every rail that this node is there, or that it leaves.
    fn say_hello<E: Environment>(&mut self, env: &mut E, leaving: bool) {
        let header = Hello::header(env.node(), self.hellos);
        self.hellos = self.hellos.next();
        let rails = env.usable();
        for rail in rails.iter() {
            let Some(mtu) = env.mtu(rail) else {
                continue;
            };
            let hello = Hello::new(rail, rails.len() as u8, env.incarnation()).with_mtu(mtu);
            let hello = hello.settled(env.identity().is_settled(env.now()));
            let hello = match leaving {
                true => hello.leaving(),
                false => hello,
            };
            let identified = env.sessions(|sessions| sessions.identify(hello));
            let hello = identified.unwrap_or(hello);
            announce(env, rail, BROADCAST, &header, hello.as_bytes());
        }
    }
}

/// Begins an epoch, with a nonce of the environment's.
pub fn rekey<E: Environment>(env: &mut E) {
    let (now, nonce) = (env.now(), env.nonce());
    env.sessions(|sessions| sessions.rekey(now, nonce));
    mind_sessions(env);
}

/// Does what keys and handshakes need by now.
fn mind_sessions<E: Environment>(env: &mut E) {
    if !env.mode().is_some_and(|mode| mode.is_keyed()) {
        return;
    }
    let now = env.now();
    while let Some(action) = env.sessions(|sessions| sessions.poll(now)).flatten() {
        match action {
            Action::Send(handshake) => send::handshake(env, &handshake, None),
            Action::Event(event) => peers::follow_session(env, event),
            Action::NeedNonce => {
                let nonce = env.nonce();
                env.sessions(|sessions| sessions.rekey(now, nonce));
            }
        }
    }
}
