// SPDX-License-Identifier: MIT OR Apache-2.0

//! Global process ids.

use std::collections::BTreeSet;

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "gpid.of_every_process_is_its_own",
        setting: SHARED,
        limit: None,
        run: of_every_process,
    },
    Test {
        name: "gpid.node_is_set_once",
        setting: SHARED,
        limit: None,
        run: node_is_set_once,
    },
    Test {
        name: "gpid.pids_have_16_bits",
        setting: SHARED,
        limit: None,
        run: pids_have_16_bits,
    },
];

fn of_every_process(lab: &Lab<'_>) -> Result<()> {
    let mut nodes = BTreeSet::new();
    for node in lab.nodes() {
        let census = node.tool(&["gpids", "--children", "40"])?;
        let processes: u64 = census.number("processes")?;
        ensure!(
            processes > 40,
            "only {processes} processes on {}",
            node.name()
        );
        census.expect("distinct", processes)?;
        for key in ["malformed", "foreign", "missing"] {
            census.expect(key, 0)?;
        }
        census.expect("nodes", 1)?;
        let part = census.text("node")?;
        ensure_eq!(
            part[..8],
            *format!("{:08x}", node.host()),
            "host id in GPIDs"
        );
        ensure!(&part[8..] != "0000", "the boot sequence number is 0");
        nodes.insert(part.to_owned());
    }
    ensure_eq!(nodes.len(), lab.nodes().len(), "different node parts");
    Ok(())
}

fn node_is_set_once(lab: &Lab<'_>) -> Result<()> {
    const FILE: &str = "/proc/sys/kernel/gpid_node";
    let node = lab.node(2)?;
    let before = node.sh(&format!("cat {FILE}"))?;
    ensure_eq!(
        before.split_whitespace().next(),
        Some("2"),
        "host id in {FILE}"
    );
    for other in ["9 9", "2 1", before.as_str(), "0 0", "x", ""] {
        node.fails(&format!("echo '{other}' > {FILE}"))?;
    }
    let said = node.fails(&format!("echo 9 9 > {FILE}"))?;
    ensure!(
        said.contains("not permitted"),
        "the second write says {said:?}"
    );
    ensure_eq!(
        node.sh(&format!("cat {FILE}"))?,
        before,
        "{FILE} after all that"
    );
    Ok(())
}

fn pids_have_16_bits(lab: &Lab<'_>) -> Result<()> {
    const FILE: &str = "/proc/sys/kernel/pid_max";
    let node = lab.node(1)?;
    let before = node.sh(&format!("cat {FILE}"))?;
    ensure!(before.parse::<u32>()? <= 65536, "{FILE} is {before}");
    node.fails(&format!("echo 65537 > {FILE}"))?;
    ensure_eq!(
        node.sh(&format!("cat {FILE}"))?,
        before,
        "{FILE} after a refusal"
    );
    Ok(())
}
