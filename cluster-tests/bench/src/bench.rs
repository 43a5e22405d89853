// SPDX-License-Identifier: MIT OR Apache-2.0

//! The trait of benches.

use std::path::Path;

use anyhow::{bail, Result};
use podos_harness::Topology;

use crate::figure::FigureSpec;
use crate::lab::Lab;
use crate::measure::Measurements;
use crate::paper_table::TableSpec;
use crate::row::RowSpec;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Enough for numbers that can be told to others.
    Full,
    /// Enough to prove that the bench runs.
    Quick,
}

impl Effort {
    /// `full` or `quick`, as is asked for.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// A bench as a value. It says what it compares before it measures, so that what was not measured
/// can be told from what was not meant to be.
pub trait Bench: Sync {
    /// Its name on the command line and in files.
    fn name(&self) -> &'static str;
    /// What it compares, in one line.
    fn about(&self) -> &'static str;
    /// The cluster that it needs.
    fn topology(&self) -> Topology;
    /// Rounds that give numbers which can be told to others.
    fn rounds(&self) -> usize {
        7
    }
    /// Its table.
    fn rows(&self, effort: Effort) -> Vec<RowSpec>;
    /// Its figures.
    fn figures(&self, effort: Effort) -> Vec<FigureSpec>;
    /// The paper's tables that it has numbers for.
    fn tables(&self, effort: Effort) -> Vec<TableSpec> {
        let _ = effort;
        Vec::new()
    }
    /// What readers of the numbers must know.
    fn notes(&self, effort: Effort) -> Vec<String>;
    /// Puts what the nodes need of this machine into `share`, which they have at `/mnt/host`; the
    /// versions of it.
    fn prepare(&self, share: &Path) -> Result<Vec<(String, String)>> {
        let _ = share;
        Ok(Vec::new())
    }
    /// Prepares the nodes.
    fn start<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>>;
    /// Whether it has measurements that are counts of instructions, for which it gets a cluster of
    /// its own whose processors are counted.
    fn counts(&self) -> bool {
        false
    }
    /// Prepares the nodes for those.
    fn start_counting<'a>(&self, lab: &'a Lab, effort: Effort) -> Result<Box<dyn Session + 'a>> {
        self.start(lab, effort)
    }
    /// The cases that can be profiled.
    fn profiled(&self) -> Vec<String> {
        Vec::new()
    }
    /// Prepares the nodes for one of [`Bench::profiled`].
    fn repeat<'a>(&self, lab: &'a Lab, case: &str) -> Result<Repeat<'a>> {
        let _ = lab;
        bail!(
            "bench {} has no case `{case}` that can be profiled",
            self.name()
        )
    }
}

/// A case, as often as it is told to.
pub struct Repeat<'a> {
    /// What it consists of, for example `round trip`.
    pub unit: &'static str,
    /// Repetitions that tell what one takes.
    pub count: u32,
    /// Repeats it; how many units that were.
    pub run: Box<dyn FnMut(u32) -> Result<f64> + 'a>,
}

/// A bench on a cluster that is up.
pub trait Session {
    /// Measures every case of every contestant once, side by side. What a measurement gives goes
    /// to `all`, also if it is an error; the error of this function ends the run.
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()>;
}
