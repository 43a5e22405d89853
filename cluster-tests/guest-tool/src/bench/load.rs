// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench load`: frames of nobody's protocol that fill part of a rail.
//!
//! They leave at random, as those of many independent senders would (a Poisson process): frames at
//! even intervals would always meet what is measured at the same moment, or never.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use podos_random::SplitMix64;

use crate::rail::{mac, Rail};
use crate::report::say;

/// For local experiments (IEEE 802, as CM's is): no node listens to it.
const ETHERTYPE: u16 = 0x88B6;
const HEADER: usize = 14;
/// What a frame of 1,500 bytes takes on the wire: header, check sequence, preamble, gap.
const ON_THE_WIRE: usize = 1538;

/// Fill a rail; `ready=1` when it begins, and the frames that were sent at the end
#[derive(Debug, clap::Args)]
pub struct Load {
    /// Interface of the rail
    interface: String,
    /// Address of the other node's interface
    #[arg(long, value_parser = mac)]
    to: [u8; 6],
    /// Bits per second on the wire, on average
    #[arg(long)]
    rate: u64,
    /// How long, in milliseconds
    #[arg(long, default_value_t = 60_000)]
    millis: u64,
    /// What the moments are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Load {
    pub fn run(&self) -> Result<()> {
        ensure!(self.rate > 0, "--rate 0: nothing to send");
        let rail = Rail::open(&self.interface).with_context(|| self.interface.clone())?;
        let mut frame = vec![0; HEADER + 1500];
        frame[..6].copy_from_slice(&self.to);
        // The source may be anything: the bridge learns where the other node is from its frames.
        frame[6..12].copy_from_slice(&rail.address()?);
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        let mean = Duration::from_secs_f64((ON_THE_WIRE * 8) as f64 / self.rate as f64);
        let mut gaps = Gaps::new(mean, self.seed);
        say("ready", 1);
        let (start, limit) = (Instant::now(), Duration::from_millis(self.millis));
        let (mut due, mut sent, mut dropped) = (gaps.next(), 0u64, 0u64);
        while due < limit {
            if let Some(left) = due.checked_sub(start.elapsed()) {
                std::thread::sleep(left);
            }
            match rail.send(&frame) {
                Ok(()) => sent += 1,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => dropped += 1,
                Err(error) => return Err(error).context("cannot send a frame"),
            }
            due += gaps.next();
        }
        say("frames", sent);
        say("dropped", dropped);
        Ok(())
    }
}

/// Exponentially distributed times.
struct Gaps {
    mean: Duration,
    random: SplitMix64,
}

impl Gaps {
    fn new(mean: Duration, seed: u64) -> Self {
        let random = SplitMix64::new(seed);
        Self { mean, random }
    }

    fn next(&mut self) -> Duration {
        // 53 bits are all that an `f64` has room for.
        let bits = self.random.draw();
        let uniform = ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64;
        self.mean.mul_f64(-uniform.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_and_the_spread_of_a_poisson_process() {
        let mut gaps = Gaps::new(Duration::from_millis(2), 7);
        let times: Vec<f64> = (0..20_000)
            .map(|_| gaps.next().as_secs_f64() * 1e3)
            .collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let square = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
        let deviation = (square / times.len() as f64).sqrt();
        assert!((1.9..2.1).contains(&mean), "{mean}");
        assert!((1.9..2.1).contains(&deviation), "{deviation}");
    }
}
