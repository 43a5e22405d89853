// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bench `pdfs`: files of another node through PDFS and through NFSv4.2, with the paper's figures
//! 8 and 9 and its table 4.
//!
//! Both serve the same directory of one node to the other, at the same time. NFS is the kernel's,
//! on both sides, over TCP.

mod contest;
mod curves;
mod instructions;
mod session;

use anyhow::Result;
use podos_harness::Topology;

use super::load::{megabits, paper_rate};
use crate::bench::{Bench, Effort, Repeat, Session};
use crate::figure::FigureSpec;
use crate::lab::Lab;
use crate::paper_table::TableSpec;
use crate::row::RowSpec;

/// See the module.
pub struct Pdfs;

/// The node that measures.
const CLIENT: u32 = 1;
/// The node that has the files.
const SERVER: u32 = 2;

impl Bench for Pdfs {
    fn name(&self) -> &'static str {
        "pdfs"
    }

    fn about(&self) -> &'static str {
        "files of another node through PDFS, beside NFSv4.2"
    }

    fn topology(&self) -> Topology {
        Topology::nodes(2)
    }

    fn rows(&self, effort: Effort) -> Vec<RowSpec> {
        let mut rows = contest::rows(effort);
        rows.extend(instructions::rows());
        rows
    }

    fn figures(&self, effort: Effort) -> Vec<FigureSpec> {
        curves::figures(effort)
    }

    fn tables(&self, _effort: Effort) -> Vec<TableSpec> {
        vec![contest::table_4()]
    }

    fn notes(&self, _effort: Effort) -> Vec<String> {
        let rate = megabits(paper_rate());
        vec![
            "Both serve the same tmpfs of one node. A fetch is open, read to the end, close of a \
             file that the client has never seen; each file's bytes are checked afterwards. A \
             time is the middle of a round's files."
                .into(),
            "NFS is the kernel's client and server with their defaults (`vers=4.2,proto=tcp,\
             sec=sys`, eight server threads), on the first rail: its frames are neither \
             encrypted nor authenticated, as those of PDFS in CM's mode `open`. PDFS has its \
             default transmission group where nothing else is said."
                .into(),
            "Instructions are counted by a plugin of QEMU, on nodes that are emulated. The attributes of \
             an open file are the least that is asked, whatever is remembered of them."
                .into(),
            "NFS without offloads has TCP cut and join its segments itself, as CM does; NFS over \
             WireGuard is protected by the cipher of CM's mode aead."
                .into(),
            format!(
                "The figures and table 4 are measured at {rate} Mbit/s for each rail, the \
                 paper's Ethernet."
            ),
        ]
    }

    fn start<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(session::PdfsSession::start(lab, effort)?))
    }

    fn counts(&self) -> bool {
        true
    }

    fn start_counting<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(instructions::Counting::start(lab, effort)?))
    }

    fn profiled(&self) -> Vec<String> {
        session::profiled()
    }

    fn repeat<'a>(&self, lab: &'a Lab, case: &str) -> Result<Repeat<'a>> {
        session::repeat(lab, case)
    }
}
