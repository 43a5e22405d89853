// SPDX-License-Identifier: GPL-2.0-only

//! How many segments a circuit may have under way.
//!
//! Where the way to the other end is narrow, segments wait in a queue before it, and where the queue has
//! no room they are lost. A loss halves the window, as TCP's does. But a queue that is always full lets
//! in whoever follows its beat, and drops what others send now and then; and the queue before the own
//! interface never drops anything. So the window is also held to what the way carries without a queue
//! and an [allowance](Congestion::allowance) besides, by the time that segments take. The allowance is
//! ample until something is lost: on a way that loses nothing, round trips are long for other reasons,
//! and to hold back would help nobody.

use super::slot::Tick;
use crate::circuit::WINDOW;
use crate::seq::Seq;
use crate::time::{Duration, Instant};

/// Bytes that may be under way at first: 16 segments of a rail with 1500 bytes.
const FIRST: u32 = 16 * 1452;
/// Bytes that may be under way after any loss. A rail that loses frames for other reasons than a queue
/// has use for as many.
const FLOOR: u32 = FIRST / 2;
/// The greatest window, in segments.
const MOST: u32 = WINDOW as u32;
/// The least window, in segments. With two of them a loss is found without a time-out.
const LEAST: u32 = 2;
/// Segments that have to come at least until the window grows by one, where it is not doubled: many
/// small windows would grow by a good part of themselves else.
const STEADY: u32 = 8;
/// The greatest and the least allowance, in bytes.
const AMPLE: u32 = 64 << 10;
const SCANTY: u32 = 12 << 10;
/// Rounds without a loss in which the allowance grows by a segment.
const PATIENT: u32 = 8;
/// How long the least round trip is remembered at least, in ticks. After that, the way may be another
/// one.
const MEMORY: u32 = 8_000_000_000_u64.div_ceil(Tick::NANOS) as u32;

/// What is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) segments: u32,
    pub(super) bytes: u32,
}

/// See the module. It is small, for there are many: times are in ticks, 1.02 µs each.
#[derive(Debug)]
pub(super) struct Congestion {
    /// Segments; 0 until it is known how long they are.
    window: u32,
    /// Up to here the window grows with each segment that comes.
    threshold: u32,
    /// The least window after a loss.
    floor: u32,
    /// Segments that came since the window last grew by one.
    grown_by: u32,
    /// Losses of segments below this one belong to a loss that was reacted to.
    recover: Seq,
    /// Bytes of the circuit that may wait in queues.
    allowance: u32,
    /// The first segment of the next round: a round is a window.
    round: Seq,
    /// The least round trip of this round.
    least_of_round: u32,
    /// The least round trips of this time and of the one before.
    least: [u32; 2],
    /// When this time began.
    since: Tick,
}

impl Congestion {
    pub(super) const fn new() -> Self {
        Self {
            window: 0,
            threshold: MOST,
            floor: LEAST,
            grown_by: 0,
            recover: Seq::ZERO,
            allowance: AMPLE,
            round: Seq::ZERO,
            least_of_round: u32::MAX,
            least: [u32::MAX; 2],
            since: Tick::of(Instant::from_nanos(0)),
        }
    }

    /// Segments that may be under way. The first may always be.
    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    /// Takes note that a segment has room for so many bytes, when the first one goes out.
    pub(super) fn begin(&mut self, room: u16) {
        let room = u32::from(room).max(1);
        self.window = (FIRST / room).clamp(LEAST, MOST);
        self.floor = (FLOOR / room).clamp(LEAST, MOST);
    }

    /// Takes note that a segment took so long.
    pub(super) fn measured(&mut self, now: Instant, round_trip: Duration) {
        let took = Tick::count(round_trip).max(1);
        let [this, before] = self.least;
        if this == u32::MAX || Tick::count(self.since.age(now)) >= MEMORY {
            self.since = Tick::of(now);
            self.least = [took, this];
        } else if took < this {
            self.least = [took, before];
        }
        self.least_of_round = self.least_of_round.min(took);
    }

    /// Takes note that so many segments came.
    pub(super) fn came(&mut self, count: u32) {
        if self.window < self.threshold {
            self.window += count;
        } else {
            self.grown_by += count;
            if self.grown_by >= self.window.max(STEADY) {
                self.grown_by = 0;
                self.window += 1;
            }
        }
        self.window = self.window.min(MOST);
    }

    /// Whether all came that was under way when the round began: [`Congestion::end_round`] is due.
    pub(super) fn is_round_over(&self, una: Seq) -> bool {
        una.is_at_or_after(self.round)
    }

    /// Ends a round, by whose end `flight` was under way, and all segments up to `unsent` had been sent:
    /// holds the window to what the round trips speak for.
    pub(super) fn end_round(&mut self, unsent: Seq, flight: Flight) {
        let [this, before] = self.least;
        let (least, took) = (this.min(before), self.least_of_round);
        self.round = unsent;
        self.least_of_round = u32::MAX;
        if took == u32::MAX || flight.segments == 0 {
            return;
        }
        let each = (flight.bytes / flight.segments).max(1);
        self.allowance = (self.allowance + each / PATIENT).min(AMPLE);
        // Of what is under way, as much is on the way itself as if there were no queue.
        let on_the_way = u64::from(flight.bytes) * u64::from(least) / u64::from(took);
        let waiting = flight.bytes.saturating_sub(on_the_way as u32);
        let over = waiting.saturating_sub(self.allowance) / each;
        if over > 0 {
            self.window = (self.window - over.min(self.window / 4)).max(LEAST);
            self.threshold = self.window;
        }
    }

