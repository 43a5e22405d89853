// SPDX-License-Identifier: MIT OR Apache-2.0

//! The judge: knows everything that happens, and what must not.

use std::collections::BTreeMap;
use std::fmt;

use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::Segment;
use podos_proto::wire::ResetReason;
use podos_proto::Gpid;

use crate::clock::{Nanos, MILLIS};
use crate::content::{self, Side, Size};
use crate::network::Network;
use crate::protocol::{self, Payload};

/// A run of a node's communication manager: from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// The node's number.
    pub node: u32,
    /// When it began.
    pub from: Nanos,
    /// When it ended.
    pub until: Option<Nanos>,
    /// The name that it bears, as its predecessor in the same boot did.
    pub gpid: Gpid,
}

/// What one end's user did and saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndRecord {
    /// Segments that the circuit took.
    pub sent: u32,
    /// Segments that came.
    pub received: u32,
    /// The user has finished its stream.
    pub finished: bool,
    /// The user has cut the circuit.
    pub aborted: bool,
    /// The user went away early.
    pub left: bool,
    /// The user saw the end of the other one's stream.
    pub eof: bool,
    /// Why the circuit was cut at this end.
    pub cut: Option<ResetReason>,
    /// The circuit is out of the table.
    pub gone: bool,
}

/// A circuit between two users, as it was meant to be.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// When it began.
    pub began: Nanos,
    /// The life that opened it and the one it was opened to.
    pub lives: [u32; 2],
    /// How long its segments are.
    pub size: Size,
    /// The life that accepted it.
    pub accepted_by: Option<u32>,
    /// The other node had no room for it.
    pub refused: bool,
    /// What became of it at either end.
    pub ends: [EndRecord; 2],
}

/// What names a circuit in its OPEN: the opening node, the association, the circuit's index and its
/// open sequence.
pub type Open = (Gpid, u32, CdtIndex, u32);

/// What must never happen, did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Nanos,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.at / MILLIS, self.at / 1_000 % 1_000);
        write!(f, "at {ms}.{us:03} ms: {}", self.what)
    }
}

impl std::error::Error for Violation {}

/// How sure it must be, as -log10 of the chance of an accident, that a connection was there.
const SURE: f64 = 9.0;

/// Whether two nodes could talk in all the time in which a circuit asks until it gives up, so that
/// there was no reason to.
fn was_together(network: &Network, a: u32, b: u32, at: Nanos) -> bool {
    let from = at.saturating_sub(protocol::asks_for(network.rails()));
    // Each rail has its turn twice at least.
    network.certainty(a, b, from, at, 2) >= 5.0
}

/// See the module.
#[derive(Debug, Default)]
pub struct Judge {
    conversations: Vec<Option<Conversation>>,
    lives: Vec<Life>,
    /// The life of a node of this name with this incarnation of CM.
    names: BTreeMap<(Gpid, u32), u32>,
    /// When the latest frame of a name arrives, be it after the end of all its lives.
    last_frames: BTreeMap<Gpid, Nanos>,
    /// The conversation that an OPEN belongs to.
    opens: BTreeMap<Open, u32>,
    /// How the ends of circuits ended.
    outcomes: BTreeMap<&'static str, u64>,
    violation: Option<Violation>,
}

impl Judge {
    /// A judge of this many conversations.
    pub fn new(conversations: u32) -> Self {
        Self {
            conversations: vec![None; conversations as usize],
            ..Self::default()
        }
    }

