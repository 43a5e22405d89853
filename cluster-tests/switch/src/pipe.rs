// SPDX-License-Identifier: MIT OR Apache-2.0

//! One direction of one port, and the faults of its frames.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use podos_random::{SplitMix64, Streams};

use super::bucket::Bucket;
use super::frame::{self, Frame};
use crate::counters::Counters;
use crate::faults::{Faults, Rate};

/// Bytes that may wait in one pipe, for whatever reason: no setting may use up the machine.
const ROOM: usize = 32 << 20;

/// Frames and time go in, frames and time come out.
pub(super) struct Pipe {
    /// Every frame has a stream of its own, for frames of PODOS and for others: its fate depends
    /// neither on that of those before it, nor on faults that were set then.
    streams: [Streams; 2],
    /// How many frames of PODOS, and how many others, came so far.
    drawn: [u64; 2],
    faults: Faults,
    bucket: Option<Bucket>,
    cut: bool,
    waiting: BinaryHeap<Waiting>,
    /// Bytes in `waiting`.
    bytes: usize,
    /// The next copy's number, in the order in which they came.
    next: u64,
    /// The latest copy that left.
    latest: Option<u64>,
    /// No frame in order leaves before it.
    in_order: Duration,
    counters: Counters,
}

/// A frame that leaves later; the heap has the next one on top.
struct Waiting {
    due: Duration,
    number: u64,
    frame: Box<[u8]>,
}

impl Pipe {
    /// `place` tells its streams from those of other pipes.
    pub(super) fn new(seed: u64, place: [u64; 2]) -> Self {
        Self {
            streams: streams(seed, place),
            drawn: [0; 2],
            faults: Faults::default(),
            bucket: None,
            cut: false,
            waiting: BinaryHeap::new(),
            bytes: 0,
            next: 0,
            latest: None,
            in_order: Duration::ZERO,
            counters: Counters::default(),
        }
    }

    pub(super) fn reseed(&mut self, seed: u64, place: [u64; 2]) {
        self.streams = streams(seed, place);
        self.drawn = [0; 2];
    }

    /// Holds for frames from the next one on; those that wait come out as it was drawn for them.
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.in_order = Duration::ZERO;
    }

    pub(super) fn set_rate(&mut self, rate: Option<Rate>) {
        self.bucket = rate.map(Bucket::new);
    }

    pub(super) fn set_cut(&mut self, cut: bool) {
        self.cut = cut;
    }

    pub(super) fn counters(&self) -> Counters {
        let queued = self.waiting.len() as u64;
        Counters {
            queued,
            ..self.counters
        }
    }

    /// Takes a frame in. True: it leaves at once, and as it is. False: see [`Pipe::leave`].
    pub(super) fn enter(&mut self, now: Duration, frame: &[u8]) -> bool {
        self.counters.frames += 1;
        let class = usize::from(!frame::is_podos(frame));
        let number = self.drawn[class];
        self.drawn[class] += 1;
        if self.cut {
            self.counters.blocked += 1;
            return false;
        }
        let whole = self.faults.is_none();
        if whole && self.bucket.is_none() && self.waiting.is_empty() {
            self.latest = Some(self.next);
            self.next += 1;
            return true;
        }
        let mut random = self.streams[class].stream(number);
        let fate = self.draw(&mut random, class == 1);
        if fate.lost {
            self.counters.lost += 1;
            return false;
        }
        let mut frame = Frame::from(frame);
        if fate.corrupted && frame::flip_bits(&mut frame, &mut random) {
            self.counters.corrupted += 1;
        }
        if fate.twice {
            self.counters.duplicated += 1;
            self.queue(now, fate.late, fate.held, frame.clone());
        }
        self.queue(now, fate.late, fate.held, frame);
        false
    }

    /// A frame that was stopped before it could enter.
    pub(super) fn block(&mut self) {
        self.counters.frames += 1;
        self.counters.blocked += 1;
    }

    /// Frames that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the next frame leaves.
    pub(super) fn due(&self) -> Option<Duration> {
        self.waiting.peek().map(|next| next.due)
    }

    /// The next frame that leaves until `now`.
    pub(super) fn leave(&mut self, now: Duration) -> Option<Frame> {
        if self.due()? > now {
            return None;
        }
        let next = self.waiting.pop()?;
        self.bytes -= next.frame.len();
        match self.latest {
            Some(latest) if latest > next.number => self.counters.reordered += 1,
            _ => self.latest = Some(next.number),
        }
        Some(next.frame)
    }

    /// A frame that left, at once or later, was taken at the other side.
    pub(super) fn taken(&mut self, bytes: usize) {
        self.counters.forwarded += 1;
        self.counters.bytes += bytes as u64;
    }

    /// A frame that left was not taken.
    pub(super) fn refused(&mut self, why: Refused) {
        match why {
            Refused::Full => self.counters.overflowed += 1,
            Refused::Gone => self.counters.blocked += 1,
        }
    }

    /// Always the same draws, whatever the faults: others set later see the same numbers.
    fn draw(&self, random: &mut SplitMix64, other: bool) -> Fate {
        let faults = self.faults;
        let spared = other && faults.only_podos;
        let mut hits = |chance: crate::faults::Chance| chance.hits(random.draw_32()) && !spared;
        let (lost, corrupted) = (hits(faults.loss), hits(faults.corruption));
        let (twice, held) = (hits(faults.duplication), hits(faults.reordering));
        let jitter = random.below(faults.jitter.as_nanos() as u64 + 1);
        Fate {
            lost,
            corrupted,
            twice,
            held: held.then_some(faults.held),
            late: faults.delay + Duration::from_nanos(jitter),
        }
    }

    fn queue(&mut self, now: Duration, late: Duration, held: Option<Duration>, frame: Frame) {
        let number = self.next;
        self.next += 1;
        let leaves = match &mut self.bucket {
            Some(bucket) => bucket.admit(now, frame.len()),
            None => Some(now),
        };
        let room = self.bytes + frame.len() <= ROOM;
        let Some(leaves) = leaves.filter(|_| room) else {
            self.counters.overflowed += 1;
            return;
        };
        let mut due = (leaves + late).max(self.in_order);
        match held {
            Some(held) => due += held,
            None => self.in_order = due,
        }
        self.bytes += frame.len();
        self.waiting.push(Waiting { due, number, frame });
    }
}

/// Why the other side did not take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has no room.
    Full,
    /// Nobody is there.
    Gone,
}

/// The fate of a frame.
struct Fate {
    lost: bool,
    corrupted: bool,
    twice: bool,
    held: Option<Duration>,
    late: Duration,
}

fn streams(seed: u64, [port, direction]: [u64; 2]) -> [Streams; 2] {
    [0, 1].map(|class| Streams::of(seed, [port, direction, class]))
}

impl Waiting {
    fn key(&self) -> (Duration, u64) {
        (self.due, self.number)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        // The standard heap has the greatest on top.
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}
