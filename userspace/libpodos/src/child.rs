// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running remote program.

use std::io::Write;
use std::process::ExitStatus;

use crate::{Error, Gpid, Record, Remote, Result, Target, RECORD_HEADER};

/// The most that one read of a child's output takes.
const BUFFER: usize = RECORD_HEADER + 64 * 1024;

/// A remote program that was started by [`crate::Command::spawn`].
///
/// Dropping it before the program has ended kills the program.
#[derive(Debug)]
pub struct Child {
    remote: Remote,
    program: String,
    status: Option<ExitStatus>,
}

/// What a program wrote, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Child {
    pub(crate) fn new(remote: Remote, program: String) -> Self {
        Self {
            remote,
            program,
            status: None,
        }
    }

    /// The circuit, in record mode: for `poll(2)`, and to write the program's input.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The program's global process id.
    ///
    /// # Errors
    ///
    /// As [`Remote::gpid`].
    pub fn gpid(&self) -> Result<Gpid> {
        self.remote.gpid().map_err(|e| self.started(e))
    }

    /// Writes to the program's standard input.
    ///
    /// # Errors
    ///
    /// [`Error::NodeDown`], or [`Error::Io`] with `EPIPE` when nobody reads it any more: the program and
    /// what it started have ended.
    pub fn write_input(&self, bytes: &[u8]) -> Result<()> {
        let node = self.remote.node().to_string();
        (&self.remote)
            .write_all(bytes)
            .map_err(|e| Error::on_circuit(&node, "write the program's input", e))
    }

    /// Ends the program's standard input.
    ///
    /// # Errors
    ///
    /// As [`Remote::end_input`].
    pub fn end_input(&self) -> Result<()> {
        self.remote.end_input()
    }

    /// Has the program's reads of its standard input fail with `errno`.
    ///
    /// # Errors
    ///
    /// As [`Remote::fail_input`].
    pub fn fail_input(&self, errno: i32) -> Result<()> {
        self.remote.fail_input(errno)
    }

    /// Kills the program.
    ///
    /// # Errors
    ///
    /// As [`Remote::signal`].
    pub fn kill(&self) -> Result<()> {
        self.remote.signal(Target::Program, libc::SIGKILL)
    }

    /// The next piece of output or the end of the program; `None` when the circuit is at its end.
    /// What the program's own children still write may come after the [`Record::Exit`].
    ///
    /// # Errors
    ///
    /// [`Error::Exec`] if the program could not be started, else as [`Remote::read_record`].
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<Record<'b>>> {
        let record = self.remote.read_record(buffer);
        if let Ok(Some(Record::Exit(status))) = record {
            self.status = Some(status);
        }
        record.map_err(|e| self.started(e))
    }

    /// How the program ended, if that is known by now.
    pub fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Copies the program's output to the given sinks until its end.
    ///
    /// # Errors
    ///
    /// As [`Child::next`]; [`Error::NoExitStatus`]; and [`Error::Io`] when a sink fails.
    pub fn forward(
        &mut self,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<ExitStatus> {
        let mut buffer = vec![0; BUFFER];
        let node = self.remote.node().to_string();
        while let Some(record) = self.next(&mut buffer)? {
            let written = match record {
                Record::Stdout(data) => stdout.write_all(data).and_then(|()| stdout.flush()),
                Record::Stderr(data) => stderr.write_all(data),
                Record::Exit(_) => Ok(()),
            };
            written.map_err(|source| Error::Io {
                operation: "pass on the output of the program",
                node: node.clone(),
                source,
            })?;
        }
        self.status.ok_or(Error::NoExitStatus { node })
    }

    /// Ends the program's input, drops its output and waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Child::forward`].
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        self.end_input()?;
        self.forward(&mut std::io::sink(), &mut std::io::sink())
    }

    /// Collects the program's output until its end. Its input stays as it is: end it first, or
    /// the program may wait for it.
    ///
    /// # Errors
    ///
    /// As [`Child::forward`].
    pub fn wait_with_output(mut self) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = self.forward(&mut stdout, &mut stderr)?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Before any status, an error of a kind that only `execve(2)` has is the start's failure.
    fn started(&self, error: Error) -> Error {
        match error {
            Error::Io { node, source, .. } if self.status.is_none() && is_exec_error(&source) => {
                Error::Exec {
                    node,
                    program: self.program.clone(),
                    source,
                }
            }
            other => other,
        }
    }
}

/// Whether this is an answer to "run this program", and not one of reading from a circuit.
fn is_exec_error(error: &std::io::Error) -> bool {
    !matches!(
        error.raw_os_error(),
        None | Some(libc::EAGAIN | libc::EINTR | libc::EBADF | libc::EFAULT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn exec_errors_are_told_from_circuit_errors() {
        for errno in [libc::ENOENT, libc::EACCES, libc::ENOEXEC, libc::E2BIG] {
            assert!(is_exec_error(&io::Error::from_raw_os_error(errno)));
        }
        for errno in [libc::EAGAIN, libc::EINTR] {
            assert!(!is_exec_error(&io::Error::from_raw_os_error(errno)));
        }
    }
}