    /// Takes note that `seq` was lost, when all segments up to `unsent` had been sent.
    pub(super) fn lost(&mut self, seq: Seq, unsent: Seq) {
        if seq.is_at_or_after(self.recover) {
            self.back_off();
            self.window = self.threshold;
            self.recover = unsent;
        }
    }

    /// Takes note that a time-out found segments lost, when all up to `unsent` had been sent. If they were
    /// on a rail that is `dead`, that says nothing of how much others carry.
    pub(super) fn timed_out(&mut self, unsent: Seq, dead: bool) {
        if !dead {
            self.back_off();
            self.window = LEAST;
        }
        self.recover = unsent;
    }

    fn back_off(&mut self) {
        self.threshold = (self.window / 2).max(self.floor);
        self.allowance = (self.allowance / 2).max(SCANTY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u16 = 1452;

    fn begun() -> Congestion {
        let mut congestion = Congestion::new();
        congestion.begin(MTU);
        congestion
    }

    /// One window after the other goes and comes, each round in `took`.
    fn rounds(congestion: &mut Congestion, count: u32, took: Duration) {
        let mut now = Instant::from_nanos(1);
        for round in 0..count {
            now = now + took;
            let segments = congestion.window();
            congestion.measured(now, took);
            congestion.came(segments);
            let bytes = segments * u32::from(MTU);
            congestion.end_round(Seq::new(round), Flight { segments, bytes });
        }
    }

    #[test]
    fn it_begins_small_and_doubles() {
        let first = |room| {
            let mut congestion = Congestion::new();
            congestion.begin(room);
            congestion.window()
        };
        assert_eq!([1452, 1232, 8952, 100, 0].map(first), [16, 18, 2, 64, 64]);
        let mut congestion = begun();
        congestion.came(16);
        assert_eq!(congestion.window(), 32);
        congestion.came(100);
        assert_eq!(congestion.window(), MOST);
    }

    #[test]
    fn a_loss_halves_it_once() {
        let mut congestion = begun();
        congestion.came(48);
        congestion.lost(Seq::new(5), Seq::new(60));
        assert_eq!(congestion.window(), 32);
        congestion.lost(Seq::new(59), Seq::new(70));
        assert_eq!(congestion.window(), 32);
        // Now by one for each window.
        congestion.came(31);
        assert_eq!(congestion.window(), 32);
        congestion.came(1);
        assert_eq!(congestion.window(), 33);
        for lost in 1..9 {
            congestion.lost(Seq::new(80 * lost), Seq::new(80 * lost + 80));
        }
        assert_eq!(congestion.window(), FLOOR / u32::from(MTU));
    }

    #[test]
    fn long_segments_are_few() {
        let mut congestion = Congestion::new();
        congestion.begin(8952);
        congestion.lost(Seq::new(1), Seq::new(2));
        assert_eq!(congestion.window(), LEAST);
        congestion.came(STEADY - 1);
        assert_eq!(congestion.window(), LEAST);
        congestion.came(1);
        assert_eq!(congestion.window(), LEAST + 1);
    }

    #[test]
    fn a_time_out_begins_anew_unless_the_rail_is_dead() {
        let mut congestion = begun();
        congestion.came(48);
        congestion.timed_out(Seq::new(64), true);
        assert_eq!(congestion.window(), 64);
        congestion.timed_out(Seq::new(64), false);
        assert_eq!(congestion.window(), LEAST);
        // It doubles up to half of what it was.
        congestion.came(30);
        assert_eq!(congestion.window(), 32);
        congestion.came(1);
        assert_eq!(congestion.window(), 32);
        // What was sent before is part of that.
        congestion.lost(Seq::new(63), Seq::new(90));
        assert_eq!(congestion.window(), 32);
    }

    #[test]
    fn long_round_trips_hold_it_after_losses() {
        let (short, long) = (Duration::from_micros(100), Duration::from_millis(10));
        let held = |congestion: &Congestion, allowance: u32| {
            // It grows by one, and is held again.
            let segments = allowance / u32::from(MTU);
            let window = congestion.window();
            assert!(
                (segments..=segments + 2).contains(&window),
                "{window} of {segments}"
            );
        };
        let mut congestion = begun();
        rounds(&mut congestion, 10, short);
        assert_eq!(congestion.window(), MOST);
        // Nothing was lost: the ample allowance counts.
        rounds(&mut congestion, 10, long);
        held(&congestion, AMPLE);
        for lost in 1..6 {
            congestion.lost(Seq::new(100 * lost), Seq::new(100 * lost + 100));
        }
        assert_eq!(congestion.allowance, SCANTY);
        rounds(&mut congestion, PATIENT * 20, long);
        held(&congestion, SCANTY + 20 * u32::from(MTU));
        rounds(&mut congestion, PATIENT * 60, long);
        held(&congestion, AMPLE);
    }

    #[test]
    fn the_least_round_trip_is_forgotten() {
        let mut congestion = begun();
        let long = Duration::from_millis(10);
        congestion.measured(Instant::from_nanos(1), Duration::from_micros(100));
        let least = |congestion: &Congestion| congestion.least.into_iter().min();
        for seconds in 1..16 {
            congestion.measured(Instant::from_nanos(seconds * 1_000_000_000), long);
            assert_eq!(least(&congestion), Some(97), "{seconds}");
        }
        congestion.measured(Instant::from_nanos(17_000_000_000), long);
        assert_eq!(least(&congestion), Some(9765));
    }
}
