// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `podos` command.

use anyhow::{ensure, Context, Result};
use podos_harness::Exit;
use serde_json::Value;

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "commands.run_is_as_if_it_ran_here",
        setting: SHARED,
        limit: None,
        run: run_here,
    },
    Test {
        name: "commands.run_ends_as_shells_do",
        setting: SHARED,
        limit: None,
        run: run_status,
    },
    Test {
        name: "commands.run_passes_signals_on",
        setting: SHARED,
        limit: None,
        run: run_signals,
    },
    Test {
        name: "commands.run_in_a_pipe",
        setting: SHARED,
        limit: None,
        run: run_in_a_pipe,
    },
    Test {
        name: "commands.run_tells_how_input_ends",
        setting: SHARED,
        limit: None,
        run: run_input,
    },
    Test {
        name: "commands.run_hears_signals_whatever_it_waits_for",
        setting: SHARED,
        limit: None,
        run: run_signals_while_busy,
    },
    Test {
        name: "commands.nodes",
        setting: SHARED,
        limit: None,
        run: nodes,
    },
    Test {
        name: "commands.rails",
        setting: SHARED,
        limit: None,
        run: rails,
    },
    Test {
        name: "commands.cdt",
        setting: SHARED,
        limit: None,
        run: cdt,
    },
    Test {
        name: "commands.key_list",
        setting: SHARED,
        limit: None,
        run: key_list,
    },
    Test {
        name: "commands.gpid",
        setting: SHARED,
        limit: None,
        run: gpid,
    },
    Test {
        name: "commands.outputs_that_cannot_be_written",
        setting: SHARED,
        limit: None,
        run: unwritten,
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
        (
            "podos run linus2 -e A=$(printf '\\377\\376') -- sh -c 'printf %s \"$A\"' | od -An -tx1",
            " ff fe",
        ),
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

/// Input that can't be read, or whose reader is gone, does not just end.
fn run_input(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = lab.scratch()?;
    let output = one.try_sh("podos run linus2 -- cat < /tmp")?;
    ensure_eq!(output.exit, Exit::Code(1), "cat of a directory");
    ensure!(
        output.stderr.contains("Is a directory"),
        "cat of a directory says {:?}",
        output.stderr
    );
    // Who does not read it does not mind.
    ensure_eq!(
        one.sh("podos run linus2 -- uname -n < /tmp")?,
        "linus2",
        "uname"
    );
    // In a session of its own, so that no signal tells the program.
    two.sh(&format!(
        "echo 'cat > {dir}/part 2> {dir}/error; echo $? > {dir}/status' > {dir}/take"
    ))?;
    let line = format!(
        "mkfifo {dir}/in
         (echo half; exec sleep 300) > {dir}/in & writer=$!
         podos run linus2 -- sh -c 'setsid sh {dir}/take; :' < {dir}/in & run=$!
         until grep -q half /linus2{dir}/part; do sleep 0.1; done
         kill -KILL $run $writer"
    );
    one.sh(&line)?;
    let status = two.until(&format!("[ -s {dir}/status ] && cat {dir}/status"))?;
    ensure_eq!(status, "1", "of a program whose caller was killed");
    // What a program has started reads on when that has ended.
    let line = "(sleep 1; echo late) | podos run linus2 -- setsid cat";
    ensure_eq!(one.sh(line)?, "late", "in the background");
    // Descriptors by name.
    ensure_eq!(one.sh("echo x | cat /dev/stdin")?, "x", "/dev/stdin");
    Ok(())
}

/// `podos run` is ended by a signal while nobody reads its output, and not by one that it was started
/// to ignore.
fn run_signals_while_busy(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = lab.scratch()?;
    // At rest: it has not been on a processor for a while.
    let line = format!(
        "mkfifo {dir}/pipe
         sleep 300 < {dir}/pipe & reader=$!
         podos run linus2 -- sh -c 'touch {dir}/runs; exec yes {dir}' > {dir}/pipe & pid=$!
         until [ -e /linus2{dir}/runs ]; do sleep 0.1; done
         switches() {{ grep ctxt /proc/$pid/status; }}
         until before=$(switches); sleep 0.3; [ \"$before\" = \"$(switches)\" ]; do :; done
         kill -TERM $pid; wait $pid; echo $?; kill $reader"
    );
    ensure_eq!(one.sh(&line)?, "143", "who waits for a reader");
    two.until_gone(&format!("yes {dir}"))?;
    let line = format!(
        "trap '' HUP
         podos run linus2 -- sh -c 'touch {dir}/up; exec sleep 300' & pid=$!
         until [ -e /linus2{dir}/up ]; do sleep 0.1; done
         kill -HUP $pid; kill -TERM $pid; wait $pid; echo $?"
    );
    ensure_eq!(one.sh(&line)?, "143", "who ignores SIGHUP");
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
        let json: Value = serde_json::from_str(&node.sh("podos nodes --json")?)?;
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

/// The rows of a list in what a command prints as JSON.
fn rows(json: &Value) -> Result<&Vec<Value>> {
    json.as_array().with_context(|| format!("no list: {json}"))
}

fn rails(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let table = node.sh("podos rails")?;
        // Two heads, and a blank line between.
        ensure_eq!(table.lines().count(), 3 + 3 + 2 * 3, "lines of {table}");
        let json: Value = serde_json::from_str(&node.sh("podos rails --json")?)?;
        for (number, rail) in rows(&json["rails"])?.iter().enumerate() {
            let mac = format!("52:54:00:50:{number:02x}:{:02x}", node.host());
            ensure_eq!(rail["rail"], number, "number in {rail}");
            ensure_eq!(rail["device"], format!("eth{number}"), "device in {rail}");
            ensure_eq!(rail["mac"], mac, "address in {rail}");
            ensure_eq!(
                (&rail["mtu"], &rail["state"]),
                (&1500.into(), &"up".into()),
                "{rail}"
            );
            for count in [
                "sent_frames",
                "sent_bytes",
                "received_frames",
                "received_bytes",
            ] {
                ensure!(rail[count].as_u64() > Some(0), "no {count} in {rail}");
            }
        }
        let peers = rows(&json["peers"])?;
        ensure_eq!(peers.len(), 6, "rails of others in {json}");
        for peer in peers {
            let (host, rail) = (&peer["host"], &peer["rail"]);
            let (host, rail) = (
                host.as_u64().context("no host")?,
                rail.as_u64().context("no rail")?,
            );
            ensure_eq!(peer["node"], format!("linus{host}"), "name in {peer}");
            ensure_eq!(
                peer["mac"],
                format!("52:54:00:50:{rail:02x}:{host:02x}"),
                "{peer}"
            );
            ensure_eq!(peer["state"], "up", "state in {peer}");
            ensure!(
                peer["heard_ms"].as_u64() < Some(1200),
                "silent for long: {peer}"
            );
        }
    }
    Ok(())
}

fn cdt(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let command = one.harness().command("podos");
    let mut running = command
        .args(["run", "linus2", "--", "sleep", "86405"])
        .spawn()?;
    two.until_runs("sleep 86405")?;
    let gipc = |node: Machine<'_>| -> Result<Value> {
        let json: Value = serde_json::from_str(&node.sh("podos cdt --json")?)?;
        let found = rows(&json)?
            .iter()
            .find(|circuit| circuit["class"] == "gipc");
        found.cloned().with_context(|| format!("no gipc in {json}"))
    };
    let (here, there) = (gipc(one)?, gipc(two)?);
    let table = one.sh("podos cdt")?;
    running.signal(libc::SIGTERM as u8)?;
    running.wait()?;
    ensure_eq!(
        (&here["role"], &there["role"]),
        (&"active".into(), &"passive".into()),
        "roles"
    );
    for index in ["active", "passive"] {
        ensure_eq!(here[index], there[index], "{index} index at both ends");
    }
    let prefix = |gpid: &Value| gpid.as_str().map(|text| text[..8].to_owned());
    ensure_eq!(
        prefix(&here["peer_gpid"]).as_deref(),
        Some("00000002"),
        "peer of {here}"
    );
    ensure_eq!(
        here["peer_gpid"],
        there["local_gpid"],
        "process at the passive end"
    );
    ensure_eq!(
        here["local_gpid"],
        there["peer_gpid"],
        "process at the active end"
    );
    ensure_eq!(here["state"], "open", "state of {here}");
    ensure!(here["sent"].as_u64() > Some(0), "nothing sent by {here}");
    let line = table.lines().find(|line| line.contains("gipc"));
    let line = line.with_context(|| format!("no gipc in {table}"))?;
    ensure!(line.contains("linus2"), "{line}");
    Ok(())
}

fn key_list(lab: &Lab<'_>) -> Result<()> {
    let tables: Vec<_> = lab
        .nodes()
        .into_iter()
        .map(|node| node.sh("podos key list"))
        .collect::<Result<_>>()?;
    let first = &tables[0];
    ensure_eq!(first.lines().count(), 2, "lines of {first}");
    ensure!(first.ends_with("used"), "{first}");
    ensure!(tables.iter().all(|table| table == first), "{tables:?}");
    let node = lab.node(1)?;
    let dir = lab.scratch()?;
    let fingerprint = node.sh(&format!("podos key generate {dir}/key"))?;
    ensure_eq!(
        node.sh(&format!("stat -c %a {dir}/key"))?,
        "600",
        "mode of a new key"
    );
    let said = node.fails(&format!("podos key generate {dir}/key"))?;
    ensure!(said.contains("already"), "a key that is there: {said}");
    node.sh(&format!(
        "podos key add {dir}/key && podos key add - < {dir}/key"
    ))?;
    let added = node.sh("podos key list")?;
    ensure_eq!(
        added,
        format!("{first}\n{fingerprint}     accepted"),
        "after an add"
    );
    let used = first.lines().nth(1).and_then(|line| line.split(' ').next());
    let said = node.fails(&format!("podos key drop {}", used.context("no key")?))?;
    ensure!(said.contains("in use"), "a drop of the key in use: {said}");
    node.sh(&format!("podos key drop {fingerprint}"))?;
    ensure_eq!(node.sh("podos key list")?, *first, "after the drop");
    let said = node.fails(&format!("podos key use {fingerprint}"))?;
    ensure!(
        said.contains(&fingerprint),
        "a key that is not there: {said}"
    );
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

/// A reader that has left ends a command without a word; a full disk with one.
fn unwritten(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let dir = lab.scratch()?;
    // A pipe that nobody reads: its last reader goes before the command starts.
    node.sh(&format!("mkfifo {dir}/pipe"))?;
    let pipe = format!("exec 3<>{dir}/pipe 4>{dir}/pipe 3<&-");
    let closed =
        |command: &str| format!("{pipe}; {command} >&4 4>&- 2>{dir}/said; echo $?; cat {dir}/said");
    for command in [
        "podos nodes",
        "podos nodes --json",
        "podos rails",
        "podos rails --json",
        "podos cdt",
        "podos cdt --json",
        "podos key list",
        "podos key list --json",
        "podos gpid 1",
        &format!("podos key generate {dir}/key"),
        "podos run linus2 -- echo x",
    ] {
        ensure_eq!(node.sh(&closed(command))?, "141", "`{command}`, not read");
    }
    for command in ["podos nodes", "podos gpid 1", "podos run linus2 -- echo x"] {
        let line = format!("{command} > /dev/full");
        let output = node.try_sh(&line)?;
        ensure!(
            !output.exit.success() && output.stderr.contains("cannot write standard output"),
            "`{line}` ended with {}: {}",
            output.exit,
            output.stderr
        );
    }
    // Nor does an error that nobody hears become another one.
    ensure_eq!(
        node.sh(&format!(
            "{pipe}; podos run nowhere -- true >&4 2>&4; echo $?"
        ))?,
        "255",
        "an error that nobody hears"
    );
    Ok(())
}
