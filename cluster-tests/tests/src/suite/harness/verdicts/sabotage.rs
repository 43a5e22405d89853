// SPDX-License-Identifier: MIT OR Apache-2.0

//! What nodes have broken: a file, frames, a process. The same tests pass where nothing is.

use anyhow::{ensure, Result};
use podos_harness::{Chance, Faults, Selector};

use super::nested::{real, Nested, Red};
use super::PAIR;
use crate::support::Lab;
use crate::test::Test;

const READS_FILES: &str = "names.every_node_from_every_node";
const TALKS: &str = "gipc.records_tell_streams_apart";
const RUNS_A_PROGRAM: &str = "gipc.8_mib_of_output";

/// A test passes, and fails under sabotage; how.
fn is_red(lab: &Lab<'_>, name: &str, sabotaged: fn(&Lab<'_>) -> Result<()>) -> Result<Red> {
    let good = Test {
        setting: PAIR,
        ..real(name)?
    };
    let bad = Test {
        run: sabotaged,
        ..good
    };
    let mut nested = Nested::begin(lab, false, &[good])?;
    nested.green(good)?;
    let red = nested.red(bad)?;
    let words = nested.end()?;
    let replay = words.iter().any(|line| line.contains(&red.failure.replay));
    ensure!(replay, "no replay in {words:?}");
    Ok(red)
}

pub fn file(lab: &Lab<'_>) -> Result<()> {
    let red = is_red(lab, READS_FILES, |lab| {
        lab.node(2)?.sh("echo mallory > /etc/hostname")?;
        (real(READS_FILES)?.run)(lab)
    })?;
    red.is_because("found \"mallory\", expected \"linus2\"")
}

pub fn frames(lab: &Lab<'_>) -> Result<()> {
    let red = is_red(lab, TALKS, |lab| {
        let broken = Faults {
            corruption: Chance::ALWAYS,
            only_podos: true,
            ..Faults::default()
        };
        lab.switch()?.set(Selector::ALL, broken)?;
        (real(TALKS)?.run)(lab)
    })?;
    red.is_because("tool gipc /linus2")?;
    red.tells(&["FAULT: frames", "podos-testtool gipc /linus2"])
}

pub fn process(lab: &Lab<'_>) -> Result<()> {
    let red = is_red(lab, RUNS_A_PROGRAM, |lab| {
        // The program that the test runs there.
        let killer = "until killall -9 cat 2> /dev/null; do :; done";
        let two = lab.node(2)?.harness();
        let _killer = two.command("sh").args(["-c", killer]).spawn()?;
        (real(RUNS_A_PROGRAM)?.run)(lab)
    })?;
    red.is_because("tool gipc /linus2")
}
