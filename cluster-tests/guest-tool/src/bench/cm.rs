// SPDX-License-Identifier: MIT OR Apache-2.0

//! CM's circuits through the test module's device, and round trips from kernel to kernel.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::samples::Samples;
use super::transport::{Channel, Listener};
use crate::cm::abi::{Connect, Ping, MAX_MESSAGE};
use crate::cm::Endpoint;

/// The transmission groups that a circuit can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// The cluster's own
    #[default]
    Default,
    /// The first rail that is alive
    Single,
    /// Circuits are dealt to the rails in turn
    RoundRobin,
    /// The rail with the least to do
    Load,
    /// All rails at once
    Stripe,
}

impl Group {
    fn number(self) -> u32 {
        match self {
            Self::Default => 0,
            Self::Single => 1,
            Self::RoundRobin => 2,
            Self::Load => 3,
            Self::Stripe => 4,
        }
    }
}

pub fn connect(host: u32, group: Group) -> io::Result<Endpoint> {
    Endpoint::connect(Connect {
        host,
        group: group.number(),
        ..Connect::default()
    })
}

pub fn listen() -> io::Result<Endpoint> {
    Endpoint::listen()
}

impl Listener for Endpoint {
    fn accept(&self) -> io::Result<Box<dyn Channel>> {
        Ok(Box::new(Endpoint::accept(self)?))
    }
}

impl Channel for Endpoint {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes
            .chunks(MAX_MESSAGE)
            .try_for_each(|message| Endpoint::send(self, message))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.shutdown()
    }
}

/// Round trips that the kernel measures at once.
const BATCH: u32 = 20;

/// Measure round trips of CM from kernel to kernel; answers as `rtt`, a time being the mean of a
/// few round trips, as the kernel tells it
#[derive(Debug, clap::Args)]
pub struct KernelRtt {
    /// Host id of the other node
    host: u32,
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    size: u32,
    /// Round trips
    #[arg(long, default_value_t = 1000)]
    count: u32,
}

impl KernelRtt {
    pub fn run(&self) -> Result<()> {
        let endpoint = Endpoint::open().context("cannot open the test module's device")?;
        let mut samples = Samples::with_capacity((self.count / BATCH) as usize + 1);
        let mut left = self.count;
        while left > 0 {
            let count = left.min(BATCH);
            let mut ping = Ping {
                host: self.host,
                size: self.size,
                count,
                ..Ping::default()
            };
            endpoint
                .ping(&mut ping)
                .with_context(|| format!("round trips to host {}", self.host))?;
            samples.add(Duration::from_nanos(ping.ns_total / u64::from(count)));
            left -= count;
        }
        samples.say();
        Ok(())
    }
}
