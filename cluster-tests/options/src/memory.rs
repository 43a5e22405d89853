// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory of nodes.

/// How much memory nodes have.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Memory {
    /// Memory of each node in MiB; the topology's, usually 512, if left out
    #[arg(long, alias = "memory", value_name = "N")]
    pub memory_mib: Option<u32>,
}
