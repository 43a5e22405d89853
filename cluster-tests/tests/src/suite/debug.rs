// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a debug kernel sees that others don't, and memory that runs out under each module.
//!
//! An allocation is made to fail when the module's code is on the stack that asks for it. What the
//! module was doing may fail then; but nothing worse, and once there is memory again all works.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use super::cm::{load_modules, Transfer};
use crate::locks::LockTable;
use crate::support::{Lab, Machine};
use crate::test::{Test, DEBUG, DEBUG_OPEN};

pub const TESTS: &[Test] = &[
    Test {
        name: "debug.kernels_watch_themselves",
        setting: DEBUG,
        limit: None,
        run: watches,
    },
    Test {
        name: "debug.frames_are_lost_damaged_and_late",
        setting: DEBUG,
        limit: None,
        run: own_faults,
    },
    Test {
        name: "debug.cm_lives_without_memory",
        setting: DEBUG,
        limit: None,
        run: |lab| without_memory(lab, "podos_cm"),
    },
    Test {
        name: "debug.rm_lives_without_memory",
        setting: DEBUG,
        limit: None,
        run: |lab| without_memory(lab, "podos_rm"),
    },
    Test {
        name: "debug.pdfs_lives_without_memory",
        setting: DEBUG,
        limit: None,
        run: |lab| without_memory(lab, "podos_pdfs"),
    },
    Test {
        name: "debug.gipc_lives_without_memory",
        setting: DEBUG,
        limit: None,
        run: |lab| without_memory(lab, "podos_gipc"),
    },
    // Last: by now the nodes have done much.
    Test {
        name: "debug.locks_are_as_the_table_has_them",
        setting: DEBUG,
        limit: None,
        run: locks,
    },
    Test {
        name: "debug.no_message_takes_a_lock_that_all_share",
        setting: DEBUG_OPEN,
        limit: Some(Duration::from_secs(120)),
        run: shared_locks,
    },
];

const DEBUGFS: &str = "/sys/kernel/debug";
const MB: u64 = 1_000_000;

fn watches(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let lockdep = node.sh("awk '/debug_locks:/ { print $2 }' /proc/lockdep_stats")?;
        ensure!(lockdep == "1", "lockdep is off: debug_locks {lockdep}");
        node.sh(&format!("echo scan > {DEBUGFS}/kmemleak"))?;
        node.sh("dmesg | grep -q 'KernelAddressSanitizer initialized'")?;
        for file in ["failslab", "fail_page_alloc", "podos_faults"] {
            node.sh(&format!("test -d {DEBUGFS}/{file}"))?;
        }
    }
    Ok(())
}

/// What a node does besides, so that lockdep has seen it.
const CHORES: &str = "cat /linus2/etc/hostname && echo x > /linus2/tmp/f && ls -l /linus2/tmp && \
    mkdir /linus2/tmp/d && mv /linus2/tmp/f /linus2/tmp/d/ && rm -r /linus2/tmp/d && \
    dd if=/dev/zero of=/linus2/tmp/big bs=64k count=4 && cat /linus2/tmp/big > /dev/null && \
    echo in | podos run linus2 -- cat && podos nodes && podos cdt && \
    { cat /sys/kernel/podos/cm/* > /dev/null 2>&1 || true; }";

fn locks(lab: &Lab<'_>) -> Result<()> {
    lab.node(1)?.sh(CHORES)?;
    let table = LockTable::of_page()?;
    for node in lab.nodes() {
        let faults = table.faults(&node.sh("cat /proc/lockdep")?)?;
        ensure!(
            faults.is_empty(),
            "docs/architecture.md, Locks, is not what {} does: {}",
            node.name(),
            faults.join("; ")
        );
    }
    Ok(())
}

/// Locks of CM that are not of the whole node, but of a circuit, of a processor or of a file of the test
/// device.
const OF_ONE: [&str; 7] = [
    "podos_circuit",
    "podos_circuit_timer",
    "podos_callback",
    "podos_fragments",
    "podos_cmtest_reading",
    "podos_cmtest_writing",
    "podos_cmtest_echo",
];

/// How often each of CM's other locks was taken, by lockstat.
fn taken(node: Machine<'_>) -> Result<BTreeMap<String, u64>> {
    // A name that several locks have is numbered there.
    let script =
        "awk '$1 ~ /^podos_/ { sub(\"[:#/].*\", \"\", $1); print $1, $9 }' /proc/lock_stat";
    let mut taken = BTreeMap::new();
    for line in node.sh(script)?.lines() {
        let (name, times) = line.split_once(' ').context("a line of lock_stat")?;
        if !OF_ONE.contains(&name) {
            *taken.entry(name.to_owned()).or_default() += times.parse::<u64>()?;
        }
    }
    ensure!(
        taken.contains_key("podos_cdt"),
        "lockstat knows no locks of CM: {taken:?}"
    );
    Ok(taken)
}

/// However many circuits there are, a message between them is sent and received without any lock that
/// the node has one of: they would wait for each other there, however many processors there are.
fn shared_locks(lab: &Lab<'_>) -> Result<()> {
    const MESSAGES: u64 = 4_000;
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    for circuits in [1, 16] {
        let count = (MESSAGES / 2 / circuits).to_string();
        let ping = ["cm", "ping", "2", "--count", &count];
        let before = [taken(one)?, taken(two)?];
        let begin = Instant::now();
        let pings: Vec<_> = (0..circuits)
            .map(|_| one.start_tool(&ping))
            .collect::<Result<_>>()?;
        for ping in pings {
            ping.finish()?;
        }
        let after = [taken(one)?, taken(two)?];
        let seconds = begin.elapsed().as_secs() + 1;
        for ((node, before), after) in [one, two].into_iter().zip(before).zip(after) {
            for (name, times) in after {
                let times = times - before.get(&name).copied().unwrap_or(0);
                // That a peer lives is noted some 15 times a second for each rail, and the clock looks.
                let by_time = if name == "podos_peers" {
                    100 * seconds
                } else {
                    0
                };
                // A node receives half of the messages.
                ensure!(
                    times < MESSAGES / 4 + by_time,
                    "{}: {MESSAGES} messages over {circuits} circuits took {name} {times} times in {seconds} s",
                    node.name()
                );
            }
        }
    }
    server.kill()
}

