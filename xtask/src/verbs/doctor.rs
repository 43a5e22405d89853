// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask doctor`: what the host has and lacks.

use std::process::ExitCode;

use anyhow::Result;

use crate::context::Context;
use crate::host::{self, Purpose};
use crate::Xtask;

/// Show which host tools are there, and the one command that installs the missing ones
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask doctor")]
pub struct Doctor {}

impl Xtask for Doctor {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        for tool in host::TOOLS.iter().filter(|tool| tool.wanted(Purpose::Test)) {
            match tool.find() {
                Some(path) => println!("ok       {:22} {}", tool.name, path.display()),
                None => println!("MISSING  {:22} {}", tool.name, tool.why),
            }
        }
        println!("cache    {}", ctx.cache().display());
        let missing = host::missing(Purpose::Test);
        if missing.is_empty() {
            println!("nothing is missing");
            return Ok(ExitCode::SUCCESS);
        }
        println!(
            "install what is missing with: {}",
            host::install_command(&missing)
        );
        Ok(ExitCode::FAILURE)
    }
}
