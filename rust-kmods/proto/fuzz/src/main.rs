// SPDX-License-Identifier: GPL-2.0-only

//! `podos-proto-fuzz`: tries inputs on the protocol for any length of time.

#[macro_use]
extern crate podos_terminal;

mod coverage;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, Context as _, Result};
use clap::Parser;
use podos_proto_fuzz::engine::{self, Broken};
use podos_proto_fuzz::{corpus, targets, Target, TARGETS};

use coverage::Counters;

/// Try inputs on everything in podos-proto that takes bytes from others
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo run -p podos-proto-fuzz -- circuit --seconds 600")]
struct Options {
    /// Targets; all if none is named
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try just this file, on one target
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Write what the protocol's own encoders make into the corpus
    #[arg(long)]
    write_corpus: bool,
    /// List the targets
    #[arg(long)]
    list: bool,
}

impl Options {
    fn targets(&self) -> Result<Vec<&'static Target>> {
        if self.targets.is_empty() {
            return Ok(TARGETS.iter().collect());
        }
        let named = |name: &String| {
            targets::find(name)
                .with_context(|| format!("no target {name}; --list tells which there are"))
        };
        self.targets.iter().map(named).collect()
    }
}

fn main() -> ExitCode {
    fuzz(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn fuzz(options: &Options) -> Result<ExitCode> {
    let targets = options.targets()?;
    if options.list {
        targets
            .iter()
            .for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &options.replay {
        let [target] = targets[..] else {
            bail!("--replay needs the one target that the file is for");
        };
        let input = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(match engine::try_one(target, &input) {
            Ok(_) => {
                println!("{}: nothing breaks", target.name);
                ExitCode::SUCCESS
            }
            Err(broken) => {
                eprintln!("{}: {}", target.name, broken.why);
                ExitCode::FAILURE
            }
        });
    }
    let home = corpus::home();
    let mut counters = Counters::new();
    if !options.write_corpus {
        match counters.count() {
            0 => println!(
                "not built to tell what code is reached: guided by what becomes of inputs only"
            ),
            count => println!("guided by {count} places in the code"),
        }
    }
    for target in targets {
        if options.write_corpus {
            let to = || format!("cannot write the corpus of {}", target.name);
            corpus::write_seeds(&home, target).with_context(to)?;
            continue;
        }
        let inputs = corpus::load(&home, target)?
            .into_iter()
            .map(|(_, bytes)| bytes);
        let time = Duration::from_secs(options.seconds);
        match engine::run(target, inputs.collect(), options.seed, time, &mut counters) {
            Ok(summary) => println!(
                "{}: {} inputs, {} of them led somewhere new, {} places reached",
                target.name,
                summary.tried,
                summary.kept,
                counters.reached()
            ),
            Err(broken) => return report(target, &broken),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(target: &Target, broken: &Broken) -> Result<ExitCode> {
    let path = corpus::keep(&corpus::home(), target, &broken.input)?;
    eprintln!("{}: {}", target.name, broken.why);
    eprintln!("the input is {}", path.display());
    eprintln!(
        "again: cargo run -p podos-proto-fuzz -- {} --replay {}",
        target.name,
        path.display()
    );
    Ok(ExitCode::FAILURE)
}
