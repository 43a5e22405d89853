// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster exec`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// Run a command on a node, with our standard streams and its exit status
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
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<OsString>,
    /// A variable in its environment
    #[arg(short, long, value_name = "NAME=VALUE",
        value_parser = OsStringValueParser::new().try_map(|pair| podos::variable(&pair)))]
    env: Vec<(OsString, OsString)>,
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
        for (name, value) in &self.env {
            exec = exec.env(name, value);
        }
        if let Some(cwd) = &self.cwd {
            exec = exec.cwd(cwd);
        }
        let exit = exec.run_on_own_streams()?;
        Ok(exit.shell_status() as u8)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        exec: Exec,
    }

    #[test]
    fn options_are_those_of_podos_run() {
        let line = ["exec", "1", "-e", "A=b=c", "-C", "/tmp", "--", "x", "-C"];
        let exec = Cli::try_parse_from(line).expect("it is right").exec;
        assert_eq!(exec.env, [("A".into(), "b=c".into())]);
        assert_eq!(exec.cwd.as_deref(), Some("/tmp".as_ref()));
        assert_eq!(exec.command, ["x", "-C"]);
        assert!(Cli::try_parse_from(["exec", "1", "-e", "A", "--", "x"]).is_err());
    }
}
