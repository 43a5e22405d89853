// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measurements: a number for each case, contestant and round.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// What is measured of whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What is measured, for example `round trip, 64 bytes`.
    pub case: String,
    /// Whose it is, for example `TCP`.
    pub who: String,
}

impl Key {
    /// `case` of `who`.
    pub fn new(case: impl Into<String>, who: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            who: who.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.case, self.who)
    }
}

/// Something that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The round, from 0.
    pub round: usize,
    /// What was to be measured, or done.
    pub what: String,
    /// Why it was not.
    pub why: String,
}

/// All numbers of a run, as they come in.
#[derive(Debug, Default)]
pub struct Measurements {
    values: BTreeMap<Key, BTreeMap<usize, f64>>,
    failures: Vec<Failure>,
}

impl Measurements {
    /// Takes what a measurement gave in a round.
    pub fn record(&mut self, round: usize, key: Key, measured: Result<f64>) {
        match measured {
            Ok(value) if value.is_finite() => {
                self.values.entry(key).or_default().insert(round, value);
            }
            Ok(value) => self.fail(round, &key, format!("measured {value}")),
            Err(error) => self.fail(round, &key, format!("{error:#}")),
        }
    }

    /// Takes note of something that failed.
    pub fn fail(&mut self, round: usize, what: impl fmt::Display, why: impl Into<String>) {
        self.failures.push(Failure {
            round,
            what: what.to_string(),
            why: why.into(),
        });
    }

    /// The values of the rounds that gave one, in the rounds' order.
    pub fn rounds(&self, key: &Key) -> Vec<f64> {
        let rounds = self.values.get(key);
        rounds
            .into_iter()
            .flat_map(|r| r.values().copied())
            .collect()
    }

    /// The values of `ours` and `peer` in the rounds that gave both.
    pub fn pairs(&self, ours: &Key, peer: &Key) -> Vec<(f64, f64)> {
        let (Some(ours), Some(peer)) = (self.values.get(ours), self.values.get(peer)) else {
            return Vec::new();
        };
        let pairs = ours
            .iter()
            .map(|(round, value)| Some((*value, *peer.get(round)?)));
        pairs.flatten().collect()
    }

    /// What failed.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn pairs_are_of_one_round() {
        let mut all = Measurements::default();
        let (ours, peer) = (Key::new("rtt", "CM"), Key::new("rtt", "TCP"));
        for (round, a, b) in [(0, 1.0, 10.0), (1, 2.0, 20.0), (2, 3.0, 30.0)] {
            all.record(round, ours.clone(), Ok(a));
            if round != 1 {
                all.record(round, peer.clone(), Ok(b));
            }
        }
        assert_eq!(all.pairs(&ours, &peer), [(1.0, 10.0), (3.0, 30.0)]);
        assert_eq!(all.rounds(&ours), [1.0, 2.0, 3.0]);
        assert!(all.pairs(&ours, &Key::new("rtt", "UDP")).is_empty());
    }

    #[test]
    fn what_is_no_number_is_a_failure() {
        let mut all = Measurements::default();
        let key = Key::new("rtt", "TCP");
        all.record(3, key.clone(), Err(anyhow!("no route")));
        all.record(4, key.clone(), Ok(f64::NAN));
        assert!(all.rounds(&key).is_empty());
        let failures = all.failures();
        assert_eq!(failures[0].what, "rtt of TCP");
        assert_eq!(
            (failures[0].round, failures[0].why.as_str()),
            (3, "no route")
        );
        assert_eq!(
            (failures[1].round, failures[1].why.as_str()),
            (4, "measured NaN")
        );
    }
}
