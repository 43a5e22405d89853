// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests of whole clusters: what PODOS promises, asked of nodes that really run it.
//!
//! A test is a value: a name, the cluster it needs, and a function. `suite` has them, a file per
//! subject; `support` is what they say to nodes; the runner gives every test a cluster, watches
//! the consoles while it runs, and writes down what happened when it does not pass.

mod answers;
mod check;
mod clusters;
mod junit;
mod record;
mod runner;
mod suite;
mod support;
mod test;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// What is tested, and how.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cluster-tests", about = "Boot clusters and test them")]
#[command(after_help = "Example:\n  cluster-tests gipc --seed 7 --keep")]
pub struct Options {
    /// Only tests whose names have this in them
    pub filter: Option<String>,

    /// What tests that draw lots start from; a new one for each run if left out
    #[arg(long)]
    pub seed: Option<u64>,

    /// Stop at the first test that fails and leave its cluster running
    #[arg(long)]
    pub keep: bool,

    /// Say which tests there are, and run none
    #[arg(long)]
    pub list: bool,

    /// Folder of the image to boot; target/images/minimal if left out
    #[arg(long, value_name = "DIR")]
    pub image_dir: Option<PathBuf>,

    /// Memory of each node in MiB, for kernels that need more than others
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,

    /// Folder for the report; target/cluster-test if left out
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
}

/// How many tests passed and failed; prints as the last line of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that did not.
    pub failed: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// To be called first in `main`: clusters are supervised by this same executable.
pub fn enter() {
    support::enter();
}

/// Runs the tests of the checkout in `root`, prints how they fare, and leaves the report in
/// `target/cluster-test`, or where the options say.
///
/// # Errors
///
/// When no test can be run at all. A test that fails is no error, but counted.
pub fn run(options: &Options, root: &Path) -> Result<Counts> {
    runner::run(options, root)
}
