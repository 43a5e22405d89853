// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files by number, whose content their number tells; and `bench make`, which makes them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::pattern::Pattern;
use crate::report::say;

/// Some files of a directory.
#[derive(Clone, Debug, clap::Args)]
pub struct Files {
    /// The directory
    dir: PathBuf,
    /// Number of the first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many
    #[arg(long, default_value_t = 1)]
    count: usize,
}

impl Files {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Number and path of each.
    pub fn iter(&self) -> impl Iterator<Item = (u64, PathBuf)> + '_ {
        let numbers = self.first..self.first + self.count as u64;
        numbers.map(|number| (number, self.dir.join(number.to_string())))
    }
}

/// What the file of this number has in it.
pub fn content(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Pattern::new(number).fill(0, &mut bytes);
    bytes
}

/// Fails unless `bytes` are all that the file of this number has in it.
pub fn check(number: u64, bytes: &[u8], size: usize) -> Result<()> {
    let len = bytes.len();
    ensure!(len == size, "file {number} has {len} bytes, not {size}");
    let wrong = Pattern::new(number).mismatch(0, bytes, &mut vec![0; size]);
    ensure!(wrong.is_none(), "file {number} is wrong at {wrong:?}");
    Ok(())
}

/// Reads to the end or until `buffer` is full, at most `chunk` bytes at once; how many came.
pub fn read_whole(file: &mut File, chunk: usize, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        let end = buffer.len().min(len + chunk);
        match file.read(&mut buffer[len..end])? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

/// Make files, without measuring; the directory too, if it is not there
#[derive(Debug, clap::Args)]
pub struct Make {
    #[command(flatten)]
    files: Files,
    /// Bytes of each
    #[arg(long)]
    size: usize,
}

impl Make {
    pub fn run(&self) -> Result<()> {
        let dir = self.files.dir();
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        for (number, path) in self.files.iter() {
            let made = File::create(&path)
                .and_then(|mut file| file.write_all(&content(number, self.size)));
            made.with_context(|| path.display().to_string())?;
        }
        say("count", self.files.count());
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn files(dir: &Path, first: u64, count: usize) -> Files {
        let dir = dir.to_owned();
        Files { dir, first, count }
    }

    pub fn make(files: &Files, size: usize) {
        let files = files.clone();
        Make { files, size }.run().unwrap();
    }

    #[test]
    fn each_file_has_its_own_content() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(&dir.path().join("new"), 7, 3);
        make(&files, 10_000);
        for (number, path) in files.iter() {
            let mut buffer = vec![0; 10_001];
            let mut file = File::open(path).unwrap();
            let len = read_whole(&mut file, 4096, &mut buffer).unwrap();
            let bytes = &mut buffer[..len];
            check(number, bytes, 10_000).unwrap();
            assert!(check(number + 1, bytes, 10_000).is_err());
            assert!(check(number, &bytes[1..], 10_000).is_err());
            bytes[9_999] ^= 1;
            assert!(check(number, bytes, 10_000).is_err());
        }
        assert_eq!(files.iter().map(|(n, _)| n).collect::<Vec<_>>(), [7, 8, 9]);
    }
}
