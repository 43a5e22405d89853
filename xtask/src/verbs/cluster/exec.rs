// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster exec`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// Run a command on a node, with our standard streams and its exit status.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  cargo xtask cluster exec linus1 -- sh -c 'exit 7'\n\n\
    A command that a signal ends gives 128 plus the signal's number. If this program is \
    interrupted, the command gets a hang-up."
)]
pub struct Exec {
    #[command(flatten)]
    name: Name,
    /// Working directory there, /root without it
    #[arg(long, value_name = "DIR")]
    cwd: Option<OsString>,
    /// A variable in its environment
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<OsString>,
    /// The node: linus2, or 2
    node: String,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Xtask for Exec {
    fn run(self, _: &Context) -> Result<ExitCode> {
        let status = self.status().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            match error
                .downcast_ref::<podos_harness::Error>()
                .and_then(|error| error.errno())
            {
                Some(libc::ENOENT) => 127,
                Some(_) => 126,
                None => 255,
            }
        });
        Ok(ExitCode::from(status))
    }
}

impl Exec {
    /// Runs the command; the status that a shell would show.
    fn status(self) -> Result<u8> {
        let cluster = self.name.find()?;
        let (program, args) = self.command.split_first().context("CMD is missing")?;
        let mut exec = cluster.node_named(&self.node)?.command(program).args(args);
        for pair in &self.env {
            let bytes = pair.as_bytes();
            let at = bytes.iter().position(|byte| *byte == b'=');
            let at = at.filter(|at| *at > 0).with_context(|| {
                format!("--env {}: NAME=VALUE is wanted", pair.to_string_lossy())
            })?;
            let [name, value] = [&bytes[..at], &bytes[at + 1..]].map(OsStr::from_bytes);
            exec = exec.env(name, value);
        }
        if let Some(cwd) = &self.cwd {
            exec = exec.cwd(cwd);
        }
        let exit = exec.run_on_own_streams()?;
        Ok(exit.shell_status() as u8)
    }
}
