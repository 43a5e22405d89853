// SPDX-License-Identifier: GPL-2.0-only

//! The group that spreads a circuit over all rails.

use super::{Arrival, InFlight, PerRail, RailId, RailView, TransmissionGroup, MAX_RAILS};

/// The frames of one circuit over all rails at once, each over the one on which it will arrive
/// first.
///
/// What is before a frame on a rail are the bytes that the circuit has under way there, and those
/// that the node has queued there. (Some may be both. That is so on all rails, and counting them
/// once would need a look at the queues for every frame.) They are weighed by the rate at which the
/// circuit's frames came through lately, so that rails of the same speed carry the same, a slow one
/// carries less, and one that others fill is spared: what a slow rail holds back would keep the
/// window shut for all.
#[derive(Clone, Copy, Debug)]
pub struct Stripe {
    paces: PerRail<Pace>,
    /// Where to look first, so that rails with the same load take turns.
    next: u8,
}

/// How fast one rail is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Bytes in 1024 us; 0 before there was a measurement.
    rate: u32,
    /// The shortest round trip in microseconds; 0 before there was one.
    least_rtt_us: u32,
    /// Since when arrivals are counted, in microseconds; they are not if unset.
    since_us: Option<u32>,
    /// Bytes that arrived since.
    bytes: u32,
    /// The longest round trip since, in microseconds.
    most_rtt_us: u32,
}

/// Least time over which arrivals make a rate, in microseconds: acknowledgements tell of several
/// frames at once.
const SPAN_US: u32 = 2_000;
/// Bytes that must arrive in it.
const SPAN_BYTES: u32 = 4 * 1024;

impl Stripe {
    /// For a new circuit.
    pub const fn new() -> Self {
        Self {
            paces: PerRail::new([Pace::UNKNOWN; MAX_RAILS]),
            next: 0,
        }
    }

    /// What a rail that was never measured is taken to be.
    fn fastest(&self) -> u32 {
        let rates = self.paces.values().iter().map(|pace| pace.rate);
        rates.max().unwrap_or(0).max(1)
    }
}

impl Default for Stripe {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    const UNKNOWN: Pace = Pace {
        rate: 0,
        least_rtt_us: 0,
        since_us: None,
        bytes: 0,
        most_rtt_us: 0,
    };

    fn count(&mut self, arrival: &Arrival) {
        if let Some(rtt_us) = arrival.rtt_us {
            self.most_rtt_us = self.most_rtt_us.max(rtt_us);
            if self.least_rtt_us == 0 || rtt_us < self.least_rtt_us {
                self.least_rtt_us = rtt_us.max(1);
            }
        }
        let Some(since_us) = self.since_us else {
            self.restart(arrival);
            return;
        };
        self.bytes = self.bytes.saturating_add(arrival.bytes);
        let span_us = arrival.now_us.wrapping_sub(since_us);
        if span_us >= SPAN_US && self.bytes >= SPAN_BYTES {
            let rate = (u64::from(self.bytes) << 10) / u64::from(span_us);
            self.judge(u32::try_from(rate).unwrap_or(u32::MAX));
            self.restart(arrival);
        } else if arrival.was_last {
            self.restart(arrival);
        }
    }

    /// Takes a measured rate in. The rail is as fast at least; it is no faster only if frames had to
    /// wait, else there was just no more to carry.
    fn judge(&mut self, rate: u32) {
        let waited = self.most_rtt_us / 2 > self.least_rtt_us;
        if rate > self.rate || waited {
            let change = i64::from(rate) - i64::from(self.rate);
            let step = if self.rate == 0 { change } else { change / 4 };
            self.rate = (i64::from(self.rate) + step).clamp(1, i64::from(u32::MAX)) as u32;
        }
    }

    /// Counts from this arrival on, unless nothing is left that could follow it.
    fn restart(&mut self, arrival: &Arrival) {
        self.since_us = (!arrival.was_last).then_some(arrival.now_us);
        self.bytes = 0;
        self.most_rtt_us = 0;
    }
}

impl TransmissionGroup for Stripe {
    fn elect(&mut self, rails: &RailView, own: &InFlight, bytes: usize) -> Option<RailId> {
        let next = usize::from(self.next);
        let fastest = self.fastest();
        let turn = |rail: RailId| rail.index().wrapping_sub(next) % MAX_RAILS;
        let time = |rail: RailId, queued: u32| {
            let load = u64::from(own.on(rail)) + u64::from(queued) + bytes as u64;
            let rate = match self.paces[rail].rate {
                0 => fastest,
                rate => rate,
            };
            (load << 20) / u64::from(rate)
        };
        let (rail, _) = rails
            .iter()
            .min_by_key(|(rail, status)| (time(*rail, status.queued_bytes), turn(*rail)))?;
        self.next = ((rail.index() + 1) % MAX_RAILS) as u8;
        Some(rail)
    }

    fn arrived(&mut self, arrival: &Arrival) {
        self.paces[arrival.rail].count(arrival);
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        rails.least_room()
    }
}
