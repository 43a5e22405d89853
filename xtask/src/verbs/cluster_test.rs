// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask cluster-test`: the tests that boot clusters.

use std::process::ExitCode;

use anyhow::Result;
use podos_lab_options::Tests;

use crate::context::Context;
use crate::definitions::NODE;
use crate::passed::Passed;
use crate::{program, verbs, Xtask};

/// The program that does it.
pub const PROGRAM: &str = "cluster-tests";

/// Boot clusters and test them; a JUnit file and a timeline per failure are left in
/// target/cluster-test
#[derive(clap::Args)]
pub struct ClusterTest {
    #[command(flatten)]
    tests: Passed<Tests>,
}

impl Xtask for ClusterTest {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let Passed { options, words } = self.tests;
        if options.folder.image_dir.is_none() && !options.list {
            // A test boots one of these beside those.
            verbs::image::build(ctx, NODE)?;
            verbs::image::build(ctx, &options.image.name())?;
        }
        program::run(ctx, PROGRAM, words)
    }
}
