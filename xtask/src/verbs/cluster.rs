// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask cluster`: clusters of nodes on this machine.

mod console;
mod down;
mod exec;
mod fault;
mod status;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use podos_harness::{Cluster as Running, DEFAULT_NAME};

use crate::context::Context;
use crate::Xtask;

/// Boot a cluster on this machine, use it, and end it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    cargo xtask cluster up --nodes 3\n  \
    cargo xtask cluster exec linus1 -- cat /linus2/etc/hostname\n  \
    cargo xtask cluster fault kill linus2\n  \
    cargo xtask cluster down")]
pub struct Cluster {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Up(up::Up),
    Exec(exec::Exec),
    Fault(fault::Fault),
    Status(status::Status),
    Console(console::Console),
    Down(down::Down),
}

impl Xtask for Cluster {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        match self.verb {
            Verb::Up(verb) => verb.run(ctx),
            Verb::Exec(verb) => verb.run(ctx),
            Verb::Fault(verb) => verb.run(ctx),
            Verb::Status(verb) => verb.run(ctx),
            Verb::Console(verb) => verb.run(ctx),
            Verb::Down(verb) => verb.run(ctx),
        }
    }
}

/// Which cluster is meant.
#[derive(clap::Args)]
struct Name {
    /// Name of the cluster
    #[arg(long, value_name = "C", default_value = DEFAULT_NAME)]
    name: Option<String>,
}

impl Name {
    fn get(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_NAME)
    }

    /// The cluster, which is up.
    fn find(&self) -> Result<Running> {
        Ok(Running::find(self.get())?)
    }
}
