// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hung tests and nodes: their task stacks are recorded, then they are killed.

use std::thread;
use std::time::Duration;

use anyhow::{ensure, Result};

use super::nested::Nested;
use super::PAIR;
use crate::support::Lab;
use crate::test::Test;

/// A limit that passes soon.
const SOON: Option<Duration> = Some(Duration::from_secs(1));

/// Longer than any test may take.
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// A test that ends by nothing at all: each step of its end is seen.
pub fn test(lab: &Lab<'_>) -> Result<()> {
    let hangs = Test {
        name: "nested.hangs",
        setting: PAIR,
        limit: SOON,
        run: |lab| {
            let sleep = lab.node(1)?.harness().command("sleep").arg("86407");
            sleep.limit(FOR_EVER).run()?;
            loop {
                thread::park();
            }
        },
    };
    let passes = Test {
        name: "nested.passes",
        limit: None,
        run: |lab| lab.node(2)?.sh("true").map(drop),
        ..hangs
    };
    let mut nested = Nested::begin(lab, false, &[hangs, passes])?;
    let red = nested.red(hangs)?;
    let reason = &red.failure.reason;
    let limit = lab.terms().limits.of(&hangs).as_secs();
    let wanted = format!("time limit: it did not end within {limit} s");
    ensure!(reason.starts_with(&wanted), "it failed by {reason}");
    red.is_because("left behind")?;
    red.tells(&[
        "TIME LIMIT of ",
        "linus1 | [",
        "task:sleep ",
        "SIGTERM to what the agents run",
        " ended after ",
        "SIGTERM did not end the test",
        "SIGKILL to all nodes",
    ])?;
    for node in ["linus1", "linus2"] {
        red.tells(&[&format!("{node} * STACKS: asked for by its agent")])?;
    }
    // The run goes on, with a fresh cluster.
    nested.green(passes)?;
    nested.end().map(drop)
}

/// A node whose agent does nothing any more: its kernel tells all the same.
pub fn agent(lab: &Lab<'_>) -> Result<()> {
    let hangs = Test {
        name: "nested.agent_hangs",
        setting: PAIR,
        limit: SOON,
        run: |lab| {
            let two = lab.node(2)?;
            // A command's parent is the agent.
            let stop = "kill -STOP $PPID";
            let _stop = two.harness().command("sh").args(["-c", stop]).spawn()?;
            two.harness().command("true").limit(FOR_EVER).run()?;
            loop {
                two.sh("true")?;
            }
        },
    };
    let mut nested = Nested::begin(lab, false, &[hangs])?;
    let red = nested.red(hangs)?;
    let reason = &red.failure.reason;
    ensure!(reason.starts_with("time limit: "), "it failed by {reason}");
    red.tells(&[
        "TIME LIMIT of ",
        "linus2 * STACKS: its agent did not answer within ",
        "sysrq: Show State",
        "linus2 * STACKS: asked for over its console, by a break",
        "SIGTERM to what the agents run",
    ])?;
    red.tells(&["linus1 * STACKS: asked for by its agent"])?;
    nested.end().map(drop)
}
