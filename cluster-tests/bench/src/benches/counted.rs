// SPDX-License-Identifier: MIT OR Apache-2.0

//! What work costs in instructions, on the node that asks for it and on the one that answers: a busy
//! host does not move that.

use anyhow::{anyhow, Result};

use crate::bench::{Effort, Repeat};
use crate::lab::Lab;
use crate::measure::{Key, Measurements};
use crate::profile::{self, Tally};
use crate::row::RowSpec;

/// Of the rows.
pub const UNIT: &str = "instructions";

/// A node that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// Both, in the order in which [`costs`] has them.
pub const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl Side {
    /// The line in tables of `work` that is asked for.
    pub fn line(self, work: &str) -> String {
        match self {
            Self::Client => format!("{UNIT}: {work}, on the node that asks"),
            Self::Server => format!("{UNIT}: {work}, on the node that answers"),
        }
    }
}

/// The lines that hold who is first in a pair against who is second, by their names in tables.
pub fn rows(work: &str, pairs: &[(&str, &str)]) -> Vec<RowSpec> {
    let of_pair = |(ours, peer): &(&str, &str)| {
        SIDES.map(|side| RowSpec {
            case: side.line(work),
            unit: UNIT,
            ours: Key::new(side.line(work), *ours),
            peer: Key::new(side.line(work), *peer),
            wanted: None,
        })
    };
    pairs.iter().flat_map(of_pair).collect()
}

/// Takes what the work of `who` costs.
pub fn record(
    work: &str,
    who: &str,
    costs: Result<[Tally; 2]>,
    round: usize,
    all: &mut Measurements,
) {
    match costs {
        Ok(costs) => {
            for (cost, side) in costs.iter().zip(SIDES) {
                all.record(round, Key::new(side.line(work), who), Ok(cost.total()));
            }
        }
        Err(error) => all.record(round, Key::new(Side::Client.line(work), who), Err(error)),
    }
}

/// What one unit costs on client and server.
pub fn costs(
    lab: &Lab,
    hosts: [u32; 2],
    effort: Effort,
    mut repeat: Repeat<'_>,
) -> Result<[Tally; 2]> {
    repeat.count = effort.pick(repeat.count, repeat.count.div_ceil(10));
    let tallies = profile::per_unit(lab, &hosts, &mut repeat)?;
    <[Tally; 2]>::try_from(tallies).map_err(|all| anyhow!("{} tallies of two nodes", all.len()))
}