/// One frame in so many, of those that come in.
fn set_odds(node: Machine<'_>, lost: u32, damaged: u32, late: u32) -> Result<()> {
    let folder = format!("{DEBUGFS}/podos_faults");
    node.sh(&format!(
        "echo {lost} > {folder}/lost && echo {damaged} > {folder}/damaged && \
         echo {late} > {folder}/late"
    ))
    .map(drop)
}

fn own_faults(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let damaged = "awk '$1 == \"bad_tag\" { print $2 }' /sys/kernel/podos/cm/drops";
    let before: u64 = two.sh(damaged)?.parse().context("drops")?;
    for node in [one, two] {
        set_odds(node, 25, 100, 25)?;
    }
    let outcome = ["stripe", "load", "round-robin"]
        .into_iter()
        .try_for_each(|group| {
            let transfer = Transfer::start(one, two, 3 * MB, group)?;
            transfer.finish().map(drop)
        });
    for node in [one, two] {
        set_odds(node, 0, 0, 0)?;
    }
    outcome?;
    let after: u64 = two.sh(damaged)?.parse().context("drops")?;
    ensure!(after > before, "no damaged frame was noticed");
    one.fails(&format!("echo many > {DEBUGFS}/podos_faults/lost"))?;
    Ok(())
}

/// Failures that are left to be had, of a number that is never used up.
const PLENTY: u64 = 1_000_000;

/// Has one allocation in `odds` fail while code of `module` is on the stack.
fn starve(node: Machine<'_>, module: &str, odds: u32) -> Result<()> {
    node.sh(&format!(
        "set -e\n\
         range=$(awk '$1 == \"{module}\" {{ print $6, $2 }}' /proc/modules)\n\
         start=${{range% *}}\n\
         end=$(printf '0x%x' $((start + ${{range#* }})))\n\
         for kind in failslab fail_page_alloc; do\n\
           cd {DEBUGFS}/$kind\n\
           echo $start > require-start\n\
           echo $end > require-end\n\
           echo 32 > stacktrace-depth\n\
           echo N > task-filter\n\
           echo 0 > verbose\n\
           echo 0 > space\n\
           echo {odds} > interval\n\
           echo {PLENTY} > times\n\
           echo N > ignore-gfp-wait\n\
         done\n\
         echo N > {DEBUGFS}/fail_page_alloc/ignore-gfp-highmem\n\
         echo 0 > {DEBUGFS}/fail_page_alloc/min-order\n\
         for kind in failslab fail_page_alloc; do echo 100 > {DEBUGFS}/$kind/probability; done\n"
    ))
    .with_context(|| format!("cannot make allocations of {module} fail"))
    .map(drop)
}

/// Ends it; how many allocations failed.
fn feed(node: Machine<'_>) -> Result<u64> {
    let left = node.sh(&format!(
        "for kind in failslab fail_page_alloc; do echo 0 > {DEBUGFS}/$kind/probability; done\n\
         cat {DEBUGFS}/failslab/times {DEBUGFS}/fail_page_alloc/times"
    ))?;
    let left: Vec<u64> = left
        .lines()
        .map(|line| line.trim().parse().context("failures left"))
        .collect::<Result<_>>()?;
    Ok(left.iter().map(|left| PLENTY - left).sum())
}

/// What uses all the modules: each line may fail, and ends in any case.
const WORK: [&str; 6] = [
    "cat /linus2/etc/hostname",
    "dd if=/dev/zero of=/linus2/tmp/starved bs=64k count=8",
    "cp /linus2/bin/busybox /tmp/starved && rm -f /tmp/starved",
    "ls -lR /linus2/etc && rm -f /linus2/tmp/starved",
    "podos run --on linus2 -- sh -c 'uname -n; cat /proc/self/gpid'",
    "podos nodes",
];

fn without_memory(lab: &Lab<'_>, module: &str) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let mut failed = 0;
    for hungry in [one, two] {
        // Rarely, so that much is half done; then often, so that most fails at its start.
        for odds in [29, 7, 2] {
            starve(hungry, module, odds)?;
            let outcome = WORK
                .iter()
                .try_for_each(|line| {
                    let line = format!("timeout -s KILL 40 sh -c \"{line}\" </dev/null");
                    one.try_sh(&line).map(drop)
                })
                .and_then(|()| one.try_sh("timeout 40 /tmp/podos-testtool cm open-close 2 20"));
            failed += feed(hungry)?;
            outcome?;
            works(lab)?;
        }
    }
    ensure!(failed > 0, "no allocation under {module} failed");
    Ok(())
}

/// Everything works as if nothing had been.
fn works(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // Nodes may have lost sight of each other while their beacons found no memory.
    for (node, other) in [(one, "linus2"), (two, "linus1")] {
        node.until(&format!("test \"$(cat /{other}/etc/hostname)\" = {other}"))?;
        node.until(&format!(
            "test \"$(podos run --on {other} -- uname -n)\" = {other}"
        ))?;
    }
    one.sh("rm -f /linus2/tmp/starved && ! test -e /linus2/tmp/starved")?;
    Transfer::start(one, two, MB, "stripe")?.finish().map(drop)
}
