// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm ephemeral` and `cm ephemerals`: messages without a circuit.

use anyhow::{Context, Result};

use super::{abi, parse_gpid, Endpoint};
use crate::report::say;

/// Send ephemeral messages to one node or to all
#[derive(Debug, clap::Args)]
pub struct Ephemeral {
    /// The node; all without it
    #[arg(long, value_name = "NODE", value_parser = parse_gpid, default_value = "0")]
    to: u64,

    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 64,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new()
              .range(..=abi::MAX_EPHEMERAL as u64))]
    size: usize,

    /// How many
    #[arg(long, default_value_t = 1)]
    count: u32,
}

impl Ephemeral {
    pub fn run(&self) -> Result<()> {
        Endpoint::open()
            .context(abi::DEVICE)?
            .ephemeral(self.to, &vec![0x5a; self.size], self.count)
            .context("EPHEMERAL")
    }
}

/// Say how many ephemeral messages have come to this node
#[derive(Debug, clap::Args)]
pub struct Ephemerals {}

impl Ephemerals {
    pub fn run(&self) -> Result<()> {
        let device = Endpoint::open().context(abi::DEVICE)?;
        let counts = device.ephemerals().context("EPHEMERALS")?;
        say("messages", counts.messages);
        say("bytes", counts.bytes);
        say("last_from", format_args!("{:016x}", counts.last_from));
        Ok(())
    }
}
