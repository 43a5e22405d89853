// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm open-close` and `cm many`: circuits one after the other, and all at once.

use std::time::Instant;

use anyhow::Result;

use super::{round_trip, To};
use crate::report::{say, say_millis};
use crate::tally::Tally;

/// Open a circuit to an echo server, make a round trip and close it, again and again
#[derive(Debug, clap::Args)]
pub struct OpenClose {
    #[command(flatten)]
    to: To,

    /// How many circuits
    count: u32,
}

impl OpenClose {
    pub fn run(&self) -> Result<()> {
        let start = Instant::now();
        let mut tally = Tally::default();
        for number in 0..self.count {
            let message = number.to_le_bytes();
            let circuit = self.to.connect()?;
            match round_trip(&circuit, &message, &mut [0; 4]) {
                Ok(()) => tally.ok(),
                Err(error) => tally.error(&error),
            }
        }
        say("circuits", self.count);
        say_millis("elapsed_ms", start.elapsed());
        tally.say();
        Ok(())
    }
}

/// Have many circuits to an echo server open at once, and make a round trip on each
///
/// `open=1` is printed when all of them have had one round trip, then each has another one.
#[derive(Debug, clap::Args)]
pub struct Many {
    #[command(flatten)]
    to: To,

    /// How many circuits
    count: u32,
}

impl Many {
    pub fn run(&self) -> Result<()> {
        let mut tally = Tally::default();
        let mut circuits = Vec::new();
        for number in 0..self.count {
            circuits.push((number, self.to.connect()?));
        }
        for open in [1, 0] {
            for (number, circuit) in &circuits {
                let message = number.to_le_bytes();
                match round_trip(circuit, &message, &mut [0; 4]) {
                    Ok(()) => tally.ok(),
                    Err(error) => tally.error(&error),
                }
            }
            say("open", open);
        }
        say("circuits", self.count);
        tally.say();
        Ok(())
    }
}
