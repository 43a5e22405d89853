// SPDX-License-Identifier: MIT OR Apache-2.0

//! Times of one thing done again and again.

use std::time::Duration;

use crate::report::say;

/// Sets of which the slowest and the fastest are left out.
const SETS: usize = 10;

/// Times in nanoseconds.
#[derive(Debug, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    /// Room for so many: no allocation falls into what is measured.
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub fn add(&mut self, time: Duration) {
        self.0.push(time.as_nanos() as u64);
    }

    /// `count=`, and if there is any, `min_ns=`, `median_ns=`, `mean_ns=`, `p99_ns=`, `max_ns=`, and
    /// `sets_ns=`: see [`Samples::sets`].
    pub fn say(&mut self) {
        say("count", self.0.len());
        if let Some(sets) = self.sets() {
            say("sets_ns", sets);
        }
        self.0.sort_unstable();
        let (Some(min), Some(max), Some(mean)) = (self.0.first(), self.0.last(), self.mean())
        else {
            return;
        };
        say("min_ns", min);
        say("median_ns", self.quantile(50));
        say("mean_ns", mean);
        say("p99_ns", self.quantile(99));
        say("max_ns", max);
    }

    /// `NAME_median_ns=` and `NAME_mean_ns=`; of none, nothing.
    pub fn say_as(&mut self, name: &str) {
        self.0.sort_unstable();
        if let Some(mean) = self.mean() {
            say(&format!("{name}_median_ns"), self.quantile(50));
            say(&format!("{name}_mean_ns"), mean);
        }
    }

    fn mean(&self) -> Option<u64> {
        self.0.iter().sum::<u64>().checked_div(self.0.len() as u64)
    }

    /// The paper's own measure (section 3.4): of ten sets, one after the other, the slowest and the
    /// fastest are left out, and the mean is taken of the others.
    fn sets(&self) -> Option<u64> {
        let size = self.0.len() / SETS;
        if size == 0 {
            return None;
        }
        let mean = |set: &[u64]| set.iter().sum::<u64>() / set.len() as u64;
        let mut means: Vec<_> = self.0.chunks_exact(size).take(SETS).map(mean).collect();
        means.sort_unstable();
        Some(mean(&means[1..SETS - 1]))
    }

    /// The least of the sorted times that so many percent of them do not exceed.
    fn quantile(&self, percent: usize) -> u64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_and_the_fastest_set_are_left_out() {
        let mut times = vec![100; 20];
        assert_eq!(Samples(times.clone()).sets(), Some(100));
        // One disturbance is in one set, wherever it is.
        times[7] = 1_000_000;
        assert_eq!(Samples(times.clone()).sets(), Some(100));
        times[8] = 260;
        assert_eq!(Samples(times).sets(), Some(110));
        assert_eq!(Samples(vec![1; 9]).sets(), None);
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let of = |times: &[u64], percent| Samples(times.to_vec()).quantile(percent);
        assert_eq!(of(&[7], 50), 7);
        assert_eq!(of(&[1, 2, 3], 50), 2);
        assert_eq!(of(&[1, 2, 3, 4], 50), 2);
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(of(&hundred, 99), 99);
        assert_eq!(of(&hundred[..10], 99), 10);
    }
}
