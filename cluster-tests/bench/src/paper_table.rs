// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tables of the paper, with what was measured here beside its numbers.

use serde::{Deserialize, Serialize};

use crate::measure::{Key, Measurements};
use crate::stats::Spread;

/// A table before anything was measured.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name in files, for example `table-4`.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The unit of all its numbers.
    pub unit: &'static str,
    /// Who is ours: in the paper, and here.
    pub ours: Whose,
    /// Who is the peer.
    pub peer: Whose,
    /// Its lines.
    pub lines: Vec<LineSpec>,
}

/// Whose numbers a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// In the paper.
    pub paper: &'static str,
    /// Here.
    pub here: &'static str,
}

/// A line before anything was measured.
#[derive(Clone, Debug)]
pub struct LineSpec {
    /// What was timed.
    pub what: &'static str,
    /// The paper's number of ours, then of the peer.
    pub paper: (f64, f64),
    /// What is measured of ours here.
    pub ours: Key,
    /// What is measured of the peer.
    pub peer: Key,
}

/// A table as it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its name in files.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The unit of all its numbers.
    pub unit: String,
    /// Who is ours: in the paper, and here.
    pub ours: (String, String),
    /// Who is the peer.
    pub peer: (String, String),
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was timed.
    pub what: String,
    /// The paper's number of ours.
    pub paper_ours: f64,
    /// The paper's number of the peer.
    pub paper_peer: f64,
    /// The paper's ratio of ours to the peer's.
    pub paper_ratio: f64,
    /// Ours here.
    pub ours: Option<Spread>,
    /// The peer's here.
    pub peer: Option<Spread>,
    /// The rounds' ratios here.
    pub ratio: Option<Spread>,
}

impl Table {
    /// The table of what was measured; what nobody measured is named by [`Table::absent`].
    pub fn of(spec: &TableSpec, all: &Measurements) -> Self {
        let both = |whose: Whose| (whose.paper.into(), whose.here.into());
        Self {
            name: spec.name.into(),
            title: spec.title.into(),
            unit: spec.unit.into(),
            ours: both(spec.ours),
            peer: both(spec.peer),
            lines: spec.lines.iter().map(|line| Line::of(line, all)).collect(),
        }
    }

    /// What was never measured.
    pub fn absent(spec: &TableSpec, all: &Measurements) -> Vec<String> {
        let keys = spec.lines.iter().flat_map(|line| [&line.ours, &line.peer]);
        keys.filter(|key| all.rounds(key).is_empty())
            .map(Key::to_string)
            .collect()
    }
}

impl Line {
    fn of(spec: &LineSpec, all: &Measurements) -> Self {
        let (paper_ours, paper_peer) = spec.paper;
        let pairs = all.pairs(&spec.ours, &spec.peer);
        Self {
            what: spec.what.into(),
            paper_ours,
            paper_peer,
            paper_ratio: paper_ours / paper_peer,
            ours: Spread::of(all.rounds(&spec.ours)),
            peer: Spread::of(all.rounds(&spec.peer)),
            ratio: Spread::of(pairs.into_iter().map(|(ours, peer)| ours / peer)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One line, which a peer wins.
    pub fn spec() -> TableSpec {
        TableSpec {
            name: "table-4",
            title: "Table 4: system calls",
            unit: "ms",
            ours: Whose {
                paper: "PDFS",
                here: "PDFS open",
            },
            peer: Whose {
                paper: "NFS",
                here: "NFSv4.2",
            },
            lines: vec![LineSpec {
                what: "open",
                paper: (1.5, 2.5),
                ours: Key::new("open", "PDFS open"),
                peer: Key::new("open", "NFSv4.2"),
            }],
        }
    }

    #[test]
    fn the_papers_numbers_stand_beside_those_here() {
        let mut all = Measurements::default();
        for (round, ours, peer) in [(0, 2.0, 1.0), (1, 3.0, 1.0), (2, 4.0, 1.0)] {
            all.record(round, Key::new("open", "PDFS open"), Ok(ours));
            all.record(round, Key::new("open", "NFSv4.2"), Ok(peer));
        }
        let line = &Table::of(&spec(), &all).lines[0];
        assert_eq!(line.paper_ratio, 0.6);
        assert_eq!(line.ratio.unwrap().median, 3.0);
        assert!(Table::absent(&spec(), &all).is_empty());
    }

    #[test]
    fn what_nobody_measured_is_named() {
        let none = Measurements::default();
        assert_eq!(
            Table::absent(&spec(), &none),
            ["open of PDFS open", "open of NFSv4.2"]
        );
        assert_eq!(Table::of(&spec(), &none).lines[0].ratio, None);
    }
}
