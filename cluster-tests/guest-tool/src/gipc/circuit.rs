// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node's directory that was opened with `O_GIPC`.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::ioctl::{ioctl, Getter, NoArg, Setter};

use super::abi;

pub struct Circuit {
    file: File,
    records: bool,
}

/// What one read gave.
pub enum Piece<'b> {
    /// Both streams come here if there are no records.
    Stdout(&'b [u8]),
    Stderr(&'b [u8]),
    /// A wait status.
    Exit(i32),
}

impl Circuit {
    pub fn open(node: &Path, program_at_caller: bool) -> io::Result<Self> {
        let caller = if program_at_caller {
            abi::O_GIPC_CALLER
        } else {
            0
        };
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(abi::O_GIPC | caller);
        let file = options.open(node)?;
        Ok(Self {
            file,
            records: false,
        })
    }

    pub fn use_records(&mut self) -> io::Result<()> {
        // SAFETY: The operation has no argument.
        unsafe { ioctl(&self.file, NoArg::<{ abi::RECORDS }>::new()) }?;
        self.records = true;
        Ok(())
    }

    pub fn end_input(&self) -> io::Result<()> {
        // SAFETY: The operation has no argument.
        Ok(unsafe { ioctl(&self.file, NoArg::<{ abi::END_OF_INPUT }>::new()) }?)
    }

    pub fn signal(&self, number: i32) -> io::Result<()> {
        // SAFETY: The operation reads an i32.
        Ok(unsafe { ioctl(&self.file, Setter::<{ abi::SIGNAL }, i32>::new(number)) }?)
    }

    /// Waits for the program's end; its wait status.
    pub fn status(&self) -> io::Result<i32> {
        // SAFETY: The operation writes an i32.
        Ok(unsafe { ioctl(&self.file, Getter::<{ abi::STATUS }, i32>::new()) }?)
    }

    /// Waits for the program's start.
    pub fn gpid(&self) -> io::Result<u64> {
        // SAFETY: The operation writes a u64.
        Ok(unsafe { ioctl(&self.file, Getter::<{ abi::GPID }, u64>::new()) }?)
    }

    /// The command first, the program's input afterwards.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        (&self.file).write_all(bytes)
    }

    /// One read; `None` is the end.
    pub fn read<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<Piece<'b>>> {
        let len = (&self.file).read(buffer)?;
        let bytes = &buffer[..len];
        match len {
            0 => Ok(None),
            _ if self.records => record(bytes).map(Some),
            _ => Ok(Some(Piece::Stdout(bytes))),
        }
    }
}

/// {stream, length} of 32 bits little-endian each, then the data.
fn record(bytes: &[u8]) -> io::Result<Piece<'_>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "a read gave no record");
    let (stream, rest) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    let (len, data) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
    if u32::from_le_bytes(*len) as usize != data.len() {
        return Err(bad());
    }
    match (u32::from_le_bytes(*stream), data) {
        (1, data) => Ok(Piece::Stdout(data)),
        (2, data) => Ok(Piece::Stderr(data)),
        (3, &[a, b, c, d]) => Ok(Piece::Exit(i32::from_le_bytes([a, b, c, d]))),
        _ => Err(bad()),
    }
}

/// The first write: strings that end with a null byte; an empty one before the environment and
/// another one before the working directory.
pub fn command(args: &[OsString], env: &[OsString], cwd: Option<&OsStr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut string = |text: &OsStr| {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    };
    args.iter().for_each(|arg| string(arg));
    if !env.is_empty() || cwd.is_some() {
        string(OsStr::new(""));
        env.iter().for_each(|variable| string(variable));
    }
    if let Some(cwd) = cwd {
        string(OsStr::new(""));
        string(cwd);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let strings = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let args = strings(&["uname", "-n"]);
        let cwd = Some(OsStr::new("/tmp"));
        assert_eq!(command(&args, &[], None), b"uname\0-n\0");
        assert_eq!(
            command(&args, &strings(&["A=1"]), None),
            b"uname\0-n\0\0A=1\0"
        );
        assert_eq!(command(&args, &[], cwd), b"uname\0-n\0\0\0/tmp\0");
    }

    #[test]
    fn records() {
        let Ok(Piece::Exit(status)) = record(b"\x03\0\0\0\x04\0\0\0\0\x07\0\0") else {
            panic!("no exit");
        };
        assert_eq!(libc::WEXITSTATUS(status), 7);
        assert!(matches!(
            record(b"\x02\0\0\0\x01\0\0\0x"),
            Ok(Piece::Stderr(b"x"))
        ));
        for lie in [
            &b""[..],
            b"\x01\0\0\0\x02\0\0\0x",
            b"\x03\0\0\0\x01\0\0\0x",
            b"\x04\0\0\0\0\0\0\0",
        ] {
            assert!(record(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn an_ordinary_file_knows_no_operation() {
        let file = tempfile::tempfile().unwrap();
        let mut circuit = Circuit {
            file,
            records: false,
        };
        let errno = |e: io::Error| e.raw_os_error();
        assert_eq!(
            circuit.use_records().map_err(errno),
            Err(Some(libc::ENOTTY))
        );
        assert_eq!(circuit.end_input().map_err(errno), Err(Some(libc::ENOTTY)));
        assert_eq!(circuit.signal(1).map_err(errno), Err(Some(libc::ENOTTY)));
        assert_eq!(circuit.status().map_err(errno), Err(Some(libc::ENOTTY)));
        assert_eq!(circuit.gpid().map_err(errno), Err(Some(libc::ENOTTY)));
    }
}
