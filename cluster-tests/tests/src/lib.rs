// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests of whole clusters: what PODOS promises, asked of nodes that really run it.
//!
//! A test is a value: a name, the cluster it needs, and a function. `suite` has them, a file per
//! subject; `support` is what they say to nodes; the runner gives every test a cluster, watches
//! the consoles while it runs, and writes down what happened when it does not pass.

#[macro_use]
extern crate podos_harness;

mod answers;
mod attempt;
mod check;
mod clusters;
mod filter;
mod helpers;
mod junit;
mod kmemleak;
mod limits;
mod locks;
mod record;
mod runner;
mod session;
mod suite;
mod support;
mod terms;
mod test;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use podos_harness::Kernel;

/// What is tested, and how.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "cluster-tests", about = "Boot clusters and test them")]
#[command(after_help = "Examples:\n  cluster-tests gipc --seed 7 --keep\n  \
    cluster-tests files names --kernel debug\n  \
    cluster-tests cm. '!cm.links_may_go_down'\n  \
    cluster-tests setting:faulty '!harness.' --list")]
pub struct Options {
    /// Only tests that have one of these words in their names; setting:NAME stands for the tests
    /// of that setting, and a word behind a ! takes tests away
    pub filter: Vec<String>,

    /// What tests that draw lots start from; a new one for each run if left out
    #[arg(long)]
    pub seed: Option<u64>,

    /// Stop at the first test that fails and leave its cluster running
    #[arg(long)]
    pub keep: bool,

    /// Say which tests there are, and run none
    #[arg(long)]
    pub list: bool,

    /// Kernel of the nodes: base, or debug, which checks itself and takes more of everything
    #[arg(long, value_name = "KERNEL", default_value_t)]
    pub kernel: Kernel,

    /// How many minutes a soak goes on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub minutes: Option<u32>,

    /// How many minutes the whole run may take; what is not begun by then has failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub within: Option<u32>,

    /// Folder of the image to boot; that of the kernel in target/images if left out
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
