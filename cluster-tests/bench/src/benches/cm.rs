// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bench `cm`: circuits beside TCP, UDP and TIPC, on the same two nodes in one run.
//!
//! CM's mode is fixed once it runs, so its module is loaded anew for each mode; their order differs
//! from round to round. Peers are measured right beside CM in mode `open`.

mod contest;
mod curves;
mod instructions;
mod session;

use anyhow::Result;
use podos_harness::{Rate, Topology};

use super::load::{megabits, paper_rate};
use crate::bench::{Bench, Effort, Repeat, Session};
use crate::figure::FigureSpec;
use crate::lab::Lab;
use crate::row::RowSpec;

/// See the module.
pub struct Cm;

/// The node that measures.
const CLIENT: u32 = 1;
/// The node that serves.
const SERVER: u32 = 2;

/// What each rail is shaped to where rows say so: slow enough that three of them together don't
/// ask more of two emulated processors than they have.
fn rail_rate() -> Rate {
    Rate::mbit(16)
}

impl Bench for Cm {
    fn name(&self) -> &'static str {
        "cm"
    }

    fn about(&self) -> &'static str {
        "CM's circuits in modes open, mac and aead beside TCP, UDP and TIPC"
    }

    fn topology(&self) -> Topology {
        Topology::nodes(2)
    }

    fn rows(&self, _effort: Effort) -> Vec<RowSpec> {
        let mut rows = contest::rows();
        rows.extend(instructions::rows());
        rows
    }

    fn figures(&self, effort: Effort) -> Vec<FigureSpec> {
        curves::figures(effort)
    }

    fn notes(&self, _effort: Effort) -> Vec<String> {
        let (rail, paper) = (megabits(rail_rate()), megabits(paper_rate()));
        vec![
            "Everything is measured from user process to user process, CM through the test \
             module's device; kernel to kernel is a row of its own."
                .into(),
            format!(
                "A time is the middle of a round's repetitions, throughput is of data received. \
                 Shaped rails carry {rail} Mbit/s each, in both directions. The figures are \
                 measured at {paper} Mbit/s and show what the paper's do: of ten sets the slowest \
                 and the fastest are left out, and the mean is taken of the others."
            ),
            "Instructions are counted by a plugin of QEMU, on nodes that are emulated. The floor is \
             what CM `open`, TCP, UDP and TIPC have in common, at least: of each function, what \
             the one takes that takes least of it."
                .into(),
            "TCP without offloads cuts and joins its segments itself, as CM does: the devices' TSO and \
             GRO and the kernel's GSO are off meanwhile. WireGuard protects with the cipher of CM's \
             mode aead."
                .into(),
            "UDP has no connections: its set-up is a new socket and a first answer, and on the \
             shaped rail it sends as much as the rail carries."
                .into(),
        ]
    }

    fn start<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>> {
        Ok(Box::new(session::CmSession::start(lab, effort)?))
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
