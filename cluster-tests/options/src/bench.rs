// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line of the benches.

use std::path::PathBuf;

use clap::value_parser;
use podos_harness::LAB;

use crate::{Folder, Profile};

/// What is measured, or done with what was.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench cm --check\n  \
        cargo xtask bench --all\n  \
        cargo xtask bench report cm"
)]
pub struct Bench {
    /// Anything but to measure.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// How to measure.
    #[command(flatten)]
    pub run: Run,
}

/// Which benches are run, and how.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(mut_arg("profile", |arg| arg.default_value(LAB)))]
pub struct Run {
    /// The benches
    pub names: Vec<String>,
    /// Run all of them, one after the other; the end says what was missed
    #[arg(long)]
    pub all: bool,
    /// Fail where a wanted ratio is missed
    #[arg(long)]
    pub check: bool,
    /// As many rounds; the bench's own number if left out
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// The short form: one round that proves that the bench runs
    #[arg(long)]
    pub quick: bool,
    /// Say which benches there are, and run none
    #[arg(long)]
    pub list: bool,
    /// Version of the checkout, for the report
    #[arg(long, value_name = "VERSION", default_value = "unknown", hide = true)]
    pub podos: String,
    /// Profile of the image that the nodes boot.
    #[command(flatten)]
    pub profile: Profile,
    /// The folder that it is in.
    #[command(flatten)]
    pub folder: Folder,
}

/// What else can be done.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Write the last run of a bench into docs/performance.md
    #[command(after_help = "Example:\n  cargo xtask bench report cm")]
    Report {
        /// The bench
        name: String,
        /// The JSON file of another run than the last one
        #[arg(long, value_name = "JSON")]
        from: Option<PathBuf>,
    },
    /// Tell what the nodes execute for a case, function by function
    Profile(Profiling),
}

/// What is looked into.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(
    mut_arg("profile", |arg| arg.default_value(LAB)),
    after_help = "Example:\n  cargo xtask bench profile cm round-trip-64/open\n\n\
        `cargo xtask bench --list` says which cases there are."
)]
pub struct Profiling {
    /// The bench
    pub name: String,
    /// The case
    pub case: String,
    /// Profile of the image that the nodes boot.
    #[command(flatten)]
    pub profile: Profile,
    /// The folder that it is in.
    #[command(flatten)]
    pub folder: Folder,
}
