// SPDX-License-Identifier: MIT OR Apache-2.0

//! `readers`: many open files, each read a little, and the memory that they take.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::report::say;

/// How long the kernel may take to give back what is of no use any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Open a file many times, read the beginning by each descriptor, and keep them all open
///
/// Says how many KiB less of the node's memory are available then than before, once they are fewer
/// than the limit, or after some time.
#[derive(Debug, clap::Args)]
pub struct Readers {
    path: PathBuf,

    #[arg(long, default_value_t = 800)]
    files: usize,

    /// What each of them reads, piece by piece
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024)]
    bytes: usize,

    #[arg(long, value_name = "KIB", default_value_t = 64 * 1024)]
    limit: i64,
}

impl Readers {
    pub fn run(&self) -> Result<()> {
        raise_limit(self.files)?;
        let before = available()?;
        let mut files = Vec::new();
        for _ in 0..self.files {
            let mut file = File::open(&self.path).context("cannot open the file")?;
            let mut piece = vec![0; 16 * 1024];
            let mut left = self.bytes;
            while left > 0 {
                left = match file.read(&mut piece).context("cannot read the file")? {
                    0 => 0,
                    read => left.saturating_sub(read),
                };
            }
            files.push(file);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut taken = before - available()?;
        say("at_once_kib", taken);
        while taken >= self.limit && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(100));
            taken = before - available()?;
        }
        say("files", files.len());
        say("taken_kib", taken);
        Ok(())
    }
}

/// Lets this process have so many files open, and some more.
fn raise_limit(files: usize) -> Result<()> {
    use rustix::process::{getrlimit, setrlimit, Resource};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = files as u64 + 32;
    limit.current = limit.current.map(|current| current.max(wanted));
    limit.maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// KiB of memory that programs could have.
fn available() -> Result<i64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    parse(&text).context("/proc/meminfo has no MemAvailable")
}

fn parse(text: &str) -> Option<i64> {
    let rest = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_found() {
        let text = "MemTotal:  10 kB\nMemAvailable:     345 kB\n";
        assert_eq!(parse(text), Some(345));
        assert_eq!(parse("MemTotal:  10 kB\n"), None);
        assert!(available().unwrap() > 0);
    }
}
