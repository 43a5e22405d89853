// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report of a run of a bench: `target/bench/NAME.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, FigureSpec};
use crate::machine::Machine;
use crate::measure::{Failure, Measurements};
use crate::paper_table::{Table, TableSpec};
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
    /// The paper's tables.
    #[serde(default)]
    pub tables: Vec<Table>,
    /// What could not be measured.
    pub failures: Vec<Failure>,
}

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The table of ours beside peers'.
    pub rows: Vec<RowSpec>,
    /// The figures.
    pub figures: Vec<FigureSpec>,
    /// The paper's tables.
    pub tables: Vec<TableSpec>,
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
    /// The report of what was measured. What is to be shown and nobody measured is a failure.
    pub fn of(about: About, shown: &Shown, all: &Measurements) -> Self {
        let Shown {
            rows,
            figures,
            tables,
        } = shown;
        let mut failures = all.failures().to_vec();
        let rows: Vec<_> = rows.iter().map(|spec| Row::of(spec, all)).collect();
        let absent = rows.iter().flat_map(|row| {
            row.absent()
                .into_iter()
                .map(|who| format!("{} of {who}", row.case))
        });
        let absent = absent
            .chain(figures.iter().flat_map(|spec| Figure::absent(spec, all)))
            .chain(tables.iter().flat_map(|spec| Table::absent(spec, all)));
        let mut absent: Vec<_> = absent.collect();
        absent.sort();
        absent.dedup();
        failures.extend(absent.into_iter().map(|what| Failure {
            // Counted from 0: the last one's end.
            round: about.rounds.saturating_sub(1),
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
            tables: tables.iter().map(|spec| Table::of(spec, all)).collect(),
            failures,
        }
    }

    /// What could not be measured, for which no run may pass.
    pub fn failed(&self) -> Vec<String> {
        let failures = self.failures.iter();
        failures
            .map(|failure| {
                let Failure { round, what, why } = failure;
                format!("{what} (round {}): {why}", round + 1)
            })
            .collect()
    }

    /// The rows whose wanted ratio was missed.
    pub fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| row.missed());
        missed.map(Row::verdict).collect()
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text =
            serde_json::to_string_pretty(self).context("cannot put the report into JSON")?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads what [`Report::write`] wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("cannot parse {}", path.display()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::figure;
    use crate::measure::Key;
    use crate::paper_table;
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

    fn only(rows: Vec<RowSpec>) -> Shown {
        Shown {
            rows,
            ..Shown::default()
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
        let shown = Shown {
            rows: vec![
                row("TCP", Wanted::AtMost(0.5)),
                row("TCP", Wanted::AtMost(0.4)),
            ],
            figures: vec![figure::tests::spec()],
            tables: vec![paper_table::tests::spec()],
        };
        let mut all = measured();
        all.record(0, Key::new("open", "PDFS open"), Ok(2.0));
        all.record(0, Key::new("open", "NFSv4.2"), Ok(4.0));
        Report::of(about(), &shown, &all)
    }

    #[test]
    fn a_missed_ratio_is_no_failure() {
        let report = example();
        assert_eq!(report.failed(), [""; 0]);
        assert_eq!(
            report.missed(),
            ["round trip: CM / TCP is 0.500, wanted ≤ 0.4"]
        );
    }

    #[test]
    fn what_holds_is_not_missed() {
        let rows = vec![row("TCP", Wanted::AtMost(0.5))];
        let report = Report::of(about(), &only(rows), &measured());
        assert_eq!(report.missed(), [""; 0]);
    }

    #[test]
    fn a_peer_that_failed_is_a_failure() {
        let mut all = measured();
        let rows = vec![row("TCP", Wanted::AtMost(0.5))];
        all.record(
            1,
            Key::new("rtt", "TCP"),
            Err(anyhow!("connection refused")),
        );
        let report = Report::of(about(), &only(rows), &all);
        assert_eq!(
            report.failed(),
            ["rtt of TCP (round 2): connection refused"]
        );
    }

    #[test]
    fn a_peer_that_never_ran_is_no_blank() {
        let rows = vec![row("TIPC", Wanted::AtMost(2.0))];
        let report = Report::of(about(), &only(rows), &measured());
        let (failed, missed) = (report.failed(), report.missed());
        assert!(failed[0].starts_with("round trip of TIPC"), "{failed:?}");
        assert!(missed[0].contains("is none"), "{missed:?}");
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
        assert_eq!(json["tables"][0]["lines"][0]["ratio"]["median"], 0.5);
    }
}
