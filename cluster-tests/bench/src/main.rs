// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench` runs this program.

#[macro_use]
extern crate podos_harness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use podos_bench::bench::Effort;
use podos_bench::benches;
use podos_bench::run::{self, Options};

#[derive(Parser)]
#[command(name = "podos-bench", version, about = "The benches of PODOS")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run benches
    Run(Run),
    /// Say which benches there are
    List,
    /// Tell where the time of a case goes
    Profile(Profile),
    /// Write the last run of a bench into docs/performance.md
    Report {
        /// The bench
        name: String,
        /// The run; the last one without it
        #[arg(long, value_name = "JSON")]
        from: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Profile {
    /// The bench
    bench: String,
    /// The case
    case: String,
    /// How long, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Folder of the image
    #[arg(long)]
    image_dir: PathBuf,
}

#[derive(clap::Args)]
struct Run {
    /// The benches
    names: Vec<String>,
    /// Run all
    #[arg(long)]
    all: bool,
    /// Fail where a wanted ratio is missed
    #[arg(long)]
    check: bool,
    /// As many rounds
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// The short form
    #[arg(long)]
    quick: bool,
    /// Folder of the image
    #[arg(long)]
    image_dir: PathBuf,
    /// Version of the checkout
    #[arg(long, value_name = "VERSION")]
    podos: String,
}

fn main() -> ExitCode {
    podos_harness::supervisor::enter();
    let arguments = Arguments::parse();
    match go(&arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn go(verb: &Verb) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    match verb {
        Verb::List => {
            for bench in benches::all() {
                println!("{}: {}", bench.name(), bench.about());
                println!("  to profile: {}", bench.profiled().join(", "));
            }
        }
        Verb::Report { name, from } => {
            let path = run::publish(name, from.as_deref(), &root)?;
            println!("{}", path.display());
        }
        Verb::Profile(profile) => {
            let chosen = run::select(std::slice::from_ref(&profile.bench), false)?;
            let time = Duration::from_secs(profile.seconds);
            for bench in chosen {
                let image = &profile.image_dir;
                let text = run::profile(bench, &profile.case, time, image, &root)?;
                println!("{text}");
            }
        }
        Verb::Run(run) => return all(run, root),
    }
    Ok(ExitCode::SUCCESS)
}

fn all(arguments: &Run, root: PathBuf) -> Result<ExitCode> {
    let chosen = run::select(&arguments.names, arguments.all)?;
    let options = Options {
        root,
        podos: arguments.podos.clone(),
        image: arguments.image_dir.clone(),
        rounds: arguments.rounds.map(|rounds| rounds as usize),
        effort: match arguments.quick {
            true => Effort::Quick,
            false => Effort::Full,
        },
    };
    let (mut failed, mut missed) = (Vec::new(), Vec::new());
    for bench in chosen {
        let name = bench.name();
        let of = |what: Vec<String>| what.into_iter().map(move |what| format!("{name}: {what}"));
        match run::run(bench, &options) {
            Ok(report) => {
                failed.extend(of(report.failed()));
                missed.extend(of(report.missed()));
            }
            // The others are worth their time all the same.
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    for what in &failed {
        eprintln!("FAILED {what}");
    }
    for what in &missed {
        eprintln!("missed {what}");
    }
    let good = failed.is_empty() && (missed.is_empty() || !arguments.check);
    Ok(match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
