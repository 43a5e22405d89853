// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench stream`: throughput in one direction.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use super::pace::Pace;
use super::transport::{receive_exact, Role, Target};
use crate::report::say;

/// Measure throughput; answers bytes sent, bytes received and the time in ns from the first byte
/// to the server's word that it has all
#[derive(Debug, clap::Args)]
pub struct Stream {
    #[command(flatten)]
    target: Target,
    /// Bytes that are sent at once
    #[arg(long, default_value_t = 65536)]
    chunk: usize,
    /// How long to send, in milliseconds
    #[arg(long, default_value_t = 1000)]
    millis: u64,
    /// Bits per second that are sent; as many as the channel takes without it
    #[arg(long)]
    rate: Option<u64>,
}

impl Stream {
    pub fn run(&self) -> Result<()> {
        ensure!(self.chunk > 0, "--chunk 0: nothing to send");
        let mut channel = self.target.open(Role::Sink, 1)?;
        let chunk = vec![0x5a; self.chunk];
        let (mut pace, limit) = (self.rate.map(Pace::new), Duration::from_millis(self.millis));
        let (start, mut sent) = (Instant::now(), 0u64);
        while start.elapsed() < limit {
            if let Some(pace) = &mut pace {
                pace.wait(chunk.len());
            }
            channel
                .send(&chunk)
                .with_context(|| format!("after {sent} bytes"))?;
            sent += chunk.len() as u64;
        }
        channel.finish()?;
        let mut received = [0; 8];
        receive_exact(&mut *channel, &mut received).context("what the server received")?;
        let elapsed = start.elapsed();
        say("sent_bytes", sent);
        say("received_bytes", u64::from_le_bytes(received));
        say("elapsed_ns", elapsed.as_nanos());
        Ok(())
    }
}
