// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask cluster-test` runs this program; see [`cluster_tests::run`].

#[macro_use]
extern crate podos_terminal;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use podos_lab_options::Tests;

/// Boot clusters and test them
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    tests: Tests,
}

fn main() -> ExitCode {
    cluster_tests::enter();
    let options = Arguments::parse().tests;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match cluster_tests::run(&options, &root) {
        Ok(counts) if counts.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
