// SPDX-License-Identifier: MIT OR Apache-2.0

//! The build system of PODOS: every verb that a user or CI needs, behind `cargo xtask`.
//!
//! One file per verb (`verbs/`), one per pipeline step (`steps/`), and the machinery that keys,
//! caches and publishes steps (`engine/`).

#[macro_use]
extern crate podos_terminal;

mod children;
mod cluster_key;
mod context;
mod cpio;
mod debian;
mod definitions;
mod engine;
mod fs;
mod git;
mod host;
mod kconfig;
mod lock;
mod passed;
mod pipeline;
mod program;
mod series;
mod signals;
mod steps;
mod surroundings;
mod verbs;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::context::{Context, GlobalFlags};
use crate::engine::job::StepFailed;

/// A verb of the command line.
///
/// The exit code is the verb's own: `cluster exec` ends with the status of the remote command.
pub trait Xtask {
    /// Does what the verb promises; an error is printed with its whole chain and ends in status 1.
    fn run(self, ctx: &Context) -> anyhow::Result<ExitCode>;
}

/// Build, inspect, boot and test PODOS
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Image(verbs::image::Image),
    Summary(verbs::summary::Summary),
    Lock(verbs::lock::LockVerb),
    Patches(verbs::patches::Patches),
    Test(verbs::test::Test),
    Cluster(verbs::cluster::Cluster),
    ClusterTest(verbs::cluster_test::ClusterTest),
    Bench(verbs::bench::Bench),
    RustAnalyzer(verbs::rust_analyzer::RustAnalyzer),
    Doctor(verbs::doctor::Doctor),
    Clean(verbs::clean::Clean),
}

impl Xtask for Verb {
    fn run(self, ctx: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Image(verb) => verb.run(ctx),
            Verb::Summary(verb) => verb.run(ctx),
            Verb::Lock(verb) => verb.run(ctx),
            Verb::Patches(verb) => verb.run(ctx),
            Verb::Test(verb) => verb.run(ctx),
            Verb::Cluster(verb) => verb.run(ctx),
            Verb::ClusterTest(verb) => verb.run(ctx),
            Verb::Bench(verb) => verb.run(ctx),
            Verb::RustAnalyzer(verb) => verb.run(ctx),
            Verb::Doctor(verb) => verb.run(ctx),
            Verb::Clean(verb) => verb.run(ctx),
        }
    }
}

fn main() -> ExitCode {
    surroundings::settle();
    // A cluster's supervisor is this program, started again by `cluster up`.
    podos_harness::supervisor::enter();
    let cli = Cli::parse();
    let result = Context::new(cli.global).and_then(|ctx| cli.verb.run(&ctx));
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if let Some(failed) = error.downcast_ref::<StepFailed>() {
            eprintln!("{}", failed.report());
        }
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lines_end_without_a_full_stop() {
        fn lines(command: &clap::Command, to: &mut Vec<String>) {
            let helps = command.get_arguments().filter_map(clap::Arg::get_help);
            let all = helps.chain(command.get_about());
            to.extend(all.map(ToString::to_string));
            command.get_subcommands().for_each(|verb| lines(verb, to));
        }
        let mut all = Vec::new();
        lines(&Cli::command(), &mut all);
        assert!(all.len() > 100);
        let wrong: Vec<_> = all.iter().filter(|line| line.ends_with('.')).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// The name of the one cluster is meant by all but who shows them all.
    #[test]
    fn a_cluster_that_is_not_named_has_a_name() {
        let mut cli = Cli::command();
        cli.build();
        let cluster = cli
            .find_subcommand("cluster")
            .expect("there is such a verb");
        for verb in cluster
            .get_subcommands()
            .filter(|verb| verb.get_name() != "help")
        {
            let mut arguments = verb.get_arguments();
            let name = arguments.find(|arg| arg.get_id() == "name");
            let defaults = name.expect("all take --name").get_default_values();
            let is_status = verb.get_name() == "status";
            assert_eq!(defaults.is_empty(), is_status, "{}", verb.get_name());
        }
    }
}
