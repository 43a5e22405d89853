// SPDX-License-Identifier: MIT OR Apache-2.0

//! Four nodes, random work through all of them, a model of what must hold, and a nemesis.

mod content;
mod files;
mod guest;
mod inspect;
mod ledger;
mod locks;
mod progress;
mod run;
mod weather;
mod worker;

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::nemesis::{Kind, Nemesis, Strand};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SOAK};
use run::{Soak, Until};

pub const TESTS: &[Test] = &[
    Test {
        name: "soak.four_nodes_under_a_nemesis",
        setting: SOAK,
        // The time of the workload is not scaled, but that of the boots and calls in it is.
        limit: Some(Duration::from_secs(120)),
        run: under_a_nemesis,
    },
    Test {
        name: "soak.a_file_broken_behind_its_back_is_found",
        setting: SOAK,
        limit: None,
        run: broken_file,
    },
];

/// How long the workload goes on if nobody says so.
const SHORT: Duration = Duration::from_secs(25);

/// Faults of nodes one after the other, and beside them faults of the network and those that
/// nobody may feel.
fn nemesis(seed: u64) -> Nemesis {
    let nodes = [
        (Kind::Kill, 4),
        (Kind::Reset, 2),
        (Kind::Panic, 2),
        (Kind::PowerOff, 1),
        (Kind::Pause, 4),
        (Kind::Memory, 2),
    ];
    let rails = [
        (Kind::Carrier, 3),
        (Kind::Cut, 3),
        (Kind::Loss, 3),
        (Kind::Noise, 3),
        (Kind::Slow, 2),
        (Kind::Partition, 2),
    ];
    let quiet = [(Kind::Clock, 3), (Kind::Disk, 2)];
    Nemesis::new(seed)
        .with(Strand::of(nodes).every(40..=120).lasting(20..=80))
        .with(Strand::of(rails).every(20..=80).lasting(20..=80))
        .with(Strand::of(quiet).every(60..=160).lasting(20..=60))
        .filling(weather::FOLDER)
}

fn under_a_nemesis(lab: &Lab<'_>) -> Result<()> {
    let time = match lab.terms().minutes {
        Some(minutes) => Duration::from_secs(60 * u64::from(minutes)),
        None => SHORT,
    };
    let soak = Soak {
        seed: lab.seed(),
        until: Until::Time(time),
        nemesis: Some(nemesis(lab.seed())),
        sabotage: false,
    };
    let report = soak.run(lab)?;
    println!("{report}");
    ensure!(report.violations.is_empty(), "{report}");
    ensure!(report.operations.total() > 0, "nothing was done: {report}");
    Ok(())
}

/// A model that finds nothing proves nothing.
fn broken_file(lab: &Lab<'_>) -> Result<()> {
    let soak = Soak {
        seed: lab.seed(),
        until: Until::Operations(60),
        nemesis: None,
        sabotage: true,
    };
    let report = soak.run(lab)?;
    // By each of the nodes that looked, and nothing else.
    ensure_eq!(report.violations.len(), lab.nodes().len(), "{report}");
    let broken = report
        .violations
        .iter()
        .all(|what| what.contains(": byte "));
    ensure!(broken, "not the broken file was found: {report}");
    Ok(())
}