    /// The first thing that must not happen and did.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often circuits' ends ended in which way.
    pub fn outcomes(&self) -> &BTreeMap<&'static str, u64> {
        &self.outcomes
    }

    /// Notes that something happened that must not; only the first counts.
    pub fn object(&mut self, at: Nanos, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| Violation {
            at,
            what: what.into(),
        });
    }

    fn count(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// A node starts, with this incarnation of CM; the number of its life.
    pub fn born(&mut self, at: Nanos, node: u32, gpid: Gpid, incarnation: u32) -> u32 {
        let number = self.lives.len() as u32;
        self.lives.push(Life {
            node,
            from: at,
            until: None,
            gpid,
        });
        self.names.insert((gpid, incarnation), number);
        number
    }

    /// The life of the node that others know by this name and incarnation.
    pub fn life_of(&self, gpid: Gpid, incarnation: u32) -> Option<u32> {
        self.names.get(&(gpid, incarnation)).copied()
    }

    /// A node stops.
    pub fn died(&mut self, at: Nanos, life: u32) {
        self.lives[life as usize].until = Some(at);
    }

    /// A frame of this life arrives at `at`.
    pub fn arrives(&mut self, life: u32, at: Nanos) {
        let gpid = self.lives[life as usize].gpid;
        let last = self.last_frames.entry(gpid).or_default();
        *last = at.max(*last);
    }

    /// Whether a life ended, and nothing came under its name any more, at least `span` before `now`.
    pub fn is_gone(&self, life: u32, now: Nanos, span: Nanos) -> bool {
        let life = self.life(life);
        let last_frame = self.last_frames.get(&life.gpid).copied().unwrap_or(0);
        let last = life.until.map(|until| until.max(last_frame));
        last.is_some_and(|last| last + span < now)
    }

    /// A life.
    pub fn life(&self, life: u32) -> Life {
        self.lives[life as usize]
    }

    /// The conversation with this number, once it has begun.
    pub fn conversation(&self, conversation: u32) -> Option<&Conversation> {
        self.conversations.get(conversation as usize)?.as_ref()
    }

    fn end(&mut self, conversation: u32, side: Side) -> Option<&mut EndRecord> {
        let conversation = self
            .conversations
            .get_mut(conversation as usize)?
            .as_mut()?;
        conversation.ends.get_mut(side as usize)
    }

    /// A user opens a circuit.
    pub fn begins(
        &mut self,
        began: Nanos,
        conversation: u32,
        lives: [u32; 2],
        size: Size,
        open: Open,
    ) {
        self.opens.insert(open, conversation);
        self.conversations[conversation as usize] = Some(Conversation {
            began,
            lives,
            size,
            accepted_by: None,
            refused: false,
            ends: Default::default(),
        });
    }

    /// A user found that a node that it wanted to talk to is not there.
    pub fn absent(&mut self, network: &Network, at: Nanos, lives: [u32; 2]) {
        self.count("no host");
        let [a, b] = lives.map(|life| self.life(life));
        // Both have had the time to hear each other's hellos, whatever was before.
        let since = a.from.max(b.from).max(at.saturating_sub(2_000 * MILLIS));
        let long = at - since >= 1_500 * MILLIS;
        let dead = a.until.or(b.until).is_some();
        if long && !dead && network.certainty(a.node, b.node, since, at, 4) >= SURE {
            let text = format!("node {} takes node {} for absent", a.node, b.node);
            self.object(at, text);
        }
    }

    /// A node accepted a circuit; the conversation that it is.
    pub fn accepted(&mut self, at: Nanos, life: u32, open: Open) -> Option<u32> {
        let number = self.opens.get(&open).copied();
        let known = number.and_then(|number| self.conversations.get_mut(number as usize)?.as_mut());
        let problem = match (number, known) {
            (Some(number), Some(known)) => match known.accepted_by.replace(life) {
                Some(_) => Some(format!("conversation {number} was accepted twice")),
                None if known.lives[Side::Passive as usize] == life => None,
                None => Some(format!("conversation {number} was opened at another node")),
            },
            _ => Some("a circuit was opened that nobody asked for".to_owned()),
        };
        if let Some(problem) = problem {
            self.object(at, problem);
        }
        number
    }

    /// A node had no room for a circuit.
    pub fn refused(&mut self, open: Open) {
        let number = self.opens.get(&open).copied();
        if let Some(Some(conversation)) =
            number.and_then(|number| self.conversations.get_mut(number as usize))
        {
            conversation.refused = true;
        }
    }

    /// A circuit took a segment.
    pub fn sent(&mut self, conversation: u32, side: Side) {
        if let Some(end) = self.end(conversation, side) {
            end.sent += 1;
        }
    }

    /// A reader got a segment.
    pub fn received(
        &mut self,
        at: Nanos,
        conversation: u32,
        side: Side,
        segment: &Segment<Payload>,
    ) {
        let size = self.conversation(conversation).map(|known| known.size);
        let (Some(end), Some(size)) = (self.end(conversation, side), size) else {
            return self.object(at, "a segment came of a conversation that never began");
        };
        let seq = end.received;
        end.received += 1;
        let expected = content::say(conversation, side.other(), seq, size);
        let bytes = segment.payload.bytes();
        if expected.bytes != bytes || expected.op != segment.op || expected.end != segment.end {
            let text = format!(
                "{side:?} end of conversation {conversation} got {} (op {}, end {}) instead of segment {seq}",
                content::name_of(bytes),
                segment.op,
                segment.end
            );
            return self.object(at, text);
        }
        if self
            .end(conversation, side.other())
            .is_some_and(|end| end.sent <= seq)
        {
            let text = format!("{} was never sent", content::name_of(bytes));
            self.object(at, text);
        }
    }

    /// A user finished its stream.
    pub fn finished(&mut self, conversation: u32, side: Side) {
        if let Some(end) = self.end(conversation, side) {
            end.finished = true;
        }
    }

    /// A user cut the circuit.
    pub fn aborted(&mut self, conversation: u32, side: Side) {
        self.count("aborted here");
        if let Some(end) = self.end(conversation, side) {
            end.aborted = true;
        }
    }

    /// A user went away and finished its stream; nobody reads what still comes.
    pub fn left(&mut self, conversation: u32, side: Side) {
        self.count("left early");
        if let Some(end) = self.end(conversation, side) {
            end.left = true;
            end.finished = true;
        }
    }

    /// A reader came to the end of the other end's stream.
    pub fn eof(&mut self, at: Nanos, conversation: u32, side: Side) {
        self.count("complete");
        let Some(other) = self.end(conversation, side.other()).copied() else {
            return;
        };
        let Some(end) = self.end(conversation, side) else {
            return;
        };
        end.eof = true;
        let received = end.received;
        if !other.finished || other.sent != received {
            let text = format!(
                "{side:?} end of conversation {conversation} read to an end after {received} segments, but {} were sent and the sender has {}finished",
                other.sent,
                if other.finished { "" } else { "not " }
            );
            self.object(at, text);
        }
    }

    /// A circuit left its table, in order or cut off.
    pub fn gone(
        &mut self,
        network: &Network,
        at: Nanos,
        (conversation, side): (u32, Side),
        life: u32,
        cut: Option<ResetReason>,
    ) {
        let known = self.conversation(conversation);
        // What an earlier load of CM kept is not this one's.
        if known.is_none_or(|known| known.lives[side as usize] != life) {
            return;
        }
        let Some(end) = self.end(conversation, side) else {
            return;
        };
        end.gone = true;
        end.cut = cut;
        let own_doing = end.aborted;
        if let Some(reason) = cut.filter(|_| !own_doing) {
            self.cut_off(network, at, conversation, side, reason);
        }
    }

    /// A circuit was cut off at this end, though its own user did not do it.
    fn cut_off(
        &mut self,
        network: &Network,
        at: Nanos,
        conversation: u32,
        side: Side,
        reason: ResetReason,
    ) {
        self.count(match reason {
            ResetReason::NoCircuit => "no circuit",
            ResetReason::Refused => "refused",
            ResetReason::Full => "full",
            ResetReason::Aborted => "aborted there",
            ResetReason::Protocol => "protocol",
            ResetReason::TimedOut => "timed out",
            ResetReason::PeerDown => "peer down",
        });
        let Some(known) = self.conversation(conversation) else {
            return;
        };
        let other = known.ends[side.other() as usize];
        let [here, there] = [side, side.other()].map(|side| self.life(known.lives[side as usize]));
        let died = there.until.is_some();
        let was_apart = |span: Nanos, tries| {
            let from = at.saturating_sub(span);
            network.certainty(here.node, there.node, from, at, tries) < SURE
        };
        let excused = match reason {
            ResetReason::Aborted => other.aborted,
            ResetReason::NoCircuit => died || other.cut.is_some() || known.refused,
            // Three hellos at least fall into the time that a rail may be silent.
            ResetReason::PeerDown => died || was_apart(protocol::SILENCE + 50 * MILLIS, 3),
            ResetReason::TimedOut => died || !was_together(network, here.node, there.node, at),
            ResetReason::Full => known.refused,
            ResetReason::Refused | ResetReason::Protocol => false,
        };
        if !excused {
            let text = format!(
                "{side:?} end of conversation {conversation} (node {} with node {}) was cut off without cause: {reason:?}; there: {other:?}",
                here.node, there.node
            );
            self.object(at, text);
        }
    }

    /// When nothing is left to happen, every conversation must have come to an end.
    pub fn conclude(&mut self, at: Nanos) {
        let mut unfinished = None;
        for (number, conversation) in self.conversations.iter().enumerate() {
            let Some(conversation) = conversation else {
                continue;
            };
            for side in [Side::Active, Side::Passive] {
                let life = self.lives[conversation.lives[side as usize] as usize];
                let (end, other) = (
                    conversation.ends[side as usize],
                    conversation.ends[side.other() as usize],
                );
                let there = self.lives[conversation.lives[side.other() as usize] as usize];
                if life.until.is_some()
                    || (side == Side::Passive && conversation.accepted_by.is_none())
                {
                    continue;
                }
                let over = end.gone && (end.eof || end.left || end.aborted || end.cut.is_some());
                let whole = other.cut.is_none()
                    && there.until.is_none()
                    && (side == Side::Passive || conversation.accepted_by.is_some());
                let lost = end.eof && whole && end.received != other.sent;
                if !over || lost {
                    unfinished.get_or_insert_with(|| {
                        format!("conversation {number} did not come to its end at its {side:?} end: {conversation:?}")
                    });
                }
            }
        }
        if let Some(text) = unfinished {
            self.object(at, text);
        }
    }
}
