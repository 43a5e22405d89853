// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of nodes.

use anyhow::Result;
use podos_harness::{Cluster, Node};

/// A node.
#[derive(clap::Args)]
pub(super) struct One {
    /// The node: linus2, or 2
    node: String,
}

impl One {
    pub(super) fn of<'a>(&self, cluster: &'a Cluster) -> Result<Node<'a>> {
        Ok(cluster.node_named(&self.node)?)
    }
}
