// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the communication manager does with rails and circuits, by its own counters.

use anyhow::{ensure, Context, Result};

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "circuits.all_rails_carry_them",
        setting: SHARED,
        limit: None,
        run: all_rails,
    },
    Test {
        name: "circuits.none_are_left_over",
        setting: SHARED,
        limit: None,
        run: none_left,
    },
];

/// Frames that a node sent and received on each rail.
fn frames(node: Machine<'_>) -> Result<Vec<[u64; 2]>> {
    let table = node.sh("awk 'NR > 1 { print $6, $8 }' /sys/kernel/podos/cm/rails")?;
    let row = |line: &str| {
        let (sent, received) = line.split_once(' ')?;
        Some([sent.parse().ok()?, received.parse().ok()?])
    };
    let rows: Option<Vec<_>> = table.lines().map(row).collect();
    rows.with_context(|| format!("these are no counters: {table}"))
}

fn all_rails(lab: &Lab<'_>) -> Result<()> {
    // A file of so many frames of data, on as many circuits as would be on each rail twice.
    const FRAMES: u64 = 700;
    const FILES: u64 = 6;
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let size = (FRAMES * 1400).to_string();
    two.tool(&["write", &path, "--size", &size])?;
    let before = frames(one)?;
    ensure_eq!(before.len(), 3, "rails");
    for _ in 0..FILES {
        one.tool(&["check", &format!("/linus2{path}"), "--size", &size])?;
    }
    let after = frames(one)?;
    for (rail, (after, before)) in after.iter().zip(&before).enumerate() {
        let [sent, received] = [0, 1].map(|i| after[i] - before[i]);
        // An equal share would be FILES / 3 files; what else is opened on the way moves it.
        ensure!(
            received >= FRAMES,
            "rail {rail} brought {received} frames, sent {sent}"
        );
        ensure!(sent > 0, "nothing was sent on rail {rail}");
    }
    Ok(())
}

/// After any work, well ended or not, tables are as empty as before.
fn none_left(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    one.tool(&["many", "/linus2", "/linus3"])?
        .expect("wrong", 0)?;
    one.tool(&[
        "walk",
        "/linus2",
        "/linus3",
        "--time",
        "500",
        "--content",
        "linus2",
        "--content",
        "linus3",
    ])?
    .expect("wrong", 0)?;
    // Those who are killed in the middle of it.
    let path = format!("/linus2{dir}/f");
    let mut killed = Vec::new();
    for args in [
        &["call", "write", &path, "--until-error"][..],
        &["call", "read", &path, "--until-error"],
        &[
            "gipc",
            "/linus2",
            "--no-end",
            "--",
            "sh",
            "-c",
            "echo ready; exec sleep 86407",
        ],
        &["gipc", "/linus2", "--no-end", "--", "yes"],
    ] {
        let background = one.start_tool(args)?;
        background.ready()?;
        killed.push(background);
    }
    killed
        .into_iter()
        .try_for_each(|background| background.kill())?;
    // Commands that are no programs, and circuits without a command.
    one.tool(&["gipc", "/linus2", "--", "/no/such/program"])?;
    one.call("open-gipc", "/linus2")?.expect_errno(0)?;
    for node in [one, two] {
        // Trees that nobody uses are unmounted, and nothing of them is left, either.
        node.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    }
    Ok(())
}
