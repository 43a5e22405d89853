// SPDX-License-Identifier: MIT OR Apache-2.0

//! Load on rails that are shaped to the paper's Ethernet.

use anyhow::Result;
use podos_harness::Rate;

use crate::lab::{Background, Lab};

/// What "minimal load" is on the other rails, in per cent.
pub const MINIMAL: u32 = 2;
const RAILS: [u8; 3] = [0, 1, 2];

/// What each rail is shaped to for the figures: the Ethernet of the paper's machines.
pub fn paper_rate() -> Rate {
    Rate::mbit(10)
}

/// What `rate` is, as people say it.
pub fn megabits(rate: Rate) -> u64 {
    rate.bits_per_second() / 1_000_000
}

/// Load on the rails for as long as it lives, both ways between two nodes.
pub struct Load(#[expect(dead_code, reason = "it loads until it is dropped")] Vec<Background>);

impl Load {
    /// So much of [`paper_rate`] on the first rail, in per cent, and on the others: as much if
    /// `everywhere`, else [`MINIMAL`].
    pub fn start(
        lab: &Lab,
        nodes: [u32; 2],
        percent: u32,
        everywhere: bool,
        round: usize,
    ) -> Result<Self> {
        let [one, other] = nodes;
        let mut started = Vec::new();
        for rail in RAILS {
            let percent = match (rail, everywhere) {
                (0, _) | (_, true) => percent,
                _ => MINIMAL,
            };
            if percent == 0 {
                continue;
            }
            let rate = paper_rate().bits_per_second() * u64::from(percent) / 100;
            for (from, to) in [(one, other), (other, one)] {
                let interface = format!("eth{rail}");
                let path = format!("/sys/class/net/{interface}/address");
                let address = lab.node(to)?.read_file(path)?;
                let address = String::from_utf8_lossy(&address).trim().to_owned();
                let seed = (round as u64) << 8 | u64::from(rail) << 4 | u64::from(from);
                let (rate, seed) = (rate.to_string(), seed.to_string());
                let args = ["load", &interface, "--to", &address, "--rate", &rate];
                let args = [&args[..], &["--millis", "3600000", "--seed", &seed]].concat();
                started.push(lab.start(from, &args)?);
            }
        }
        Ok(Self(started))
    }
}
