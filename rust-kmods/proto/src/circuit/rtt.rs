// SPDX-License-Identifier: GPL-2.0-only

//! How long an answer takes (RFC 6298, in nanoseconds).

use super::Config;
use crate::time::{nanos, Duration};

/// Doublings of the time-out that are looked at; the greatest time-out ends it before.
const MAX_BACKOFF: u32 = 16;

/// Smoothed round-trip time and its variation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    smoothed: Option<u64>,
    variation: u64,
    initial: u64,
    min: u64,
    max: u64,
    max_backoff: u64,
}

impl Rtt {
    pub(super) fn new(cfg: &Config) -> Self {
        Self {
            smoothed: None,
            variation: 0,
            initial: nanos(cfg.initial_rto),
            min: nanos(cfg.min_rto),
            max: nanos(cfg.max_rto),
            max_backoff: nanos(cfg.max_backoff),
        }
    }

    /// The smoothed round-trip time, once one was measured.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(Duration::from_nanos)
    }

    /// Takes note of what other circuits measured over the rail that this one uses, in
    /// microseconds; 0 if nobody did. It counts until this one has measured for itself.
    pub(super) fn expect(&mut self, rtt_us: u32) {
        if rtt_us != 0 {
            // The first time-out after a measurement of this length.
            // A window that is sent at once makes a queue, which lets the first answers wait.
            let expected = (u64::from(rtt_us) * 3_000).max(3 * self.min);
            self.initial = self.initial.min(expected.max(self.min));
        }
    }

    /// Takes a measured round trip in.
    pub(super) fn sample(&mut self, round_trip: Duration) {
        // A longer one says no more, and keeps the sums below far from their ends.
        let sample = nanos(round_trip).min(self.max);
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation =
                    self.variation - self.variation / 4 + smoothed.abs_diff(sample) / 4;
                self.smoothed = Some(smoothed - smoothed / 8 + sample / 8);
            }
        }
    }

    /// The retransmission time-out after `backoff` time-outs in a row.
    pub(super) fn timeout(&self, backoff: u32) -> Duration {
        let once = match self.smoothed {
            None => self.initial,
            Some(smoothed) => smoothed.saturating_add(self.variation.saturating_mul(4)),
        };
        let once = once.max(self.min);
        let doubled = once.saturating_mul(1 << backoff.min(MAX_BACKOFF));
        let most = self.max_backoff.max(once).min(self.max);
        Duration::from_nanos(doubled.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_follows_the_round_trips() {
        let cfg = Config::default();
        let mut rtt = Rtt::new(&cfg);
        assert_eq!(rtt.timeout(0), cfg.initial_rto);
        assert_eq!(rtt.timeout(1), cfg.initial_rto.max(cfg.max_backoff));
        rtt.sample(Duration::from_millis(40));
        assert_eq!(rtt.timeout(0), Duration::from_millis(120));
        for _ in 0..200 {
            rtt.sample(Duration::from_micros(100));
        }
        assert_eq!(rtt.timeout(0), cfg.min_rto);
        assert_eq!(rtt.timeout(2), cfg.min_rto * 4);
        assert_eq!(rtt.timeout(9), cfg.max_backoff);
    }

    #[test]
    fn what_others_measured_shortens_the_first_time_out() {
        let cfg = Config::default();
        let mut rtt = Rtt::new(&cfg);
        rtt.expect(0);
        rtt.expect(u32::MAX);
        assert_eq!(rtt.timeout(0), cfg.initial_rto);
        rtt.expect(25_000);
        assert_eq!(rtt.timeout(0), Duration::from_millis(75));
        rtt.expect(1);
        assert_eq!((rtt.timeout(0), rtt.smoothed()), (3 * cfg.min_rto, None));
    }

    #[test]
    fn no_sample_leads_out_of_range() {
        let cfg = Config::default();
        let mut rtt = Rtt::new(&cfg);
        for sample in [Duration::ZERO, Duration::MAX, Duration::MAX, Duration::ZERO] {
            rtt.sample(sample);
            for backoff in [0, 1, 16, u32::MAX] {
                assert!((cfg.min_rto..=cfg.max_rto).contains(&rtt.timeout(backoff)));
            }
        }
    }
}
