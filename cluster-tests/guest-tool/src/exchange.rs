// SPDX-License-Identifier: MIT OR Apache-2.0

//! `exchange`: two names that are exchanged again and again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{renameat_with, RenameFlags, CWD};

use crate::report::say;

/// Exchange two names for a while (`RENAME_EXCHANGE`), and say how often
#[derive(Debug, clap::Args)]
pub struct Exchange {
    first: PathBuf,
    second: PathBuf,

    /// For how long
    #[arg(long, value_name = "MILLISECONDS")]
    time: u64,
}

impl Exchange {
    pub fn run(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(self.time);
        let mut exchanges = 0_u64;
        say("ready", 1);
        while Instant::now() < end {
            renameat_with(CWD, &self.first, CWD, &self.second, RenameFlags::EXCHANGE)
                .context("cannot exchange the files")?;
            exchanges += 1;
        }
        say("exchanges", exchanges);
        Ok(())
    }
}
