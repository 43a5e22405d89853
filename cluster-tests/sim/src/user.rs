// SPDX-License-Identifier: MIT OR Apache-2.0

//! Those who use circuits: how much they say, how fast they read, and when they lose patience.

use podos_random::SplitMix64;

use crate::clock::{Nanos, MICROS, MILLIS, SECONDS};
use crate::config::Config;
use crate::content::{Side, Size};
use crate::random;

/// The longest that a user keeps silent: enough for a circuit to ask whether the other end is there.
const LONGEST_PAUSE: Nanos = 12 * SECONDS;

/// What one end's user is going to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Segments to send in all.
    pub segments: u32,
    /// Segments that must have come before the first is sent.
    pub after: u32,
    /// Segments that are sent before the pause.
    pub before_pause: u32,
    /// How long after the beginning the pause ends.
    pub pause: Nanos,
    /// Time between two reads.
    pub read_every: Nanos,
    /// Segments of one read.
    pub read_at_once: u32,
    /// How long after the beginning the user cuts the circuit.
    pub abort_after: Option<Nanos>,
    /// After how many segments, sent and received, the user goes away.
    pub leave_after: Option<u32>,
    /// How long the user takes to wake up.
    pub reaction: Nanos,
}

impl Plan {
    fn new(segments: u32, random: &mut SplitMix64) -> Self {
        Self {
            segments,
            after: 0,
            before_pause: u32::MAX,
            pause: 0,
            read_every: 0,
            read_at_once: u32::MAX,
            abort_after: None,
            leave_after: None,
            reaction: random.below(100 * MICROS),
        }
    }
}

/// A conversation before it begins.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// How long its segments are.
    pub size: Size,
    /// What the two ends do.
    pub plans: [Plan; 2],
}

impl Script {
    /// The script of one conversation of a simulation.
    pub fn new(config: &Config, conversation: u32) -> Self {
        let mut random = random::of(config.seed, 1 << 40 | u64::from(conversation));
        let random = &mut random;
        let kind = random.below(100);
        let bulk = |random: &mut SplitMix64| random.within(10, 200) as u32;
        let (active, passive) = match kind {
            // A question and its answer.
            0..=44 => (1, random.within(1, 4) as u32),
            45..=57 => (bulk(random), 0),
            58..=70 => (1, bulk(random)),
            _ => (bulk(random), bulk(random)),
        };
        let mut plans = [active, passive].map(|segments| Plan::new(segments, random));
        plans[1].after = if kind <= 70 { 1 } else { 0 };
        let either = random.index(2);
        match kind {
            80..=84 => {
                plans[either].read_every = random.within(100 * MICROS, 15 * MILLIS);
                plans[either].read_at_once = random.within(1, 20) as u32;
            }
            85..=89 => plans[either].abort_after = Some(random.below(60 * MILLIS)),
            90..=94 => plans[either].leave_after = Some(random.within(1, 30) as u32),
            95..=99 => {
                plans[either].before_pause = random.within(1, 9) as u32;
                plans[either].pause = random.below(config.load.min(LONGEST_PAUSE));
            }
            _ => {}
        }
        let size = match kind % 3 {
            0 if config.pieces => Size::Any,
            0 => Size::Frame,
            _ => Size::Small,
        };
        Self { size, plans }
    }
}

/// A user at one end of a circuit.
#[derive(Debug)]
pub struct User {
    /// The conversation.
    pub conversation: u32,
    /// Which end.
    pub side: Side,
    /// What it does.
    pub plan: Plan,
    /// How long its segments are.
    pub size: Size,
    /// When it began.
    pub began: Nanos,
    /// Segments sent.
    pub sent: u32,
    /// Segments received.
    pub received: u32,
    /// When it reads again.
    pub read_at: Nanos,
    /// It has finished its stream.
    pub finished: bool,
    /// It has read the other one's stream to its end.
    pub eof: bool,
}

impl User {
    /// A user of one end of a conversation, which begins now.
    pub fn new(config: &Config, conversation: u32, side: Side, now: Nanos) -> Self {
        let script = Script::new(config, conversation);
        Self {
            conversation,
            side,
            plan: script.plans[side as usize],
            size: script.size,
            began: now,
            sent: 0,
            received: 0,
            read_at: now,
            finished: false,
            eof: false,
        }
    }

    /// Whether the user cuts the circuit now.
    pub fn aborts(&self, now: Nanos) -> bool {
        self.plan
            .abort_after
            .is_some_and(|after| self.began + after <= now)
    }

    /// Whether the user goes away now.
    pub fn leaves(&self) -> bool {
        self.plan
            .leave_after
            .is_some_and(|after| self.sent + self.received >= after)
    }

    /// Whether the next segment is to be sent now, if the circuit takes it.
    pub fn sends(&self, now: Nanos) -> bool {
        let pauses = self.sent >= self.plan.before_pause && now < self.began + self.plan.pause;
        let waits = self.received < self.plan.after && !self.eof;
        self.sent < self.plan.segments && !pauses && !waits
    }

    /// Whether the user has nothing more to say.
    pub fn has_said_all(&self, now: Nanos) -> bool {
        let waits = self.received < self.plan.after && !self.eof;
        let pauses = self.sent >= self.plan.before_pause && now < self.began + self.plan.pause;
        self.sent >= self.plan.segments && !waits && !pauses
    }

    /// When the user does something of its own accord.
    pub fn wakes(&self, now: Nanos, can_read: bool) -> Option<Nanos> {
        let abort = self.plan.abort_after.map(|after| self.began + after);
        let pause = (self.sent >= self.plan.before_pause).then_some(self.began + self.plan.pause);
        let read = can_read.then_some(self.read_at);
        let times = [abort, pause.filter(|_| !self.finished), read];
        times.into_iter().flatten().filter(|&at| at > now).min()
    }
}
