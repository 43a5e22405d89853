// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench rtt`: round trips of one message through channels that are open.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use super::samples::Samples;
use super::transport::{receive_exact, Channel, Role, Target};

/// Measure round trips; answers count and times of one in ns
#[derive(Debug, clap::Args)]
pub struct Rtt {
    #[command(flatten)]
    target: Target,
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Round trips
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Round trips before those that count
    #[arg(long, default_value_t = 100)]
    warm_up: usize,
    /// Channels, which take turns
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Pause before each round trip, in microseconds
    #[arg(long, default_value_t = 0)]
    pause: u64,
}

impl Rtt {
    pub fn run(&self) -> Result<()> {
        ensure!(self.size > 0, "--size 0: nothing would come back");
        ensure!(self.channels > 0, "--channels 0: nothing to measure");
        let mut channels = (0..self.channels)
            .map(|_| self.target.open(Role::Echo, 1))
            .collect::<Result<Vec<_>>>()?;
        let (message, mut answer) = (vec![Role::Echo as u8; self.size], vec![0; self.size]);
        let mut samples = Samples::with_capacity(self.count);
        for done in 0..self.warm_up + self.count {
            if self.pause > 0 {
                std::thread::sleep(Duration::from_micros(self.pause));
            }
            let channel = &mut channels[done % self.channels];
            let start = Instant::now();
            trip(&mut **channel, &message, &mut answer)
                .with_context(|| format!("round trip {done}"))?;
            if done >= self.warm_up {
                samples.add(start.elapsed());
            }
        }
        ensure!(answer == message, "another message came back");
        samples.say();
        Ok(())
    }
}

fn trip(channel: &mut dyn Channel, message: &[u8], answer: &mut [u8]) -> std::io::Result<()> {
    channel.send(message)?;
    receive_exact(channel, answer)
}
