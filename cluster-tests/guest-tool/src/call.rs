// SPDX-License-Identifier: MIT OR Apache-2.0

//! `call`: one system call, timed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::fs::{access, Access};
use rustix::io::ReadWriteFlags;

use crate::gipc::abi;
use crate::report::{say, say_millis, say_outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Operation {
    /// open(2) for reading
    Open,
    /// open(2) with O_RDWR | O_GIPC
    OpenGipc,
    /// stat(2)
    Stat,
    /// access(2) to write
    AccessWrite,
    /// access(2) to execute
    AccessExecute,
    /// All of a directory
    List,
    /// pread(2) of a file that is opened once
    Read,
    /// pwrite(2) to a file that is opened, and made, once
    Write,
    /// mkdir(2)
    Mkdir,
    /// fsync(2) of a file or directory that is opened for reading
    Fsync,
    /// pwritev2(2) with RWF_DSYNC to a file that is opened once
    WriteDsync,
}

/// Make a call and say how long it took and with which error number it ended
///
/// `calls`, `errno` and `elapsed_ms` are of the last call; `slowest_ms` of the slowest one that
/// did not fail. A file that can't be opened in the first place is a failed call, too.
#[derive(Debug, clap::Args)]
pub struct Call {
    operation: Operation,
    path: PathBuf,

    /// Repeat the call until it fails; `ready=1` is printed after the first one
    #[arg(long)]
    until_error: bool,

    /// Give up repeating after this time
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        requires = "until_error"
    )]
    within: u64,

    /// Bytes of a read or a write
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024)]
    size: usize,
}

impl Call {
    pub fn run(&self) -> Result<()> {
        let start = Instant::now();
        let limit = Duration::from_secs(self.within);
        let mut subject = Subject::new(self.operation, &self.path, self.size);
        let mut calls = 0_u64;
        let mut slowest = Duration::ZERO;
        loop {
            let before = Instant::now();
            let result = subject.call();
            let elapsed = before.elapsed();
            calls += 1;
            if calls == 1 {
                say("ready", u8::from(result.is_ok()));
            }
            if self.until_error && result.is_ok() && start.elapsed() < limit {
                slowest = slowest.max(elapsed);
                continue;
            }
            say("calls", calls);
            say_outcome(&result);
            say_millis("elapsed_ms", elapsed);
            say_millis("slowest_ms", slowest);
            if let Ok(bytes) = result {
                say("result", bytes);
            }
            return Ok(());
        }
    }
}

/// What is called.
struct Subject<'a> {
    operation: Operation,
    path: &'a Path,
    buffer: Vec<u8>,
    file: Option<File>,
}

impl<'a> Subject<'a> {
    fn new(operation: Operation, path: &'a Path, size: usize) -> Self {
        Self {
            operation,
            path,
            buffer: vec![b'x'; size],
            file: None,
        }
    }

    /// The call; what it tells as a number.
    fn call(&mut self) -> io::Result<u64> {
        let mut options = OpenOptions::new();
        options.read(true);
        match self.operation {
            Operation::Open => options.open(self.path).map(|_| 0),
            Operation::OpenGipc => {
                options.write(true).custom_flags(abi::O_GIPC);
                options.open(self.path).map(|_| 0)
            }
            Operation::Stat => fs::symlink_metadata(self.path).map(|m| m.len()),
            Operation::AccessWrite => Ok(access(self.path, Access::WRITE_OK).map(|()| 0)?),
            Operation::AccessExecute => Ok(access(self.path, Access::EXEC_OK).map(|()| 0)?),
            Operation::List => {
                fs::read_dir(self.path)?.try_fold(0, |count, entry| entry.map(|_| count + 1))
            }
            Operation::Read => {
                let file = opened(&mut self.file, &options, self.path)?;
                file.read_at(&mut self.buffer, 0).map(|n| n as u64)
            }
            Operation::Write => {
                options.write(true).create(true);
                let file = opened(&mut self.file, &options, self.path)?;
                file.write_at(&self.buffer, 0).map(|n| n as u64)
            }
            Operation::Mkdir => fs::create_dir(self.path).map(|()| 0),
            Operation::Fsync => options.open(self.path)?.sync_all().map(|()| 0),
            Operation::WriteDsync => {
                options.read(false).write(true);
                let file = opened(&mut self.file, &options, self.path)?;
                let data = [IoSlice::new(&self.buffer)];
                let written = rustix::io::pwritev2(file, &data, 0, ReadWriteFlags::DSYNC)?;
                Ok(written as u64)
            }
        }
    }
}

fn opened<'f>(
    file: &'f mut Option<File>,
    options: &OpenOptions,
    path: &Path,
) -> io::Result<&'f mut File> {
    match file {
        Some(file) => Ok(file),
        None => Ok(file.insert(options.open(path)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::errno;

    fn call(operation: Operation, path: &Path) -> io::Result<u64> {
        Subject::new(operation, path, 10).call()
    }

    #[test]
    fn results_and_error_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let missing = call(Operation::Stat, &path);
        assert_eq!(errno(&missing), libc::ENOENT);
        assert_eq!(call(Operation::Write, &path).unwrap(), 10);
        assert_eq!(call(Operation::Stat, &path).unwrap(), 10);
        assert_eq!(call(Operation::Read, &path).unwrap(), 10);
        assert_eq!(call(Operation::AccessWrite, &path).unwrap(), 0);
        let refused = call(Operation::AccessExecute, &path);
        assert_eq!(errno(&refused), libc::EACCES);
        assert_eq!(call(Operation::List, dir.path()).unwrap(), 1);
        assert_eq!(errno(&call(Operation::Mkdir, &path)), libc::EEXIST);
        assert_eq!(call(Operation::WriteDsync, &path).unwrap(), 10);
        assert_eq!(call(Operation::Fsync, &path).unwrap(), 0);
        assert_eq!(call(Operation::Fsync, dir.path()).unwrap(), 0);
        assert_eq!(errno(&call(Operation::List, &path)), libc::ENOTDIR);
    }

    #[test]
    fn a_file_is_opened_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "0123456789").unwrap();
        let mut subject = Subject::new(Operation::Read, &path, 4);
        assert_eq!(subject.call().unwrap(), 4);
        fs::remove_file(&path).unwrap();
        assert_eq!(subject.call().unwrap(), 4);
    }
}
