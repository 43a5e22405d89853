// SPDX-License-Identifier: MIT OR Apache-2.0

//! The GIPC file: a circuit to a program on another node.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::{abi, gpid, ioctl, Error, Gpid, Node, Program, Record, Result};

/// Where the program's file lies (paper, section 5.4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgramAt {
    /// At the node that runs it.
    #[default]
    Remote,
    /// At the caller's node; the remote one fetches it through PDFS.
    Caller,
}

/// A circuit to a program on another node.
///
/// Reading gives what the program writes, writing is what it reads, and both work from several
/// threads through `&Remote`. Dropping it before the program has ended kills the program.
#[derive(Debug)]
pub struct Remote {
    file: File,
    node: Node,
}

impl Remote {
    /// Opens a circuit to `node`; returns before the node has answered.
    ///
    /// # Errors
    ///
    /// [`Error::OwnNode`], [`Error::UnknownNode`], [`Error::NodeDown`] or [`Error::NoGipc`].
    pub fn open(node: Node) -> Result<Self> {
        Self::open_with(node, ProgramAt::Remote)
    }

    /// The same, saying where the program's file will be found.
    ///
    /// # Errors
    ///
    /// As [`Remote::open`].
    pub fn open_with(node: Node, program_at: ProgramAt) -> Result<Self> {
        let flags = match program_at {
            ProgramAt::Remote => abi::O_GIPC,
            ProgramAt::Caller => abi::O_GIPC | abi::O_GIPC_CALLER,
        };
        let path = node.directory();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(&path);
        let source = match opened {
            Ok(file) => return Ok(Self { file, node }),
            Err(source) => source,
        };
        if gpid::own_node().ok().flatten() == Some(node) {
            return Err(Error::OwnNode(node.to_string()));
        }
        let path = path.display().to_string();
        Err(match source.raw_os_error() {
            Some(libc::ENOENT) => Error::UnknownNode {
                node: node.to_string(),
                path,
            },
            Some(libc::EINVAL | libc::ENXIO | libc::EISDIR | libc::EOPNOTSUPP) => {
                Error::NoGipc { path, source }
            }
            _ => Error::on_circuit(&node.to_string(), "reach GIPC", source),
        })
    }

    /// Another handle of the same circuit, for another thread; the last one that is dropped closes it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no descriptor left.
    pub fn try_clone(&self) -> Result<Self> {
        let file = self.file.try_clone();
        let file = file.map_err(|e| self.error("make another handle of the circuit", e))?;
        Ok(Self {
            file,
            node: self.node,
        })
    }

    /// The node at the other end.
    pub fn node(&self) -> Node {
        self.node
    }

