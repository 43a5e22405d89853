// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm echo-server`, and what is asked of it: `cm ping`, `cm info`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{abi, listen, round_trip, Endpoint, To};
use crate::report::{number, say};

/// Send every message of every circuit back, until killed
///
/// A circuit that breaks is told with its error number; the server goes on.
#[derive(Debug, clap::Args)]
pub struct EchoServer {
    /// Bytes of the longest message
    #[arg(long, value_name = "BYTES", default_value_t = abi::MAX_MESSAGE)]
    max: usize,
}

impl EchoServer {
    pub fn run(&self) -> Result<()> {
        let listener = listen()?;
        loop {
            let circuit = listener.accept().context("accept")?;
            let max = self.max;
            std::thread::spawn(move || {
                if let Err(error) = echo(&circuit, max) {
                    say("broken", number(&error));
                }
            });
        }
    }
}

fn echo(circuit: &Endpoint, max: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; max];
    loop {
        match circuit.recv(&mut buffer)? {
            0 => return Ok(()),
            len => circuit.send(&buffer[..len])?,
        }
    }
}

/// Measure round trips: to an echo server's process, or with --kernel to the kernel's own service
///
/// The first one, which opens the circuit, is told apart.
#[derive(Debug, clap::Args)]
pub struct Ping {
    #[command(flatten)]
    to: To,

    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: u32,

    /// How many round trips
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// From kernel to kernel
    #[arg(long)]
    kernel: bool,
}

impl Ping {
    pub fn run(&self) -> Result<()> {
        if self.kernel {
            return self.ping_kernel();
        }
        let message = vec![0x5a; self.size as usize];
        let mut buffer = vec![0; message.len()];
        let circuit = self.to.connect()?;
        let mut timed = || -> Result<Duration> {
            let start = Instant::now();
            round_trip(&circuit, &message, &mut buffer)?;
            Ok(start.elapsed())
        };
        let first = timed().context("the first round trip")?;
        let mut times = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            times.push(timed()?);
        }
        times.sort_unstable();
        let total: Duration = times.iter().sum();
        say("count", self.count);
        say("first_ns", first.as_nanos());
        say("min_ns", times[0].as_nanos());
        say("median_ns", times[times.len() / 2].as_nanos());
        say("mean_ns", (total / self.count).as_nanos());
        Ok(())
    }

    fn ping_kernel(&self) -> Result<()> {
        let mut ping = abi::Ping {
            host: self.to.argument().host,
            size: self.size,
            count: self.count,
            ..abi::Ping::default()
        };
        Endpoint::open()
            .context(abi::DEVICE)?
            .ping(&mut ping)
            .context("PING")?;
        say("count", self.count);
        say("min_ns", ping.ns_min);
        say("mean_ns", ping.ns_total / u64::from(self.count));
        Ok(())
    }
}

/// Open a circuit to an echo server, make a round trip, show what the circuit has done
#[derive(Debug, clap::Args)]
pub struct Info {
    #[command(flatten)]
    to: To,
}

impl Info {
    pub fn run(&self) -> Result<()> {
        let circuit = self.to.connect()?;
        round_trip(&circuit, b"who?", &mut [0; 4]).context("round trip")?;
        say_info(&circuit)
    }
}

/// Says what a circuit has done.
pub fn say_info(circuit: &Endpoint) -> Result<()> {
    let info = circuit.info().context("INFO")?;
    say("remote", format_args!("{:016x}", info.remote));
    say("index", info.index);
    say("rail", info.rail);
    say("sent", info.sent);
    say("received", info.received);
    say("retransmitted", info.retransmitted);
    say("timeouts", info.timeouts);
    Ok(())
}
