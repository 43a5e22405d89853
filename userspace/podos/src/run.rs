// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos run`: a program on another node, as if it ran here.

mod output_queue;
mod own_stream;
mod session;
mod signaller;

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitCode, ExitStatus};

use anyhow::{anyhow, Context, Result};
use clap::builder::{OsStringValueParser, TypedValueParser};
use podos::{Error, ProgramAt, Signals};

use crate::output;
use session::Session;
use signaller::FORWARDED;

/// Exit codes of shells, and of remote shells.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNALLED: i32 = 128;
const FAILED: u8 = 255;

/// Run a program on a node
///
/// Input, output, exit status and signals are the program's. The exit status is 127 for a program
/// that is not there, 126 for one that can't be run, 128 + N for one that was killed by signal N,
/// and 255, with a message, when the node or the circuit to it failed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  podos run linus2 -- uname -n")]
pub struct Arguments {
    /// The node: linus2, or 2
    #[arg(value_name = "NODE", required_unless_present = "on")]
    node: Option<String>,

    /// The node, as an option
    #[arg(long, value_name = "NODE", conflicts_with = "node")]
    on: Option<String>,

    /// A variable of the program's environment
    #[arg(short, long = "env", value_name = "NAME=VALUE",
        value_parser = OsStringValueParser::new().try_map(|pair| podos::variable(&pair)))]
    env: Vec<(OsString, OsString)>,

    /// The program's working directory on its node
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<OsString>,

    /// The program's file is on this node, and is fetched by the other one
    #[arg(long)]
    from_here: bool,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

impl Arguments {
    fn node(&self) -> &str {
        self.on.as_deref().or(self.node.as_deref()).unwrap_or("")
    }

    fn command(&self) -> podos::Command {
        let mut command = podos::Command::new(&self.command[0]);
        command.args(&self.command[1..]).on(self.node());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        if self.from_here {
            command.program_at(ProgramAt::Caller);
        }
        command
    }
}

pub fn run(arguments: Arguments) -> ExitCode {
    match remotely(&arguments) {
        Ok(status) => ExitCode::from(code_of(status)),
        Err(error) => {
            let error = match error.downcast_ref() {
                Some(Error::OwnNode(_)) => here(&arguments),
                _ => error,
            };
            output::fail(&error, code_of_error(&error))
        }
    }
}

/// Turns into the program, for the own node; returns only if that fails.
fn here(arguments: &Arguments) -> anyhow::Error {
    let mut command = std::process::Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]);
    command.envs(arguments.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(arguments.cwd.clone().unwrap_or_else(|| "/".into()));
    let source = command.exec();
    anyhow!(Error::Exec {
        node: arguments.node().to_owned(),
        program: arguments.command[0].to_string_lossy().into_owned(),
        source,
    })
}

fn code_of(status: ExitStatus) -> u8 {
    let signalled = status.signal().map(|signal| SIGNALLED + signal);
    let code = status.code().or(signalled).unwrap_or(FAILED.into());
    u8::try_from(code).unwrap_or(FAILED)
}

fn code_of_error(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(Error::Exec { source, .. }) => match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => NOT_FOUND,
            _ => NOT_EXECUTABLE,
        },
        _ => FAILED,
    }
}

fn remotely(arguments: &Arguments) -> Result<ExitStatus> {
    let mut signals = Signals::block(&FORWARDED).context("cannot take over signals")?;
    let child = arguments.command().spawn()?;
    child.remote().set_nonblocking(true)?;
    Session::new(child)?.serve(&mut signals)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
        let line = [&["run"], line].concat();
        Cli::try_parse_from(line).map(|cli| cli.arguments)
    }

    #[test]
    fn node_in_both_places() {
        for line in [
            &["linus2", "--", "uname", "-n"][..],
            &["--on", "linus2", "--", "uname", "-n"],
        ] {
            let arguments = parse(line).unwrap();
            assert_eq!(arguments.node(), "linus2");
            let command = arguments.command();
            assert_eq!(command.program().args, ["uname", "-n"]);
        }
    }

    #[test]
    fn options_reach_the_command() {
        let line = ["2", "-e", "A=b=c", "-C", "/tmp", "--", "x", "-C", "y"];
        let command = parse(&line).unwrap().command();
        let program = command.program();
        assert_eq!(program.env, [("A".into(), "b=c".into())]);
        assert_eq!(program.cwd.as_deref(), Some("/tmp".as_ref()));
        assert_eq!(program.args, ["x", "-C", "y"]);
    }

    #[test]
    fn bytes_need_not_be_text() {
        let bytes = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let line = [
            bytes(b"run"),
            bytes(b"2"),
            bytes(b"-e"),
            bytes(b"A\xff=\xfe="),
            bytes(b"-C"),
            bytes(b"/\xff"),
            bytes(b"--"),
            bytes(b"\xc3"),
        ];
        let command = Cli::try_parse_from(line).unwrap().arguments.command();
        let program = command.program();
        assert_eq!(program.env, [(bytes(b"A\xff"), bytes(b"\xfe="))]);
        assert_eq!(program.cwd, Some(bytes(b"/\xff")));
        assert_eq!(program.args, [bytes(b"\xc3")]);
    }

    #[test]
    fn command_lines_that_lack_something() {
        for line in [
            &["linus2"][..],
            &["--", "uname"],
            &["linus2", "--"],
            &["linus2", "-e", "A", "--", "x"],
            &["linus2", "-e", "=A", "--", "x"],
            &["linus2", "--on", "linus3", "--", "x"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn exit_codes() {
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of(ExitStatus::from_raw(libc::SIGKILL)), 137);
        let exec = |errno| {
            anyhow!(Error::Exec {
                node: "linus2".to_owned(),
                program: "x".to_owned(),
                source: io::Error::from_raw_os_error(errno),
            })
        };
        assert_eq!(code_of_error(&exec(libc::ENOENT)), 127);
        assert_eq!(code_of_error(&exec(libc::EACCES)), 126);
        assert_eq!(code_of_error(&exec(libc::ENOEXEC)), 126);
        assert_eq!(code_of_error(&anyhow!(Error::NoNode)), 255);
        assert_eq!(code_of_error(&anyhow!("anything")), 255);
    }
}
