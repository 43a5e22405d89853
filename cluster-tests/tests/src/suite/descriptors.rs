// SPDX-License-Identifier: MIT OR Apache-2.0

//! Open files: what they share, and what they cost.

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::{Faults, Selector};

use crate::support::Lab;
use crate::test::{Test, FAULTY, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "descriptors.a_killed_writer_leaves_them_to_others",
        setting: FAULTY,
        limit: Some(Duration::from_secs(120)),
        run: killed_writer,
    },
    Test {
        name: "descriptors.reading_ahead_takes_little",
        setting: SHARED,
        limit: Some(Duration::from_secs(120)),
        run: little_memory,
    },
];

/// On rails so slow that a writer waits for them nearly always.
fn killed_writer(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let switch = lab.switch()?;
    switch.set(
        Selector::ALL,
        Faults {
            delay: Duration::from_millis(50),
            ..Faults::default()
        },
    )?;
    let outcome = lab
        .node(1)?
        .tool(&["shared", &format!("/linus2{dir}/f"), "--rounds", "4"]);
    switch.clear()?;
    let answers = outcome?;
    answers.expect("write_errno", 0)?;
    answers.expect("read_errno", 0)?;
    answers.expect("waiting", 4)
}

/// Many files that were read and are open: what was read ahead of them is given back.
fn little_memory(lab: &Lab<'_>) -> Result<()> {
    // 256 KiB of each would be 32 MiB.
    const FILES: i64 = 128;
    const LIMIT: i64 = 14 * 1024;
    let path = format!("{}/f", lab.scratch()?);
    lab.node(2)?.tool(&["write", &path, "--size", "1048576"])?;
    let (files, limit) = (FILES.to_string(), LIMIT.to_string());
    let remote = format!("/linus2{path}");
    let args = ["readers", &remote, "--files", &files, "--limit", &limit];
    let time = Duration::from_secs(200);
    let answers = lab.node(1)?.start_long_tool(&args, time)?.finish()?;
    // A circuit, a file and an inode for each, but no data.
    let taken: i64 = answers.number("taken_kib")?;
    ensure!(
        taken < LIMIT,
        "{FILES} open files take {taken} KiB, not less than {LIMIT}"
    );
    Ok(())
}
