// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench setup`: from nothing to the first answer.

use std::time::Instant;

use anyhow::{ensure, Context, Result};

use super::samples::Samples;
use super::transport::{close, Role, Target};

/// Measure how long a new channel takes, with a first message and its answer; answers count and
/// times of one in ns
#[derive(Debug, clap::Args)]
pub struct Setup {
    #[command(flatten)]
    target: Target,
    /// Bytes of the first message
    #[arg(long, default_value_t = 1)]
    size: usize,
    /// Channels that are made, one after the other
    #[arg(long, default_value_t = 200)]
    count: usize,
    /// Channels before those that count
    #[arg(long, default_value_t = 20)]
    warm_up: usize,
}

impl Setup {
    pub fn run(&self) -> Result<()> {
        ensure!(self.size > 0, "--size 0: nothing would come back");
        let mut samples = Samples::with_capacity(self.count);
        for done in 0..self.warm_up + self.count {
            let start = Instant::now();
            let channel = self.target.open(Role::Echo, self.size)?;
            if done >= self.warm_up {
                samples.add(start.elapsed());
            }
            // Not measured, but waited for: the end of one is no burden on the next.
            close(channel).with_context(|| format!("the end of channel {done}"))?;
        }
        samples.say();
        Ok(())
    }
}
