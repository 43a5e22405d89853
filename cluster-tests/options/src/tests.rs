// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line of the cluster tests.

use std::path::PathBuf;

use clap::value_parser;
use podos_harness::LAB;

use crate::{Folder, Image, Memory};

/// What is tested, and how.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(
    mut_arg("profile", |arg| arg.default_value(LAB)),
    after_help = "Examples:\n  cargo xtask cluster-test gipc --seed 7 --keep\n  \
    cargo xtask cluster-test files names --kernel debug\n  \
    cargo xtask cluster-test cm. '!cm.links_may_go_down'\n  \
    cargo xtask cluster-test setting:faulty '!harness.' --list\n\n\
    docs/testing.md tells how verdicts come about, and what a failure leaves."
)]
pub struct Tests {
    /// Only tests that match any of these words: a part of their names, or setting:NAME; a word
    /// behind a ! takes those that match it away
    pub filter: Vec<String>,
    /// Seed of the tests that draw random numbers; a new one for each run if left out
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Stop at the first test that fails and leave its cluster running
    #[arg(long)]
    pub keep: bool,
    /// Say which tests there are, and run none
    #[arg(long)]
    pub list: bool,
    /// How many minutes a soak goes on
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub minutes: Option<u32>,
    /// How many minutes the whole run may take; what is not begun by then has failed
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=10_000))]
    pub within: Option<u32>,
    /// Folder for the report; target/cluster-test if left out
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,
    /// Memory of the nodes.
    #[command(flatten)]
    pub memory: Memory,
    /// The image that the nodes boot.
    #[command(flatten)]
    pub image: Image,
    /// The folder that it is in.
    #[command(flatten)]
    pub folder: Folder,
}
