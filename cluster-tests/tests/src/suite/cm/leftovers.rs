// SPDX-License-Identifier: MIT OR Apache-2.0

//! Nothing is left of what is over.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use podos_harness::Kernel;

use super::load_modules;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, DYING, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.ten_thousand_circuits_leave_nothing",
        setting: SHARED,
        limit: None,
        run: ten_thousand,
    },
    Test {
        name: "cm.a_thousand_circuits_at_once",
        setting: SHARED,
        limit: None,
        run: at_once,
    },
    Test {
        name: "cm.modules_go_with_peers_dead",
        setting: DYING,
        limit: None,
        run: rmmod,
    },
];

/// Objects in use, of the caches that frames and circuits come from.
fn slabs(node: Machine<'_>) -> Result<BTreeMap<String, u64>> {
    // What is only cached is given back first.
    node.sh("echo 3 > /proc/sys/vm/drop_caches")?;
    let table = node.sh("awk 'NR > 2 { print $1, $2 }' /proc/slabinfo")?;
    let row = |line: &str| {
        let (name, used) = line.split_once(' ')?;
        Some((name.to_owned(), used.parse().ok()?))
    };
    let all: Option<BTreeMap<String, u64>> = table.lines().map(row).collect();
    let mut all = all.with_context(|| format!("this is no slabinfo: {table}"))?;
    all.retain(|name, _| name.starts_with("kmalloc-") || name.starts_with("skbuff_"));
    Ok(all)
}

fn ten_thousand(lab: &Lab<'_>) -> Result<()> {
    let count = lab.terms().at_least(10_000);
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let some = |count: u64| one.tool(&["cm", "open-close", "2", &count.to_string()]);
    some(500)?.expect("ok", 500)?;
    let empty = "grep -qx 'used 0' /sys/kernel/podos/cm/cdt";
    for node in [one, two] {
        node.until(empty)?;
    }
    let before = [slabs(one)?, slabs(two)?];
    some(count)?.expect("ok", count)?;
    for node in [one, two] {
        node.until(empty)?;
    }
    let after = [slabs(one)?, slabs(two)?];
    server.kill()?;
    if lab.terms().kernel == Kernel::Debug {
        // KASAN keeps what was freed for a while, so the counts say nothing; `kmemleak.shared`
        // looks for what was lost.
        return Ok(());
    }
    for (before, after) in before.iter().zip(&after) {
        for (cache, used) in after {
            // Other parts of the kernel live, too: far less than one object in ten circuits.
            let limit = before.get(cache).copied().unwrap_or(0) + count / 10;
            ensure!(
                *used < limit,
                "{cache} grew to {used} objects from {before:?}"
            );
        }
    }
    Ok(())
}

fn at_once(lab: &Lab<'_>) -> Result<()> {
    let count = lab.terms().at_least(1000);
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let answers = one.tool(&["cm", "many", "2", &count.to_string()])?;
    answers.expect("ok", 2 * count)?;
    for node in [one, two] {
        node.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    }
    server.kill()
}

fn rmmod(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let one = lab.node(1)?;
    // Circuits to nodes that die with them open.
    let mut open = Vec::new();
    for host in [2, 3] {
        let server = lab
            .node(host)?
            .start_tool(&["cm", "recv", "--pause-ms", "1000"])?;
        server.ready()?;
        let sender = one.start_tool(&["cm", "send", &host.to_string(), "--bytes", "999999999"])?;
        open.push((server, sender));
    }
    one.until("[ $(grep -c ' test active ' /sys/kernel/debug/podos/circuits) = 2 ]")?;
    lab.node(2)?.kill()?;
    lab.node(3)?.kill()?;
    super::super::modules::unload_all(one, &["podos_cmtest"])?;
    for (_, sender) in open {
        let answers = sender.finish()?;
        answers.expect_errno(libc::EHOSTDOWN)?;
    }
    ensure_eq!(
        one.sh("ls /dev/podos-cm 2>&1 || true")?.contains("No such"),
        true,
        "device"
    );
    super::super::modules::load_all(one)?;
    lab.revive()
}
