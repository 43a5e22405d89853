// SPDX-License-Identifier: MIT OR Apache-2.0

//! One line of a bench's table: ours beside a peer's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::{Key, Measurements};
use crate::stats::{digits, Spread};

/// What a ratio of ours to the peer's must be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Less is better, as with times.
    AtMost(f64),
    /// More is better, as with throughput.
    AtLeast(f64),
}

impl Wanted {
    /// Whether a ratio is as wanted.
    pub fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
            Self::AtLeast(limit) => ratio >= limit,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {limit}"),
            Self::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

/// What a row compares, before anything was measured.
#[derive(Clone, Debug)]
pub struct RowSpec {
    /// What the row is about.
    pub case: String,
    /// The unit of both.
    pub unit: &'static str,
    /// Ours.
    pub ours: Key,
    /// What it is held against.
    pub peer: Key,
    /// What ours divided by the peer's must be.
    pub wanted: Option<Wanted>,
}

/// What a row has to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What it is about.
    pub case: String,
    /// The unit of both.
    pub unit: String,
    /// Who ours is.
    pub ours: String,
    /// Who the peer is.
    pub peer: String,
    /// The middle of our rounds.
    pub ours_median: Option<f64>,
    /// The middle of the peer's rounds.
    pub peer_median: Option<f64>,
    /// The middle of the rounds' ratios of ours to the peer's.
    pub ratio: Option<f64>,
    /// What the ratio must be.
    pub wanted: Option<Wanted>,
    /// Whether it is; a ratio that there is none of is not.
    pub holds: Option<bool>,
    /// How far our rounds were apart.
    pub ours_spread: Option<Spread>,
    /// How far the peer's were.
    pub peer_spread: Option<Spread>,
    /// How far the ratios were.
    pub ratio_spread: Option<Spread>,
    /// What each of our rounds gave.
    pub ours_rounds: Vec<f64>,
    /// What each of the peer's gave.
    pub peer_rounds: Vec<f64>,
}

impl Row {
    /// The row of what was measured.
    pub fn of(spec: &RowSpec, all: &Measurements) -> Self {
        let (ours, peer) = (all.rounds(&spec.ours), all.rounds(&spec.peer));
        let pairs = all.pairs(&spec.ours, &spec.peer);
        let ratios = Spread::of(pairs.into_iter().map(|(ours, peer)| ours / peer))
            .filter(|ratios| ratios.median.is_finite());
        let ratio = ratios.map(|ratios| ratios.median);
        let (ours_spread, peer_spread) = (
            Spread::of(ours.iter().copied()),
            Spread::of(peer.iter().copied()),
        );
        Self {
            case: spec.case.clone(),
            unit: spec.unit.into(),
            ours: spec.ours.who.clone(),
            peer: spec.peer.who.clone(),
            ours_median: ours_spread.map(|spread| spread.median),
            peer_median: peer_spread.map(|spread| spread.median),
            ratio,
            wanted: spec.wanted,
            holds: spec
                .wanted
                .map(|wanted| ratio.is_some_and(|ratio| wanted.holds(ratio))),
            ours_spread,
            peer_spread,
            ratio_spread: ratios,
            ours_rounds: ours,
            peer_rounds: peer,
        }
    }

    /// Whether a wanted ratio is missed.
    pub fn missed(&self) -> bool {
        self.holds == Some(false)
    }

    /// Who of the two was never measured.
    pub fn absent(&self) -> Vec<&str> {
        let mut absent = Vec::new();
        absent.extend(self.ours_median.is_none().then_some(self.ours.as_str()));
        absent.extend(self.peer_median.is_none().then_some(self.peer.as_str()));
        absent
    }

    /// In one line: what it is, and what was wanted.
    pub fn verdict(&self) -> String {
        let ratio = self.ratio.map_or("none".into(), digits);
        let wanted = self.wanted.map_or("-".into(), |wanted| wanted.to_string());
        let (case, ours, peer) = (&self.case, &self.ours, &self.peer);
        format!("{case}: {ours} / {peer} is {ratio}, wanted {wanted}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wanted: Option<Wanted>, rounds: &[(f64, f64)]) -> Row {
        let (ours, peer) = (Key::new("rtt", "CM"), Key::new("rtt", "TCP"));
        let mut all = Measurements::default();
        for (round, (a, b)) in rounds.iter().enumerate() {
            all.record(round, ours.clone(), Ok(*a));
            all.record(round, peer.clone(), Ok(*b));
        }
        let spec = RowSpec {
            case: "rtt".into(),
            unit: "µs",
            ours,
            peer,
            wanted,
        };
        Row::of(&spec, &all)
    }

    #[test]
    fn the_ratio_is_ours_to_the_peers_pair_by_pair() {
        // The ratio of the medians would be 20 / 80.
        let rounds = [(10.0, 20.0), (20.0, 80.0), (30.0, 90.0)];
        let row = row(None, &rounds);
        assert_eq!(row.ratio, Some(1.0 / 3.0));
        assert_eq!((row.ours_median, row.peer_median), (Some(20.0), Some(80.0)));
        assert_eq!(row.holds, None);
        assert!(!row.missed());
    }

    #[test]
    fn less_time_and_more_throughput_are_better() {
        let faster = [(1.0, 2.0)];
        assert_eq!(row(Some(Wanted::AtMost(0.5)), &faster).holds, Some(true));
        assert_eq!(row(Some(Wanted::AtMost(0.49)), &faster).holds, Some(false));
        assert!(row(Some(Wanted::AtLeast(1.0)), &faster).missed());
        assert!(!row(Some(Wanted::AtLeast(1.0)), &[(2.0, 1.0)]).missed());
    }

    #[test]
    fn a_wanted_ratio_that_there_is_none_of_is_missed() {
        let row = row(Some(Wanted::AtMost(0.5)), &[]);
        assert_eq!((row.ratio, row.holds), (None, Some(false)));
        assert_eq!(row.absent(), ["CM", "TCP"]);
        let divided = self::row(Some(Wanted::AtLeast(0.5)), &[(1.0, 0.0)]);
        assert!(divided.missed(), "a ratio to nothing is none");
    }

    #[test]
    fn a_verdict_says_all() {
        let row = row(Some(Wanted::AtMost(0.5)), &[(3.0, 4.0)]);
        assert_eq!(row.verdict(), "rtt: CM / TCP is 0.750, wanted ≤ 0.5");
    }
}
