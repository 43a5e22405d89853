// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the least that a file system asks another node costs in instructions: the attributes of an
//! open file, whatever is remembered of them.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{Who, MODES};
use super::session::PdfsSession;
use super::{CLIENT, SERVER};
use crate::bench::{Effort, Session};
use crate::benches::counted;
use crate::benches::stack::mode_name;
use crate::lab::Lab;
use crate::measure::Measurements;
use crate::row::RowSpec;

const WORK: &str = "attributes of an open file";

/// Those that are counted while CM is in a mode.
fn contestants(mode: CmMode) -> Vec<Who> {
    let all = super::contest::contestants(mode).into_iter();
    all.filter(|who| *who != Who::PlainNfs).collect()
}

/// The table's lines.
pub fn rows() -> Vec<RowSpec> {
    let [open, aead] = MODES.map(Who::Pdfs);
    let pairs = [(open, Who::Nfs), (aead, Who::SealedNfs), (aead, open)];
    let pairs = pairs.map(|(ours, peer)| (ours.name(), peer.name()));
    counted::rows(WORK, &pairs)
}

/// Nodes whose processors are counted.
pub struct Counting<'a> {
    lab: &'a Lab,
    session: PdfsSession<'a>,
    effort: Effort,
}

impl<'a> Counting<'a> {
    /// Has NFS serve.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        Ok(Self {
            lab,
            session: PdfsSession::start(lab, effort)?,
            effort,
        })
    }

    fn mode(&mut self, mode: CmMode, round: usize, all: &mut Measurements) -> Result<()> {
        self.session.load(mode)?;
        for who in contestants(mode) {
            let repeat = self.session.attributes(who)?;
            let costs = counted::costs(self.lab, [CLIENT, SERVER], self.effort, repeat);
            self.session.leave(who)?;
            counted::record(WORK, who.name(), costs, round, all);
        }
        Ok(())
    }
}

impl Session for Counting<'_> {
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()> {
        for mode in MODES {
            self.mode(mode, round, all)
                .with_context(|| format!("mode {}", mode_name(mode)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_what_is_counted() {
        let counted: Vec<_> = MODES.into_iter().flat_map(contestants).collect();
        for row in rows() {
            for key in [&row.ours, &row.peer] {
                let found = counted.iter().any(|who| who.name() == key.who);
                assert!(found && key.case == row.case, "{key}");
            }
        }
    }
}
