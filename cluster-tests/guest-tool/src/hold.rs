// SPDX-License-Identifier: MIT OR Apache-2.0

//! `hold`: holds a file open many times.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use anyhow::{bail, Context, Result};

use crate::report::say;

/// Open a file many times, say `ready=1`, and keep it open until killed
#[derive(Debug, clap::Args)]
pub struct Hold {
    path: PathBuf,

    /// How often
    #[arg(long)]
    count: usize,

    /// By as many threads, all at the same time
    #[arg(long)]
    at_once: bool,
}

impl Hold {
    pub fn run(&self) -> Result<()> {
        let _files = match self.at_once {
            true => self.open_at_once()?,
            false => (0..self.count)
                .map(|n| self.open(n))
                .collect::<Result<Vec<_>>>()?,
        };
        say("ready", 1);
        loop {
            thread::park();
        }
    }

    fn open(&self, number: usize) -> Result<File> {
        File::open(&self.path)
            .with_context(|| format!("cannot open {}, number {number}", self.path.display()))
    }

    fn open_at_once(&self) -> Result<Vec<File>> {
        let start = Barrier::new(self.count);
        thread::scope(|scope| {
            let opens = (0..self.count).map(|number| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    self.open(number)
                })
            });
            let threads: Vec<_> = opens.collect();
            let opened = threads.into_iter().map(|thread| thread.join());
            opened
                .map(|file| file.unwrap_or_else(|_| bail!("a thread panicked")))
                .collect()
        })
    }
}
