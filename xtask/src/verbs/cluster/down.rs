// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster down`.

use std::process::ExitCode;

use anyhow::Result;

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// End a cluster: no process, network or file of it stays
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask cluster down")]
pub struct Down {
    #[command(flatten)]
    name: Name,
}

impl Xtask for Down {
    fn run(self, _: &Context) -> Result<ExitCode> {
        let name = self.name.get();
        if podos_harness::Cluster::down_named(name)? {
            println!("cluster `{name}` is down");
        } else {
            println!("cluster `{name}` was not up");
        }
        Ok(ExitCode::SUCCESS)
    }
}
