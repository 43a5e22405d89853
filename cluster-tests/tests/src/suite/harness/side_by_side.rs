// SPDX-License-Identifier: MIT OR Apache-2.0

//! Independent clusters on one machine do not meet.

use anyhow::{ensure, Context, Result};
use podos_harness::{CmMode, Topology, Up};

use super::faults::{hears, until_hears};
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};

/// Another cluster beside the test's own, with the same host id in it, on bridges as well.
pub fn side_by_side(lab: &Lab<'_>) -> Result<()> {
    let first = lab.cluster()?;
    let name = format!("beside-{}", std::process::id());
    let image = first.image().context("the cluster has no image")?;
    // Every frame of an open cluster would be heard by who is on its rails.
    let topology = Topology {
        nodes: vec![1, 7],
        ..Topology::nodes(2)
            .cm_mode(CmMode::Open)
            .kernel(lab.terms().kernel)
    };
    let second = podos_harness::Cluster::up(&Up::new(&name, image, topology))?;
    let outcome = apart(lab, &second);
    second.down()?;
    outcome?;
    // The end of one is no other's.
    until_hears(lab.node(1)?, 2)?;
    ensure_eq!(
        lab.node(1)?.sh("cat /linus2/etc/hostname")?,
        "linus2",
        "afterwards"
    );
    Ok(())
}

fn apart(lab: &Lab<'_>, second: &podos_harness::Cluster) -> Result<()> {
    let there = Machine::new(second.node(1)?);
    let here = lab.node(1)?;
    let nodes = |node: Machine<'_>| node.sh("podos nodes | sed -n 's/^\\(linus[0-9]*\\).*/\\1/p'");
    ensure_eq!(nodes(here)?, "linus1\nlinus2\nlinus3", "nodes of the first");
    ensure_eq!(nodes(there)?, "linus1\nlinus7", "nodes of the second");
    // Both have a linus1 of the same addresses, and each is its own cluster's.
    until_hears(here, 2)?;
    until_hears(there, 7)?;
    ensure!(!hears(here, 7)?, "the first hears the second's linus7");
    ensure!(!hears(there, 2)?, "the second hears the first's linus2");
    for (node, word) in [(lab.node(1)?, "first"), (there, "second")] {
        node.sh(&format!("echo {word} > /tmp/whose"))?;
    }
    let seven = Machine::new(second.node(7)?);
    ensure_eq!(
        lab.node(2)?.sh("cat /linus1/tmp/whose")?,
        "first",
        "by linus2"
    );
    ensure_eq!(seven.sh("cat /linus1/tmp/whose")?, "second", "by linus7");
    here.sh("rm /tmp/whose").map(drop)
}
