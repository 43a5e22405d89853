// SPDX-License-Identifier: MIT OR Apache-2.0

//! `walk`: threads that walk into directories while these are replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, Result};

use crate::report::say;
use crate::tally::Tally;

/// Stat, list and read from many threads for a while, and count what came of it
#[derive(Debug, clap::Args)]
pub struct Walk {
    /// Directories to walk into
    #[arg(required = true)]
    directories: Vec<PathBuf>,

    /// A file below each of them
    #[arg(long, default_value = "etc/hostname")]
    file: PathBuf,

    /// What the file may hold; any other content is wrong
    #[arg(long = "content", required = true)]
    contents: Vec<String>,

    #[arg(long, default_value_t = 4)]
    threads: usize,

    /// For how long
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    time: u64,
}

impl Walk {
    pub fn run(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(self.time);
        say("ready", 1);
        let mut tally = Tally::default();
        std::thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| scope.spawn(move || self.thread(thread, end)))
                .collect();
            for thread in threads {
                match thread.join() {
                    Ok(counts) => tally.add(counts),
                    Err(_) => bail!("a thread panicked"),
                }
            }
            Ok(())
        })?;
        tally.say();
        Ok(())
    }

    /// Threads begin at different directories and with different calls.
    fn thread(&self, thread: usize, end: Instant) -> Tally {
        let mut tally = Tally::default();
        for turn in thread.. {
            if Instant::now() >= end {
                break;
            }
            let directory = &self.directories[turn % self.directories.len()];
            let file = directory.join(&self.file);
            match turn % 3 {
                0 => self.read(&file, &mut tally),
                1 => count(list(directory), &mut tally),
                _ => count(fs::metadata(&file), &mut tally),
            }
        }
        tally
    }

    fn read(&self, file: &Path, tally: &mut Tally) {
        match fs::read(file) {
            Ok(bytes)
                if self
                    .contents
                    .iter()
                    .any(|c| c.as_bytes() == bytes.trim_ascii()) =>
            {
                tally.ok();
            }
            Ok(bytes) => {
                tally.wrong(|| format!("{} has \"{}\"", file.display(), bytes.escape_ascii()));
            }
            Err(error) => tally.error(&error),
        }
    }
}

fn count<T>(result: io::Result<T>, tally: &mut Tally) {
    match result {
        Ok(_) => tally.ok(),
        Err(error) => tally.error(&error),
    }
}

fn list(directory: &Path) -> io::Result<()> {
    fs::read_dir(directory)?.try_for_each(|entry| entry.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_and_errors_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let walk = Walk {
            directories: vec![dir.path().to_owned()],
            file: "f".into(),
            contents: vec!["linus2".to_owned()],
            threads: 1,
            time: 0,
        };
        let file = dir.path().join("f");
        let mut tally = Tally::default();
        walk.read(&file, &mut tally);
        fs::write(&file, "linus2\n").unwrap();
        walk.read(&file, &mut tally);
        fs::write(&file, "linus3\n").unwrap();
        walk.read(&file, &mut tally);
        let mut expected = Tally::default();
        expected.error(&io::Error::from_raw_os_error(libc::ENOENT));
        expected.ok();
        expected.wrong(|| format!("{} has \"linus3\\n\"", file.display()));
        assert_eq!(tally, expected);
    }
}
