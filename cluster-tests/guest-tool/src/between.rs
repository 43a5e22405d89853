// SPDX-License-Identifier: MIT OR Apache-2.0

//! `between`: something happens between the two halves of an operation on an open file.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{ensure, Context, Result};
use rustix::fs::{fcntl_getfl, fcntl_setfl, syncfs, OFlags};
use rustix::io::{pwritev2, ReadWriteFlags};

use crate::map::Mapping;
use crate::report::say_outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Operation {
    /// open(2) for writing, then pwritev2(2) with RWF_APPEND
    AppendOnce,
    /// open(2) for writing and fcntl(2) with O_APPEND, then write(2)
    AppendFromNowOn,
    /// open(2) with O_APPEND and fcntl(2) without, then pwrite(2) at byte 1
    AppendNoMore,
    /// open(2) of a directory, then fsync(2)
    Fsync,
    /// open(2), then syncfs(2)
    Syncfs,
    /// mmap(2), then a look at the first byte: who can't see it dies of SIGBUS
    Map,
}

/// Do the first half of an operation, run a line of shell, and do the second half
///
/// `errno` is that of the second half. What is written is one line of the word `between`.
#[derive(Debug, clap::Args)]
pub struct Between {
    operation: Operation,
    path: PathBuf,
    /// Must end with status 0
    line: String,
}

const WORD: &[u8] = b"between\n";

impl Between {
    pub fn run(&self) -> Result<()> {
        let append = self.operation == Operation::AppendNoMore;
        let writes = matches!(
            self.operation,
            Operation::AppendOnce | Operation::AppendFromNowOn | Operation::AppendNoMore
        );
        let file = OpenOptions::new()
            .read(!writes)
            .write(writes)
            .custom_flags(if append { libc::O_APPEND } else { 0 })
            .open(&self.path)
            .with_context(|| format!("cannot open {}", self.path.display()))?;
        let mut mapping = None;
        match self.operation {
            Operation::AppendFromNowOn => set_append(&file, true)?,
            Operation::AppendNoMore => set_append(&file, false)?,
            Operation::Map => mapping = Some(Mapping::new(&file, 1, false, false)?),
            Operation::AppendOnce | Operation::Fsync | Operation::Syncfs => {}
        }
        let status = Command::new("sh").args(["-c", &self.line]).status()?;
        ensure!(status.success(), "`{}` ended with {status}", self.line);
        say_outcome(&match self.operation {
            Operation::AppendOnce => {
                let flags = ReadWriteFlags::APPEND;
                pwritev2(&file, &[IoSlice::new(WORD)], 0, flags)
                    .map(drop)
                    .map_err(io::Error::from)
            }
            Operation::AppendFromNowOn => (&file).write_all(WORD),
            Operation::AppendNoMore => file.write_all_at(WORD, 1),
            Operation::Fsync => file.sync_all(),
            Operation::Syncfs => syncfs(&file).map_err(io::Error::from),
            Operation::Map => {
                std::hint::black_box(mapping.as_ref().map(|mapping| mapping.bytes()[0]));
                Ok(())
            }
        });
        Ok(())
    }
}

fn set_append(file: &File, append: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::APPEND, append);
    Ok(fcntl_setfl(file, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn ended_with(operation: Operation, line: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "first\n").unwrap();
        let line = line.replace("FILE", path.to_str().unwrap());
        let between = Between {
            operation,
            path: path.clone(),
            line,
        };
        between.run().unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn local_files_do_as_they_should() {
        let second = "echo second >> FILE";
        for operation in [Operation::AppendOnce, Operation::AppendFromNowOn] {
            assert_eq!(ended_with(operation, second), "first\nsecond\nbetween\n");
        }
        assert_eq!(
            ended_with(Operation::AppendNoMore, second),
            "fbetween\nond\n"
        );
        for operation in [Operation::Syncfs, Operation::Map, Operation::Fsync] {
            assert_eq!(ended_with(operation, "true"), "first\n");
        }
    }
}
