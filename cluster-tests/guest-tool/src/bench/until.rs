// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench until`: waits for a server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::transport::{Role, Target};
use crate::report::say_millis;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Wait until a server answers; answers how long that took
#[derive(Debug, clap::Args)]
pub struct Until {
    #[command(flatten)]
    target: Target,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 20)]
    limit: u64,
}

impl Until {
    pub fn run(&self) -> Result<()> {
        let (start, limit) = (Instant::now(), Duration::from_secs(self.limit));
        loop {
            match self.target.open(Role::Echo, 1) {
                Ok(_) => break,
                Err(error) if start.elapsed() > limit => {
                    return Err(error).context(format!("after {} s", self.limit));
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        say_millis("waited_ms", start.elapsed());
        Ok(())
    }
}
