// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm group`: one message to many members.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{abi, parse_gpid, Endpoint};
use crate::report::{say, say_millis, say_outcome};

/// Send a message to all members of a group at once; say what became of it at each
///
/// For each: `errno_GPID=NUMBER` and `us_GPID=TIME`. Then `answered`, how many were good.
#[derive(Debug, clap::Args)]
pub struct Group {
    /// Nodes by their numbers, or processes by the 16 digits of their GPIDs
    #[arg(required = true, num_args = 1..=abi::MAX_MEMBERS, value_parser = parse_gpid)]
    members: Vec<u64>,

    /// Bytes of the message
    #[arg(long, value_name = "BYTES", default_value_t = 64,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new()
              .range(..=abi::MAX_GROUP_MESSAGE as u64))]
    size: usize,

    /// To those who listen there, who do not answer, instead of the kernel's echo service
    #[arg(long)]
    send: bool,

    /// Give a member up after this time, though it is alive
    #[arg(long, value_name = "MS", default_value_t = 0)]
    timeout_ms: u32,
}

impl Group {
    pub fn run(&self) -> Result<()> {
        let mut members: Vec<_> = self
            .members
            .iter()
            .map(|&gpid| abi::Member {
                gpid,
                ..abi::Member::default()
            })
            .collect();
        let message: Vec<u8> = (0..self.size).map(|i| i as u8).collect();
        let what = if self.send {
            abi::GROUP_SEND
        } else {
            abi::GROUP_CALL
        };
        let device = Endpoint::open().context(abi::DEVICE)?;
        let start = Instant::now();
        let result = device.group(what, &mut members, &message, self.timeout_ms);
        let elapsed = start.elapsed();
        for member in &members {
            let gpid = member.gpid;
            say(&format!("errno_{gpid:016x}"), -member.status);
            say(&format!("us_{gpid:016x}"), member.us);
        }
        let answered = members.iter().filter(|member| member.status == 0);
        say("answered", answered.count());
        say_millis("elapsed_ms", elapsed);
        say_outcome(&result);
        Ok(())
    }
}
