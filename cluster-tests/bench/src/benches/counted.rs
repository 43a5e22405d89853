// SPDX-License-Identifier: MIT OR Apache-2.0

//! What work costs in instructions, on the node that asks for it and on the one that answers: a busy
//! host does not move that.

use anyhow::{anyhow, Result};

use crate::bench::{Effort, Repeat};
use crate::lab::Lab;
use crate::profile::{self, Tally};

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
