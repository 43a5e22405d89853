// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos gpid`: global process ids.

use anyhow::{Context, Result};

use crate::output;

/// Print the global process id of a process
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  podos gpid 1")]
pub struct Arguments {
    /// Process id on this node; the caller's if left out
    pid: Option<u32>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // The caller is the process that runs this command.
    let pid = arguments
        .pid
        .unwrap_or_else(std::os::unix::process::parent_id);
    let gpid = podos::gpid_of(Some(pid))
        .with_context(|| format!("cannot read the GPID of process {pid}"))?;
    output::print(format_args!("{gpid}\n"))
}
