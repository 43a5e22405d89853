// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests of whole clusters: what PODOS promises, asked of nodes that really run it.
//!
//! A test is a value: a name, the cluster it needs, and a function. `suite` has them, a file per
//! subject; `support` is what they say to nodes; the runner gives every test a cluster, watches
//! the consoles while it runs, and writes down what happened when it does not pass.

#[macro_use]
extern crate podos_terminal;

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
use std::path::Path;

use anyhow::Result;
use podos_lab_options::Tests;

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
pub fn run(options: &Tests, root: &Path) -> Result<Counts> {
    runner::run(options, root)
}