    /// Makes every read give one record, so that the two output streams and the end of the
    /// program are told apart.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn use_records(&self) -> Result<()> {
        ioctl::call::<{ abi::RECORDS }>(&self.file)
            .map_err(|e| self.error("ask for records of the program", e))
    }

    /// Names the program that the node is to run.
    ///
    /// # Errors
    ///
    /// [`Error::BadCommand`], [`Error::NodeDown`] or [`Error::Io`]. That the program can't be run
    /// is told by the first read.
    pub fn exec(&self, program: &Program) -> Result<()> {
        let command = program.encode()?;
        (&self.file)
            .write_all(&command)
            .map_err(|e| self.error("send the command to GIPC", e))
    }

    /// Reads one record into `buffer`; `None` is the end of the circuit.
    ///
    /// A record that does not fit is given in pieces. The circuit must be in record mode, and
    /// `buffer` longer than [`crate::RECORD_HEADER`] by 4 bytes at least.
    ///
    /// # Errors
    ///
    /// [`Error::Exec`] if the program could not be started, [`Error::NodeDown`],
    /// [`Error::BrokenRecord`] or [`Error::Io`] (`WouldBlock` in non-blocking mode).
    pub fn read_record<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<Record<'b>>> {
        let len = loop {
            match (&self.file).read(buffer) {
                Ok(len) => break len,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.error("read from the program", e)),
            }
        };
        if len == 0 {
            return Ok(None);
        }
        Record::parse(&buffer[..len])
            .map(Some)
            .map_err(|source| Error::BrokenRecord {
                node: self.node.to_string(),
                source,
            })
    }

    /// Ends the program's standard input.
    ///
    /// # Errors
    ///
    /// [`Error::NodeDown`] or [`Error::Io`].
    pub fn end_input(&self) -> Result<()> {
        ioctl::call::<{ abi::END_OF_INPUT }>(&self.file)
            .map_err(|e| self.error("end the program's input", e))
    }

    /// Has the program's reads of its standard input fail with `errno`, behind what was written
    /// before: more of it can't be read here. Ends it likewise.
    ///
    /// # Errors
    ///
    /// [`Error::NodeDown`] or [`Error::Io`], with `EINVAL` for a number that is no error's.
    pub fn fail_input(&self, errno: i32) -> Result<()> {
        ioctl::set::<{ abi::FAIL_INPUT }, i32>(&self.file, errno)
            .map_err(|e| self.error("tell of the program's input", e))
    }

    /// Sends a signal to the program, or to its whole process group.
    ///
    /// # Errors
    ///
    /// [`Error::NodeDown`], or [`Error::Io`] with `ESRCH` when the program has ended and `EINVAL`
    /// when there is no such signal.
    pub fn signal(&self, target: Target, signal: i32) -> Result<()> {
        let number = match target {
            Target::Program => signal,
            Target::Group => -signal,
        };
        ioctl::set::<{ abi::SIGNAL }, i32>(&self.file, number)
            .map_err(|e| self.error("send a signal to the program", e))
    }

    /// The program's wait status; blocks until it has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Exec`], [`Error::NodeDown`] or [`Error::Io`].
    pub fn status(&self) -> Result<ExitStatus> {
        let raw = ioctl::get::<{ abi::STATUS }, i32>(&self.file);
        raw.map(ExitStatus::from_raw)
            .map_err(|e| self.error("wait for the program", e))
    }

    /// The program's global process id; blocks until it was started.
    ///
    /// # Errors
    ///
    /// [`Error::Exec`], [`Error::NodeDown`] or [`Error::Io`].
    pub fn gpid(&self) -> Result<Gpid> {
        let raw = ioctl::get::<{ abi::GPID }, u64>(&self.file);
        raw.map(Gpid::from_raw)
            .map_err(|e| self.error("ask for the GPID of the program", e))
    }

    /// Makes reads and writes return `WouldBlock` instead of waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        let mut flags = rustix::fs::fcntl_getfl(&self.file)
            .map_err(|e| self.error("read the flags of the circuit to GIPC", e.into()))?;
        flags.set(rustix::fs::OFlags::NONBLOCK, nonblocking);
        rustix::fs::fcntl_setfl(&self.file, flags)
            .map_err(|e| self.error("set the flags of the circuit to GIPC", e.into()))
    }

    fn error(&self, operation: &'static str, source: io::Error) -> Error {
        Error::on_circuit(&self.node.to_string(), operation, source)
    }
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The program that was started.
    Program,
    /// It and those it started, as a terminal does.
    Group,
}

impl Read for &Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }
}

impl Read for Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for &Remote {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Remote {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Remote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Remote> for OwnedFd {
    fn from(remote: Remote) -> Self {
        remote.file.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No machine that runs unit tests has a directory for this node.
    #[test]
    fn a_node_that_nobody_knows() {
        let node: Node = "linus4000000000".parse().unwrap();
        let error = Remote::open(node).unwrap_err();
        assert!(matches!(&error, Error::UnknownNode { .. }), "{error:?}");
        assert_eq!(error.errno(), libc::ENOENT);
    }
}
