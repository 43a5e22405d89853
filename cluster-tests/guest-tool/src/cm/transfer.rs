// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm send` and `cm recv`: many bytes one way, and whether they are the same.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::echo::say_info;
use super::{abi, listen, Endpoint, To};
use crate::pattern::Pattern;
use crate::report::{say, say_millis, say_outcome};
use crate::verify::hexadecimal;

/// Send random bytes to a `cm recv`; say how many went and their SHA-256
///
/// Ends when the other end has read all of them and closed, or with the error number that the
/// circuit broke with; `bytes` are then those that CM took.
#[derive(Debug, clap::Args)]
pub struct Send {
    #[command(flatten)]
    to: To,

    /// How many bytes
    #[arg(long, value_name = "BYTES")]
    bytes: u64,

    /// Bytes of one message
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new()
              .range(1..=abi::MAX_MESSAGE as u64))]
    message: usize,

    /// Break the circuit when so many bytes have gone
    #[arg(long, value_name = "BYTES")]
    abort_after: Option<u64>,
}

impl Send {
    pub fn run(&self) -> Result<()> {
        let mut seed = [0; 8];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut seed))
            .context("cannot read /dev/urandom")?;
        let pattern = Pattern::new(u64::from_ne_bytes(seed));
        let circuit = self.to.connect()?;
        let mut progress = Progress::default();
        let start = Instant::now();
        let result = self.transfer(&circuit, pattern, &mut progress);
        progress.say(start.elapsed());
        say_outcome(&result);
        if result.is_ok() {
            say_info(&circuit)?;
        }
        Ok(())
    }

    fn transfer(
        &self,
        circuit: &Endpoint,
        pattern: Pattern,
        progress: &mut Progress,
    ) -> io::Result<()> {
        let mut buffer = vec![0; self.message];
        while progress.bytes < self.bytes {
            let left = self.bytes - progress.bytes;
            let len = usize::try_from(left).map_or(self.message, |left| left.min(self.message));
            let message = &mut buffer[..len];
            pattern.fill(progress.bytes, message);
            circuit.send(message)?;
            progress.add(message);
            if self
                .abort_after
                .is_some_and(|limit| progress.bytes >= limit)
            {
                circuit.abort()?;
            }
        }
        circuit.shutdown()?;
        circuit.recv(&mut [0]).map(drop)
    }
}

/// Take one circuit, read to its end; say how many bytes came and their SHA-256
#[derive(Debug, clap::Args)]
pub struct Recv {
    /// Wait so long before each read, to be a slow receiver
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause_ms: u64,
}

impl Recv {
    pub fn run(&self) -> Result<()> {
        let circuit = listen()?.accept().context("cannot accept a circuit")?;
        let mut progress = Progress::default();
        let start = Instant::now();
        let result = self.read_all(&circuit, &mut progress);
        progress.say(start.elapsed());
        say_outcome(&result);
        Ok(())
    }

    fn read_all(&self, circuit: &Endpoint, progress: &mut Progress) -> io::Result<()> {
        let mut buffer = vec![0; abi::MAX_MESSAGE];
        loop {
            std::thread::sleep(Duration::from_millis(self.pause_ms));
            match circuit.recv(&mut buffer)? {
                0 => return Ok(()),
                len => progress.add(&buffer[..len]),
            }
        }
    }
}

/// What went through.
#[derive(Default)]
struct Progress {
    bytes: u64,
    digest: Sha256,
}

impl Progress {
    fn add(&mut self, message: &[u8]) {
        self.bytes += message.len() as u64;
        self.digest.update(message);
    }

    fn say(self, elapsed: Duration) {
        say("bytes", self.bytes);
        say("sha256", hexadecimal(self.digest));
        say_millis("elapsed_ms", elapsed);
    }
}
