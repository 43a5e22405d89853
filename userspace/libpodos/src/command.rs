// SPDX-License-Identifier: MIT OR Apache-2.0

//! Building a remote command.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitStatus;

use crate::{Child, Error, Node, Output, Program, ProgramAt, Remote, Result};

/// A program to be run on another node, in the manner of [`std::process::Command`].
///
/// The program gets the caller's user and groups, a session of its own, and streams that are the
/// circuit itself.
#[derive(Clone, Debug)]
pub struct Command {
    program: Program,
    program_at: ProgramAt,
    node: Option<String>,
}

impl Command {
    /// The program, by path or by a name that is looked up in the remote `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: Program {
                args: vec![program.as_ref().to_owned()],
                ..Program::default()
            },
            program_at: ProgramAt::Remote,
            node: None,
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.program.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Adds a variable to the program's environment. Nothing of the caller's environment goes
    /// with the program; without `PATH` and `HOME` it gets default ones.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.program.env.retain(|(n, _)| *n != name);
        self.program.env.push((name, value));
        self
    }

    /// The program's working directory, a path on its node.
    pub fn current_dir(&mut self, dir: impl AsRef<OsStr>) -> &mut Self {
        self.program.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Where the program's file lies; at the node that runs it if nothing is said.
    pub fn program_at(&mut self, program_at: ProgramAt) -> &mut Self {
        self.program_at = program_at;
        self
    }

    /// The node to run on: `linus2`, `/linus2` or `2`.
    pub fn on(&mut self, node: impl AsRef<str>) -> &mut Self {
        self.node = Some(node.as_ref().to_owned());
        self
    }

    /// The program as it will be sent.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Starts the program.
    ///
    /// # Errors
    ///
    /// [`Error::NoNode`] and those of [`Remote::open`] and [`Remote::exec`]. A program that can't
    /// be run makes the child's first read or wait fail.
    pub fn spawn(&self) -> Result<Child> {
        let node: Node = self.node.as_deref().ok_or(Error::NoNode)?.parse()?;
        let name = self.program.args[0].to_string_lossy().into_owned();
        let program = self.program_to_send()?;
        let remote = Remote::open_with(node, self.program_at)?;
        remote.use_records()?;
        remote.exec(&program)?;
        Ok(Child::new(remote, name))
    }

    /// The other node does not know where the caller is: to it, a file here has a full path.
    fn program_to_send(&self) -> Result<Cow<'_, Program>> {
        let name = Path::new(&self.program.args[0]);
        let plain = name.components().count() == 1 && name.parent() == Some(Path::new(""));
        if self.program_at == ProgramAt::Remote || name.is_absolute() || plain {
            return Ok(Cow::Borrowed(&self.program));
        }
        let path = std::path::absolute(name)
            .map_err(|_| Error::BadCommand("cannot find the program's full path"))?;
        let mut program = self.program.clone();
        program.args[0] = path.into_os_string();
        Ok(Cow::Owned(program))
    }

    /// Runs the program with an empty input, its output going to the caller's own, and waits for
    /// its end.
    ///
    /// # Errors
    ///
    /// As [`Child::wait`].
    pub fn status(&self) -> Result<ExitStatus> {
        let mut child = self.spawn()?;
        child.end_input()?;
        child.forward(&mut std::io::stdout(), &mut std::io::stderr())
    }

    /// Runs the program with an empty input and collects its output.
    ///
    /// # Errors
    ///
    /// As [`Child::wait_with_output`].
    pub fn output(&self) -> Result<Output> {
        let child = self.spawn()?;
        child.end_input()?;
        child.wait_with_output()
    }
}

/// A variable as command lines give it: name and value of `NAME=VALUE`. Both are bytes, as
/// everything in an environment.
///
/// # Errors
///
/// The form that is wanted.
pub fn variable(pair: &OsStr) -> Result<(OsString, OsString), &'static str> {
    let bytes = pair.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if at > 0 => {
            let [name, value] = [&bytes[..at], &bytes[at + 1..]].map(OsStr::from_bytes);
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("not of the form NAME=VALUE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name() {
        let (name, value) = variable(OsStr::from_bytes(b"A\xff=\xfe=")).unwrap();
        assert_eq!(name.as_bytes(), b"A\xff");
        assert_eq!(value.as_bytes(), b"\xfe=");
        for pair in ["", "A", "=A"] {
            assert!(variable(OsStr::new(pair)).is_err(), "{pair}");
        }
    }

    #[test]
    fn the_last_value_of_a_variable_counts() {
        let mut command = Command::new("env");
        command.env("A", "1").env("B", "2").env("A", "3");
        let names: Vec<_> = command.program().env.iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["B", "A"]);
        assert_eq!(command.program().env[1].1, "3");
    }

    #[test]
    fn a_file_of_the_callers_gets_a_full_path() {
        let sent = |name: &str, program_at| {
            let mut command = Command::new(name);
            command.program_at(program_at);
            let sent = command.program_to_send().unwrap().args[0].clone();
            sent.into_string().unwrap()
        };
        let here = std::env::current_dir().unwrap();
        let full = here.join("bin/x").to_str().unwrap().to_owned();
        assert_eq!(sent("bin/x", ProgramAt::Caller), full);
        assert_eq!(sent("./bin/x", ProgramAt::Caller), full);
        for name in ["x", "/bin/x"] {
            assert_eq!(sent(name, ProgramAt::Caller), name);
        }
        assert_eq!(sent("bin/x", ProgramAt::Remote), "bin/x");
    }

    #[test]
    fn a_command_needs_a_node() {
        let error = Command::new("true").spawn().unwrap_err();
        assert!(matches!(error, Error::NoNode));
        let error = Command::new("true").on("nowhere").spawn().unwrap_err();
        assert!(matches!(error, Error::BadNodeName(_)));
    }
}
