// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bench `gipc`: programs on another node through GIPC, through an rsh-like server over TCP, and
//! through ssh; with the numbers of the paper's section 5.5.
//!
//! GIPC in CM's mode `open` stands beside rexec, which protects nothing, and in mode `aead`
//! beside ssh, which encrypts and authenticates as well.

mod contest;
mod instructions;
mod session;
mod ssh;

use std::path::Path;

use anyhow::Result;
use podos_harness::Topology;

use crate::bench::{Bench, Effort, Repeat, Session};
use crate::figure::FigureSpec;
use crate::lab::Lab;
use crate::paper_table::TableSpec;
use crate::row::RowSpec;

/// See the module.
pub struct Gipc;

/// The node that asks.
const CLIENT: u32 = 1;
/// The node that runs what is asked for.
const SERVER: u32 = 2;

impl Bench for Gipc {
    fn name(&self) -> &'static str {
        "gipc"
    }

    fn about(&self) -> &'static str {
        "programs on another node through GIPC, beside an rsh-like server and ssh"
    }

    fn topology(&self) -> Topology {
        Topology::nodes(2)
    }

    fn rows(&self, _effort: Effort) -> Vec<RowSpec> {
        let mut rows = contest::rows();
        rows.extend(instructions::rows());
        rows
    }

    fn figures(&self, _effort: Effort) -> Vec<FigureSpec> {
        Vec::new()
    }

    fn tables(&self, _effort: Effort) -> Vec<TableSpec> {
        vec![contest::section_5_5()]
    }

    fn notes(&self, _effort: Effort) -> Vec<String> {
        vec![
            "A launch is a command line that is started, has `/bin/echo` run at the other node, \
             and has ended with what that said: `podos run`, `rexec`, \
             `dbclient`. From a process that runs already, GIPC is open, write, reads to the end \
             of one file, and rexec one connection. A round trip is 64 bytes through a `/bin/cat` \
             at the other node; output is what `/bin/head` writes there, start and end of the \
             command included. A time is the middle of a round's repetitions."
                .into(),
            "rexec is rsh with less to do, and so a lower bound for it: one connection, which is \
             the program's standard input and output itself, no login, no shell, no exit status. \
             ssh is Dropbear, with ed25519 keys and its own choice of ciphers, a new connection \
             for each launch."
                .into(),
            "Instructions are counted by a plugin of QEMU, on nodes that are emulated; those of all \
             processes are, podos run, rexec and ssh among them."
                .into(),
        ]
    }

    fn prepare(&self, share: &Path) -> Result<Vec<(String, String)>> {
        ssh::prepare(share)
    }

    fn start<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(session::GipcSession::start(lab, effort)?))
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
