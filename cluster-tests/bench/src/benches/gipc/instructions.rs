// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a message to a program on another node and its answer cost in instructions.

use anyhow::{Context, Result};

use super::contest::{Case, Who, PAIRS};
use super::session::GipcSession;
use super::{CLIENT, SERVER};
use crate::bench::{Effort, Session};
use crate::benches::counted;
use crate::benches::stack::mode_name;
use crate::lab::Lab;
use crate::measure::Measurements;
use crate::row::RowSpec;

const CASE: Case = Case::Echo;

/// The table's lines.
pub fn rows() -> Vec<RowSpec> {
    let [(open, rexec), (aead, ssh)] = PAIRS.map(|(mode, peer)| (Who::Gipc(mode), peer));
    let pairs = [(open, rexec), (aead, ssh), (aead, open)];
    let pairs = pairs.map(|(ours, peer)| (ours.name(), peer.name()));
    counted::rows(CASE.name(), &pairs)
}

/// Nodes whose processors are counted.
pub struct Counting<'a> {
    lab: &'a Lab,
    session: GipcSession<'a>,
    effort: Effort,
}

impl<'a> Counting<'a> {
    /// Has the peers serve.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        Ok(Self {
            lab,
            session: GipcSession::start(lab, effort)?,
            effort,
        })
    }

    fn count(&self, who: Who, round: usize, all: &mut Measurements) {
        let repeat = self.session.repeated(CASE, who);
        let costs = counted::costs(self.lab, [CLIENT, SERVER], self.effort, repeat);
        counted::record(CASE.name(), who.name(), costs, round, all);
    }
}

impl Session for Counting<'_> {
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()> {
        for (mode, peer) in PAIRS {
            self.session
                .load(mode)
                .with_context(|| format!("mode {}", mode_name(mode)))?;
            for who in [Who::Gipc(mode), peer] {
                self.count(who, round, all);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_what_is_counted() {
        let whos = PAIRS
            .iter()
            .flat_map(|(mode, peer)| [Who::Gipc(*mode), *peer]);
        let counted: Vec<_> = whos.map(Who::name).collect();
        let rows = rows();
        assert_eq!(rows.len(), 6);
        for row in rows {
            for key in [&row.ours, &row.peer] {
                assert!(counted.contains(&key.who.as_str()) && key.case == row.case);
            }
        }
    }
}
