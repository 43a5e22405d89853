// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench attributes`: the least that is asked of a file.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{ensure, Context, Result};
use rustix::fs::{statx, AtFlags, StatxFlags};

use crate::report::say;

/// Ask the node that has it for the attributes of one file that stays open; answers how often
#[derive(Debug, clap::Args)]
pub struct Attributes {
    file: PathBuf,
    /// How often
    #[arg(long, default_value_t = 1)]
    count: u64,
}

impl Attributes {
    pub fn run(&self) -> Result<()> {
        let what = || self.file.display().to_string();
        let file = File::open(&self.file).with_context(what)?;
        // Whatever is remembered of them is not asked for.
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        let size = || statx(&file, "", flags, StatxFlags::SIZE).map(|found| found.stx_size);
        let first = size().with_context(what)?;
        for _ in 0..self.count {
            let now = size().with_context(what)?;
            ensure!(now == first, "{}: {now} bytes, not {first}", what());
        }
        say("count", self.count);
        Ok(())
    }
}
