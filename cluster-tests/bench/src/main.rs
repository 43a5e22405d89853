// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench` runs this program.

#[macro_use]
extern crate podos_terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use podos_bench::bench::Effort;
use podos_bench::benches;
use podos_bench::run::{self, Options};
use podos_lab_options::{Bench, Run, Verb};

/// The benches of PODOS
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    bench: Bench,
}

fn main() -> ExitCode {
    podos_harness::supervisor::enter();
    let arguments = Arguments::parse();
    match go(&arguments.bench) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn go(asked: &Bench) -> Result<ExitCode> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = checkout
        .canonicalize()
        .with_context(|| format!("cannot find {}", checkout.display()))?;
    match &asked.verb {
        Some(Verb::Report { name, from }) => {
            let path = run::publish(name, from.as_deref(), &root)?;
            println!("{}", path.display());
        }
        Some(Verb::Profile(profile)) => {
            let chosen = run::select(std::slice::from_ref(&profile.name), false)?;
            let image = profile.folder.or_of(&root, profile.profile.name());
            for bench in chosen {
                let text = run::profile(bench, &profile.case, &image, &root)?;
                println!("{text}");
            }
        }
        None if asked.run.list => {
            for bench in benches::all() {
                println!("{}: {}", bench.name(), bench.about());
                println!("  to profile: {}", bench.profiled().join(", "));
            }
        }
        None => return all(&asked.run, root),
    }
    Ok(ExitCode::SUCCESS)
}

fn all(arguments: &Run, root: PathBuf) -> Result<ExitCode> {
    let chosen = run::select(&arguments.names, arguments.all)?;
    let options = Options {
        image: arguments.folder.or_of(&root, arguments.profile.name()),
        root,
        podos: arguments.podos.clone(),
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
