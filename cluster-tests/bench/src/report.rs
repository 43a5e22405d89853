// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a run of a bench found out; `target/bench/NAME.json` is this.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, FigureSpec};
use crate::machine::Machine;
use crate::measure::{Failure, Measurements};
use crate::row::{Row, RowSpec};

/// A run of a bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The bench's name.
    pub bench: String,
    /// Whether it was the short form, whose numbers prove that it runs and not much more.
    pub quick: bool,
    /// Rounds that were run.
    pub rounds: usize,
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub versions: BTreeMap<String, String>,
    /// How it was measured, as far as the numbers need it to be understood.
    pub notes: Vec<String>,
    /// The table.
    pub rows: Vec<Row>,
    /// The figures.
    pub figures: Vec<Figure>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
}

/// What is needed besides the numbers.
#[derive(Clone, Debug)]
pub struct About {
    /// The bench's name.
    pub bench: String,
    /// Whether it was the short form.
    pub quick: bool,
    /// Rounds that were run.
    pub rounds: usize,
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub versions: BTreeMap<String, String>,
    /// How it was measured.
    pub notes: Vec<String>,
}

impl Report {
    /// The report of what was measured. What a row or figure needs and nobody measured is a
    /// failure.
    pub fn of(about: About, rows: &[RowSpec], figures: &[FigureSpec], all: &Measurements) -> Self {
        let mut failures = all.failures().to_vec();
        let rows: Vec<_> = rows.iter().map(|spec| Row::of(spec, all)).collect();
        let absent = rows.iter().flat_map(|row| {
            row.absent()
                .into_iter()
                .map(|who| format!("{} of {who}", row.case))
        });
        let absent = absent.chain(figures.iter().flat_map(|spec| Figure::absent(spec, all)));
        let mut absent: Vec<_> = absent.collect();
        absent.sort();
        absent.dedup();
        failures.extend(absent.into_iter().map(|what| Failure {
            round: about.rounds,
            what,
            why: "never measured".into(),
        }));
        Self {
            bench: about.bench,
            quick: about.quick,
            rounds: about.rounds,
            machine: about.machine,
            versions: about.versions,
            notes: about.notes,
            rows,
            figures: figures.iter().map(|spec| Figure::of(spec, all)).collect(),
            failures,
        }
    }

    /// Why this run must not pass: always what failed, and with `check` also what was missed.
    pub fn complaints(&self, check: bool) -> Vec<String> {
        let failed = self.failures.iter().map(|failure| {
            let Failure { round, what, why } = failure;
            format!("{what} (round {}): {why}", round + 1)
        });
        let missed = self.rows.iter().filter(|row| check && row.missed());
        failed
            .chain(missed.map(|row| format!("missed: {}", row.verdict())))
            .collect()
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("the report as JSON")?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Reads what [`Report::write`] wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::figure;
    use crate::measure::Key;
    use crate::row::Wanted;

    fn about() -> About {
        About {
            bench: "cm".into(),
            quick: false,
            rounds: 2,
            machine: Machine::example(),
            versions: BTreeMap::from([("kernel of the nodes".into(), "7.3.4".into())]),
            notes: vec!["one note".into()],
        }
    }

    fn row(peer: &str, wanted: Wanted) -> RowSpec {
        RowSpec {
            case: "round trip".into(),
            unit: "µs",
            ours: Key::new("rtt", "CM"),
            peer: Key::new("rtt", peer),
            wanted: Some(wanted),
        }
    }

    /// CM is twice as fast as TCP.
    fn measured() -> Measurements {
        let mut all = figure::tests::measured();
        for round in 0..2 {
            all.record(round, Key::new("rtt", "CM"), Ok(100.0));
            all.record(round, Key::new("rtt", "TCP"), Ok(200.0));
        }
        all
    }

    /// A report with a row that holds and one that does not.
    pub fn example() -> Report {
        let rows = [
            row("TCP", Wanted::AtMost(0.5)),
            row("TCP", Wanted::AtMost(0.4)),
        ];
        Report::of(about(), &rows, &[figure::tests::spec()], &measured())
    }

    #[test]
    fn a_missed_ratio_fails_only_a_check() {
        let report = example();
        assert_eq!(report.complaints(false), [""; 0]);
        assert_eq!(
            report.complaints(true),
            ["missed: round trip: CM / TCP is 0.500, wanted ≤ 0.4"]
        );
    }

    #[test]
    fn what_holds_passes_the_check() {
        let rows = [row("TCP", Wanted::AtMost(0.5))];
        let report = Report::of(about(), &rows, &[], &measured());
        assert_eq!(report.complaints(true), [""; 0]);
    }

    #[test]
    fn a_peer_that_failed_fails_the_bench_without_a_check() {
        let mut all = measured();
        let rows = [row("TCP", Wanted::AtMost(0.5))];
        all.record(
            1,
            Key::new("rtt", "TCP"),
            Err(anyhow!("connection refused")),
        );
        let report = Report::of(about(), &rows, &[], &all);
        assert_eq!(
            report.complaints(false),
            ["rtt of TCP (round 2): connection refused"]
        );
    }

    #[test]
    fn a_peer_that_never_ran_is_no_blank() {
        let rows = [row("TIPC", Wanted::AtMost(2.0))];
        let report = Report::of(about(), &rows, &[], &measured());
        let complaints = report.complaints(true);
        assert!(
            complaints[0].starts_with("round trip of TIPC"),
            "{complaints:?}"
        );
        assert!(complaints[1].starts_with("missed: "), "{complaints:?}");
    }

    #[test]
    fn json_comes_back_as_it_went() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cm.json");
        let report = example();
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let row = &json["rows"][1];
        assert_eq!(row["case"], "round trip");
        assert_eq!(row["unit"], "µs");
        assert_eq!(row["ours_median"], 100.0);
        assert_eq!(row["peer_median"], 200.0);
        assert_eq!(row["ratio"], 0.5);
        assert_eq!(row["wanted"]["at_most"], 0.4);
        assert_eq!(row["holds"], false);
        assert_eq!(json["figures"][0]["series"][0]["points"][1]["x"], 30.0);
    }
}
