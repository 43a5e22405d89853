// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node dies as by a power failure: those who wait for it are told, the others go on.

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::{Exit, Kernel};

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, DYING, FAULTY};

pub const TESTS: &[Test] = &[
    Test {
        name: "dead_node.calls_in_flight_end_in_time",
        setting: DYING,
        limit: None,
        run: calls_in_flight,
    },
    Test {
        name: "dead_node.is_known_and_comes_back",
        setting: DYING,
        limit: None,
        run: comes_back,
    },
    Test {
        name: "dead_node.is_none_that_one_rail_reaches",
        setting: FAULTY,
        limit: Some(Duration::from_secs(150)),
        run: one_rail_of_three,
    },
];

/// An error unless the call ended in time; the time is the node's own.
fn in_time(lab: &Lab<'_>, answers: &Answers, took: &str) -> Result<()> {
    let time = Duration::from_millis(answers.number(took)?);
    ensure!(
        time <= lab.terms().in_time(),
        "it took {time:?}: {answers:?}"
    );
    Ok(())
}

/// Calls of all kinds, over and over, with the node dying in the middle of them.
fn calls_in_flight(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    three.sh(&format!("head -c 1000000 /dev/zero > {dir}/f"))?;
    let path = |name: &str| format!("/linus3{dir}/{name}");
    let mut calls = Vec::new();
    for (operation, name) in [
        ("read", "f"),
        ("write", "g"),
        ("stat", "f"),
        ("list", "."),
        ("open", "f"),
    ] {
        let args = [
            "call",
            operation,
            &path(name),
            "--until-error",
            "--size",
            "500000",
        ];
        calls.push((one.start_tool(&args)?, Some("elapsed_ms")));
    }
    // A program that says something all the time, and one that never does: its reader waits.
    let ticker = "while :; do echo tick; sleep 0.02; done";
    // Its time begins with the only thing it says, and tells nothing.
    let silent = "echo once; exec sleep 86406";
    for (script, took) in [(ticker, Some("last_ms")), (silent, None)] {
        let args = [
            "gipc",
            "/linus3",
            "--records",
            "--no-end",
            "--",
            "sh",
            "-c",
            script,
        ];
        calls.push((one.start_tool(&args)?, took));
    }
    for (call, _) in &calls {
        call.ready()?;
    }
    // The two that live have something to do, too.
    let other = two.start_tool(&[
        "walk",
        "/linus1",
        "--content",
        "linus1",
        "--threads",
        "2",
        "--time",
        "4000",
    ])?;
    other.ready()?;
    three.kill()?;
    for (call, took) in calls {
        let answers = call.finish()?;
        answers.expect_errno(libc::EHOSTDOWN)?;
        took.map_or(Ok(()), |took| in_time(lab, &answers, took))?;
    }
    let others = other.finish()?;
    others.expect("wrong", 0)?;
    ensure!(
        !others.has(&format!("errno_{}", libc::EHOSTDOWN)),
        "{others:?}"
    );
    ensure!(
        others.number::<u64>("ok")? >= lab.terms().at_least(100),
        "node 2 hardly went on: {others:?}"
    );
    lab.revive()
}

fn comes_back(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let before = lab.node(3)?.sh("podos gpid 1")?;
    ensure_eq!(one.sh("cat /linus3/etc/hostname")?, "linus3", "before");
    let dir = lab.scratch()?;
    let waits = format!("touch {dir}/opened; until [ -e {dir}/back ]; do sleep 0.1; done");
    let args = ["between", "fsync", "/linus3/tmp", &waits];
    let fsync = one.start_long_tool(&args, Duration::from_secs(250))?;
    one.until(&format!("[ -e {dir}/opened ]"))?;
    lab.node(3)?.kill()?;
    // The first call comes when nobody knows yet.
    for operation in ["stat", "open", "list", "read", "write", "mkdir"] {
        for node in [one, two] {
            let answers = node.call(operation, "/linus3/tmp/new")?;
            answers.expect_errno(libc::EHOSTDOWN)?;
            in_time(lab, &answers, "elapsed_ms")?;
        }
    }
    let answers = one.call("open-gipc", "/linus3")?;
    answers.expect_errno(libc::EHOSTDOWN)?;
    in_time(lab, &answers, "elapsed_ms")?;
    let output = one.try_sh("podos run linus3 -- true")?;
    ensure_eq!(output.exit, Exit::Code(255), "podos run");
    ensure!(
        output.stderr.contains("linus3"),
        "podos run says {:?}",
        output.stderr
    );
    one.sh("podos nodes | grep -q '^linus3 *down'")?;

    ensure_eq!(
        one.sh("cat /linus2/etc/hostname")?,
        "linus2",
        "what node 1 reads"
    );
    ensure_eq!(
        two.sh("podos run linus1 -- uname -n")?,
        "linus1",
        "what node 2 runs"
    );

    lab.revive()?;
    for node in [one, two] {
        ensure_eq!(
            node.until("cat /linus3/etc/hostname")?,
            "linus3",
            "{} again",
            node.name()
        );
        ensure_eq!(
            node.sh("podos run linus3 -- uname -n")?,
            "linus3",
            "{} again",
            node.name()
        );
    }
    ensure_eq!(
        lab.node(3)?.until("cat /linus1/etc/hostname")?,
        "linus1",
        "what node 3 reads"
    );
    let after = lab.node(3)?.sh("podos gpid 1")?;
    ensure!(
        before != after,
        "GPIDs of the second boot are those of the first: {after}"
    );
    // What was in the directory then, and on no disk, is not there.
    one.sh(&format!("touch {dir}/back"))?;
    fsync.finish()?.expect_errno(libc::EIO)
}

/// How long two of three rails stay cut, and how many opens there are at least in that time.
const CUT: Duration = Duration::from_secs(60);
const OPENS: u64 = 10_000;

/// Nodes that one rail still reaches are alive, and nobody takes them for dead.
fn one_rail_of_three(lab: &Lab<'_>) -> Result<()> {
    let switch = lab.switch()?;
    for rail in [0, 1] {
        switch.cut(rail)?;
    }
    // An open takes a debug kernel more than ten times as long.
    let time = match lab.terms().kernel {
        Kernel::Base => CUT,
        Kernel::Debug => CUT * 2,
    };
    let seconds = time.as_secs().to_string();
    let mut calls = Vec::new();
    for (host, other) in [(1, 2), (2, 3), (3, 1)] {
        let path = format!("/linus{other}/etc/hostname");
        let args = ["call", "open", &path, "--until-error", "--within", &seconds];
        for _ in 0..2 {
            calls.push(lab.node(host)?.start_long_tool(&args, 4 * time)?);
        }
    }
    let opened = calls.into_iter().map(|call| {
        let answers = call.finish()?;
        answers.expect_errno(0)?;
        answers.number::<u64>("calls")
    });
    let opened: Result<Vec<u64>> = opened.collect();
    for rail in [0, 1] {
        switch.mend(rail)?;
    }
    let opened: u64 = opened?.into_iter().sum();
    ensure!(opened >= lab.terms().at_least(OPENS), "{opened} opens");
    Ok(())
}
