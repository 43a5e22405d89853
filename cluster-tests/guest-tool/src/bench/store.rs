// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench store`: files that are created, written and closed.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result};

use super::files::{content, Files};
use super::samples::Samples;

/// Make, write and close new files; answers the times of one
#[derive(Debug, clap::Args)]
pub struct Store {
    #[command(flatten)]
    files: Files,
    /// Bytes of each
    #[arg(long)]
    size: usize,
    /// Bytes that are written at once
    #[arg(long, default_value_t = 65536,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    chunk: usize,
}

impl Store {
    pub fn run(&self) -> Result<()> {
        let mut samples = Samples::with_capacity(self.files.count());
        for (number, path) in self.files.iter() {
            let what = || path.display().to_string();
            let bytes = content(number, self.size);
            let start = Instant::now();
            let mut file = File::create_new(&path).with_context(what)?;
            for chunk in bytes.chunks(self.chunk) {
                file.write_all(chunk).with_context(what)?;
            }
            drop(file);
            samples.add(start.elapsed());
        }
        samples.say_as("store");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::files::{check, tests::files};

    #[test]
    fn what_is_stored_can_be_fetched_and_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store {
            files: files(dir.path(), 1, 3),
            size: 3000,
            chunk: 1024,
        };
        store.run().unwrap();
        assert!(store.run().is_err(), "the files are there already");
        for (number, path) in store.files.iter() {
            check(number, &std::fs::read(path).unwrap(), 3000).unwrap();
        }
    }
}
