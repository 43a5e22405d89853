// SPDX-License-Identifier: GPL-2.0-only

//! Segments that wait for their acknowledgement.

use crate::circuit::Payload;
use crate::tgroup::RailId;
use crate::time::{nanos, Duration, Instant};

/// A moment in units of 1024 ns, modulo 2^32: 73 minutes, far more than anything is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick(u32);

impl Tick {
    /// From one to the next.
    pub(super) const NANOS: u64 = 1 << 10;

    /// How many of them a time has.
    pub(super) fn count(time: Duration) -> u32 {
        (nanos(time) >> 10) as u32
    }

    pub(super) const fn of(now: Instant) -> Self {
        Self((now.as_nanos() >> 10) as u32)
    }

    /// The time from this moment to `now`; nothing if it is later.
    pub(super) fn age(self, now: Instant) -> Duration {
        let ticks = Tick::of(now).0.wrapping_sub(self.0);
        let ticks = if ticks as i32 >= 0 { ticks } else { 0 };
        Duration::from_nanos(u64::from(ticks) << 10)
    }
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Middle,
    End,
    Fin,
}

const OP: u8 = 0x1f;
const AGAIN: u8 = 0x20;
const FIN: u8 = 0x40;
const END: u8 = 0x80;

/// A segment that is not yet acknowledged, or none. Small, for a circuit has room for many.
#[derive(Debug)]
pub(in crate::circuit) struct TxSlot<B> {
    payload: Option<B>,
    pub(super) sent_at: Tick,
    /// Its number on the rail that it went over last.
    pub(super) number: u16,
    /// The rail that it went over last.
    pub(super) rail: RailId,
    tag: u8,
}

impl<B> TxSlot<B> {
    pub(super) const fn empty() -> Self {
        Self {
            payload: None,
            sent_at: Tick(0),
            number: 0,
            rail: RailId::R0,
            tag: 0,
        }
    }

    pub(super) fn new(op: u8, shape: Shape, payload: Option<B>) -> Self {
        let shape = match shape {
            Shape::Middle => 0,
            Shape::End => END,
            Shape::Fin => FIN,
        };
        Self {
            payload,
            tag: op & OP | shape,
            ..Self::empty()
        }
    }

    pub(in crate::circuit) fn payload(&self) -> Option<&B> {
        self.payload.as_ref()
    }

    pub(in crate::circuit) fn op(&self) -> u8 {
        self.tag & OP
    }

    pub(in crate::circuit) fn is_end(&self) -> bool {
        self.tag & END != 0
    }

    pub(in crate::circuit) fn is_fin(&self) -> bool {
        self.tag & FIN != 0
    }

    /// Whether it was sent more than once.
    pub(super) fn is_again(&self) -> bool {
        self.tag & AGAIN != 0
    }

    pub(super) fn set_again(&mut self) {
        self.tag |= AGAIN;
    }
}

impl<B: Payload> TxSlot<B> {
    /// Bytes of its data.
    pub(super) fn len(&self) -> usize {
        self.payload.as_ref().map_or(0, Payload::len)
    }
}
