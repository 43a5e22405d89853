// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `podos` command.

use anyhow::{ensure, Context, Result};
use podos_harness::Exit;

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "commands.run_is_as_if_it_ran_here",
        setting: SHARED,
        run: run_here,
    },
    Test {
        name: "commands.run_ends_as_shells_do",
        setting: SHARED,
        run: run_status,
    },
    Test {
        name: "commands.run_passes_signals_on",
        setting: SHARED,
        run: run_signals,
    },
    Test {
        name: "commands.run_in_a_pipe",
        setting: SHARED,
        run: run_in_a_pipe,
    },
    Test {
        name: "commands.nodes",
        setting: SHARED,
        run: nodes,
    },
    Test {
        name: "commands.gpid",
        setting: SHARED,
        run: gpid,
    },
];

fn run_here(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for (line, expected) in [
        ("podos run linus3 -- uname -n", "linus3"),
        ("podos run 2 -- uname -n", "linus2"),
        ("podos run --on linus2 -- uname -n", "linus2"),
        ("podos run linus1 -- uname -n", "linus1"),
        ("podos run linus2 -e A='b c' -- sh -c 'echo $A'", "b c"),
        ("podos run linus2 -C /etc -- cat hostname", "linus2"),
        ("podos run linus2 -- sh -c 'echo \"$1\"' x ''", ""),
        (
            "echo from here | podos run linus2 -- sh -c 'cat; uname -n'",
            "from here\nlinus2",
        ),
    ] {
        ensure_eq!(node.sh(line)?, expected, "`{line}`");
    }
    let output = node.try_sh("podos run linus2 -- sh -c 'echo out; echo err >&2'")?;
    ensure_eq!(
        (&*output.stdout, &*output.stderr),
        ("out\n", "err\n"),
        "stdout and stderr"
    );
    // The program's file is here.
    let dir = lab.scratch()?;
    node.sh(&format!("cp /bin/busybox {dir}/uname"))?;
    let line = format!("podos run --from-here linus2 -- {dir}/uname -n");
    ensure_eq!(node.sh(&line)?, "linus2", "`{line}`");
    Ok(())
}

fn run_status(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for (arguments, status) in [
        ("linus2 -- true", 0),
        ("linus2 -- sh -c 'exit 7'", 7),
        ("linus2 -- sh -c 'kill -9 $$'", 137),
        ("linus2 -- no-such-program", 127),
        ("linus2 -- /etc/hostname", 126),
        ("linus4 -- true", 255),
        ("nowhere -- true", 255),
    ] {
        let output = node.try_sh(&format!("podos run {arguments}"))?;
        ensure_eq!(output.exit, Exit::Code(status), "podos run {arguments}");
        let says = !output.stderr.is_empty();
        ensure_eq!(
            says,
            status == 255 || status == 126 || status == 127,
            "whether `podos run {arguments}` says why: {:?}",
            output.stderr
        );
    }
    Ok(())
}

fn run_signals(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let command = one
            .harness()
            .command("podos")
            .args(["run", "linus2", "--", "sleep", "86404"]);
        let mut running = command.spawn()?;
        two.until_runs("sleep 86404")?;
        running.signal(signal as u8)?;
        let output = running.wait()?;
        ensure_eq!(
            output.exit,
            Exit::Code(128 + signal as u8),
            "after signal {signal}"
        );
        two.until_gone("sleep 86404")?;
    }
    Ok(())
}

fn run_in_a_pipe(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    ensure_eq!(
        one.sh("podos run linus2 -- yes podos-test | head -n 2")?,
        "podos-test\npodos-test",
        "head of yes"
    );
    two.until_gone("yes podos-test")?;
    let line = "seq 20000 | podos run linus2 -- sort -rn | podos run linus3 -- head -n 1";
    ensure_eq!(one.sh(line)?, "20000", "`{line}`");
    Ok(())
}

fn nodes(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let table = node.sh("podos nodes")?;
        ensure_eq!(table.lines().count(), 4, "lines of {table}");
        for other in lab.nodes() {
            let line = table.lines().find(|line| line.starts_with(&other.name()));
            let line = line.with_context(|| format!("no {} in {table}", other.name()))?;
            ensure!(line.contains("alive"), "{line}");
        }
        let json: serde_json::Value = serde_json::from_str(&node.sh("podos nodes --json")?)?;
        let listed = json.as_array().context("not a list")?;
        ensure_eq!(listed.len(), 3, "nodes in {json}");
        for (entry, other) in listed.iter().zip(lab.nodes()) {
            let host = other.host();
            ensure_eq!(entry["host"], host, "host id in {entry}");
            ensure_eq!(entry["hostname"], other.name(), "host name in {entry}");
            ensure_eq!(entry["alive"], true, "state in {entry}");
            let macs: Vec<_> = (0..3)
                .map(|rail| format!("52:54:00:50:{rail:02x}:{host:02x}"))
                .collect();
            ensure_eq!(
                entry["interfaces"],
                serde_json::json!(macs),
                "rails in {entry}"
            );
            let total = other.sh("awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo")?;
            ensure_eq!(entry["mem_total"].to_string(), total, "memory in {entry}");
            let age = entry["age_ms"].as_u64().context("no age")?;
            ensure!(age < 1500, "the beacon is {age} ms old");
        }
    }
    Ok(())
}

fn gpid(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let told = node.sh("podos gpid 1")?;
        ensure_eq!(told, node.sh("cat /proc/1/gpid")?, "GPID of process 1");
        ensure!(told.ends_with("0001"), "GPID of process 1 is {told}");
        // Without a pid, the one of who asks.
        let pair = node.sh("podos gpid; cat /proc/$$/gpid")?;
        let (asked, own) = pair.split_once('\n').unwrap_or_default();
        ensure_eq!(asked, own, "the GPID of the shell");
    }
    let said = lab.node(1)?.fails("podos gpid 65000")?;
    ensure!(
        said.contains("65000"),
        "a process that is not there: {said:?}"
    );
    Ok(())
}
