// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos`: what a user asks a PODOS system.

#[macro_use]
extern crate podos_terminal;

mod cdt;
mod gpid;
mod key;
mod nodes;
mod output;
mod rails;
mod run;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "podos", version, about, long_about = None)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Nodes(nodes::Arguments),
    Rails(rails::Arguments),
    Cdt(cdt::Arguments),
    Run(run::Arguments),
    Gpid(gpid::Arguments),
    Key(key::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Nodes(arguments) => nodes::run(&arguments),
        Verb::Rails(arguments) => rails::run(&arguments),
        Verb::Cdt(arguments) => cdt::run(&arguments),
        Verb::Gpid(arguments) => gpid::run(&arguments),
        Verb::Key(arguments) => key::run(arguments),
        Verb::Run(arguments) => return run::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
