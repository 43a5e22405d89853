// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ground that the other tests stand on: commands on nodes, and faults.

mod faults;
mod nemesis;
mod nodes;
mod side_by_side;
mod verdicts;

use std::time::Duration;

use anyhow::{bail, ensure, Result};
use podos_harness::{Error, Exit};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, FAULTY, SHARED};

/// Of commands and faults, and of verdicts.
pub fn tests() -> Vec<Test> {
    [TESTS, verdicts::TESTS].concat()
}

const TESTS: &[Test] = &[
    Test {
        name: "harness.status_and_streams",
        setting: SHARED,
        limit: None,
        run: status_and_streams,
    },
    Test {
        name: "harness.input_ends",
        setting: SHARED,
        limit: None,
        run: input_ends,
    },
    Test {
        name: "harness.nothing_stays_of_a_given_up_command",
        setting: SHARED,
        limit: None,
        run: given_up,
    },
    Test {
        name: "harness.bridges_can_be_cut",
        setting: SHARED,
        limit: None,
        run: faults::cut,
    },
    Test {
        name: "harness.bridged_links_are_unplugged_and_slow",
        setting: SHARED,
        limit: None,
        run: faults::bridge,
    },
    Test {
        name: "harness.clusters_side_by_side_do_not_meet",
        setting: SHARED,
        limit: None,
        run: side_by_side::side_by_side,
    },
    Test {
        name: "harness.lost_frames_are_missed",
        setting: FAULTY,
        limit: None,
        run: faults::loss,
    },
    Test {
        name: "harness.delays_are_waited_for",
        setting: FAULTY,
        limit: None,
        run: faults::delay,
    },
    Test {
        name: "harness.switches_can_be_cut",
        setting: FAULTY,
        limit: None,
        run: faults::cut,
    },
    Test {
        name: "harness.partitions_separate",
        setting: FAULTY,
        limit: None,
        run: faults::partition,
    },
    Test {
        name: "harness.captures_are_whole",
        setting: FAULTY,
        limit: None,
        run: faults::capture,
    },
    Test {
        name: "harness.paused_nodes_stand_still",
        setting: FAULTY,
        limit: None,
        run: faults::pause,
    },
    Test {
        name: "harness.reset_nodes_boot_anew",
        setting: FAULTY,
        limit: None,
        run: faults::reset,
    },
    Test {
        name: "harness.powered_off_nodes_end_in_order",
        setting: FAULTY,
        limit: None,
        run: nodes::power_off,
    },
    Test {
        name: "harness.panicked_nodes_are_no_alarm",
        setting: FAULTY,
        limit: None,
        run: nodes::panic,
    },
    Test {
        name: "harness.memory_ends_and_the_node_goes_on",
        setting: FAULTY,
        limit: None,
        run: nodes::memory,
    },
    Test {
        name: "harness.full_disks_have_no_room",
        setting: FAULTY,
        limit: None,
        run: nodes::disk,
    },
    Test {
        name: "harness.clocks_jump_and_nothing_else",
        setting: FAULTY,
        limit: None,
        run: nodes::clock,
    },
    Test {
        name: "harness.one_seed_is_one_nemesis",
        setting: FAULTY,
        limit: None,
        run: nemesis::same_seed_same_faults,
    },
];

fn status_and_streams(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let name = node.name();
        let output = node.exec(&["sh", "-c", "hostname; echo error >&2; exit 7"])?;
        ensure_eq!(output.exit, Exit::Code(7), "exit on {name}");
        ensure_eq!(output.stdout, format!("{name}\n"), "stdout on {name}");
        ensure_eq!(output.stderr, "error\n", "stderr on {name}");
    }
    let node = lab.node(1)?;
    let output = node.exec(&["sh", "-c", "kill -TERM $$"])?;
    ensure_eq!(output.exit, Exit::Signal(15), "exit by a signal");
    match node.harness().exec(["/no/such/program"]) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        other => bail!("a program that is not there: {other:?}"),
    }
}

fn input_ends(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?.harness();
    // Without input there is the end of it, so that this does not wait.
    ensure_eq!(
        node.exec(["wc", "-c"])?.text(),
        "0",
        "input that was not given"
    );
    // More than any buffer on the way has room for.
    let bytes = vec![b'x'; 3_000_001];
    let output = node.command("wc").arg("-c").stdin(bytes).succeed()?;
    ensure_eq!(output.text(), "3000001", "input");
    let command = node
        .command("sh")
        .args(["-c", "pwd; echo $A"])
        .cwd("/proc/sys")
        .env("A", "b c");
    ensure_eq!(
        command.succeed()?.text(),
        "/proc/sys\nb c",
        "directory and environment"
    );
    Ok(())
}

fn given_up(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let command = node.harness().command("sleep").arg("86401");
    let limited = command.limit(Duration::from_millis(1500)).spawn()?;
    node.until_runs("sleep 86401")?;
    let result = limited.wait();
    ensure!(
        matches!(result, Err(Error::Deadline { .. })),
        "no deadline, but {result:?}"
    );
    node.until_gone("sleep 86401")
}
