// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench fetch`: files that are opened, read to their end and closed, call by call.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use super::files::{check, read_whole, Files};
use super::samples::Samples;

/// Fetch files; answers the times of a whole one, of open(), of the first read() and of close()
#[derive(Debug, clap::Args)]
pub struct Fetch {
    #[command(flatten)]
    files: Files,
    /// Bytes of each
    #[arg(long)]
    size: usize,
    /// Bytes that are asked for at once
    #[arg(long, default_value_t = 65536)]
    chunk: usize,
}

impl Fetch {
    pub fn run(&self) -> Result<()> {
        ensure!(self.chunk > 0, "--chunk 0: nothing would come");
        let samples = || Samples::with_capacity(self.files.count());
        let [mut whole, mut open, mut read, mut close] =
            [samples(), samples(), samples(), samples()];
        // With room for a byte too many, which must be seen; and not touched first while it is
        // measured.
        let mut buffer = vec![1; self.size + 1];
        for (number, path) in self.files.iter() {
            let what = || path.display().to_string();
            let start = Instant::now();
            let mut file = File::open(&path).with_context(what)?;
            let opened = Instant::now();
            let chunk = self.chunk.min(buffer.len());
            let first = file.read(&mut buffer[..chunk]).with_context(what)?;
            let begun = Instant::now();
            let rest =
                read_whole(&mut file, self.chunk, &mut buffer[first..]).with_context(what)?;
            let closing = Instant::now();
            drop(file);
            let end = Instant::now();
            whole.add(end - start);
            open.add(opened - start);
            read.add(begun - opened);
            close.add(end - closing);
            check(number, &buffer[..first + rest], self.size).with_context(what)?;
        }
        for (name, samples) in [
            ("fetch", &mut whole),
            ("open", &mut open),
            ("read", &mut read),
            ("close", &mut close),
        ] {
            samples.say_as(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::files::tests::{files, make};

    #[test]
    fn whole_files_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 3, 4);
        make(&files, 5000);
        let fetch = |size, chunk| {
            let files = files.clone();
            Fetch { files, size, chunk }.run()
        };
        for chunk in [1024, 5000, 65536] {
            fetch(5000, chunk).unwrap();
        }
        assert!(fetch(4999, 1024).is_err());
        assert!(fetch(5001, 1024).is_err());
        assert!(fetch(5000, 0).is_err());
    }
}
