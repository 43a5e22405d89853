// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node as users have it, among nodes of the laboratory: nobody can ask it anything but by
//! PODOS itself.

use anyhow::{ensure, Result};
use serde_json::Value;

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, PRODUCT};

pub const TESTS: &[Test] = &[
    Test {
        name: "product.joins_a_laboratory",
        setting: PRODUCT,
        limit: None,
        run: joins,
    },
    Test {
        name: "product.knows_nothing_of_tests",
        setting: PRODUCT,
        limit: None,
        run: knows_no_tests,
    },
];

fn joins(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        let name = node.name();
        ensure_eq!(
            node.sh("cat /linus3/etc/hostname")?,
            "linus3",
            "from {name}"
        );
        ensure_eq!(
            node.sh("podos run linus3 -- uname -n")?,
            "linus3",
            "from {name}"
        );
        let listed: Value = serde_json::from_str(&node.sh("podos nodes --json")?)?;
        let nodes = listed.as_array().map(Vec::len);
        ensure_eq!(nodes, Some(3), "{name}: {listed}");
        // The other way: its client reads what this node serves.
        let back = format!("podos run linus3 -- cat /{name}/etc/hostname");
        ensure_eq!(node.sh(&back)?, name, "`{back}`");
    }
    Ok(())
}

fn knows_no_tests(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    // What is asked for is on a node of the laboratory, or the question would prove nothing.
    let questions = [
        "find / -xdev -path '*agent*' -o -xdev -name '*cmtest*' -o -xdev -name '*example*'",
        "ls /dev/podos-cm /mnt/host",
        "grep -lx agent /proc/[0-9]*/comm",
        "ip -4 addr show dev eth0 | grep inet",
    ];
    node.sh("modprobe podos_cmtest || insmod /lib/modules/podos/podos_cmtest.ko")?;
    for question in questions {
        let here = node.try_sh(&format!("({question}) 2>/dev/null"))?;
        ensure!(
            !here.stdout.is_empty(),
            "`{question}` finds nothing in the laboratory"
        );
        let there = node.exec(&["podos", "run", "linus3", "--", "sh", "-c", question])?;
        ensure_eq!(there.stdout, "", "`{question}` on the node");
    }
    let loaded = node.sh("podos run linus3 -- cut -d ' ' -f 1 /proc/modules")?;
    let mut loaded: Vec<_> = loaded.lines().collect();
    loaded.sort_unstable();
    let ours = ["podos_cm", "podos_gipc", "podos_pdfs", "podos_rm"];
    ensure_eq!(loaded, ours, "modules of the node");
    node.sh("rmmod podos_cmtest")?;
    Ok(())
}
