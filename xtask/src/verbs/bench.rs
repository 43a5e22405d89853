// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench`: measures PODOS beside its peers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{ensure, Context as _, Result};
use podos_harness::LAB;

use crate::context::Context;
use crate::git::Git;
use crate::host::{self, Purpose};
use crate::{verbs, Xtask};

const PACKAGE: &str = "podos-bench";

/// Measure ours beside a peer's, in one run on one cluster; tables, pictures and NAME.json are
/// left in target/bench.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  \
        cargo xtask bench cm --check\n  \
        cargo xtask bench --all\n  \
        cargo xtask bench report cm"
)]
pub struct Bench {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The benches
    names: Vec<String>,
    /// Run all of them, one after the other; the end says what was missed
    #[arg(long)]
    all: bool,
    /// Fail where a wanted ratio is missed
    #[arg(long)]
    check: bool,
    /// As many rounds; the bench's own number if left out
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// The short form: one round that proves that the bench runs
    #[arg(long)]
    quick: bool,
    /// Say which benches there are, and run none
    #[arg(long)]
    list: bool,
    /// Boot the image in this folder, and build none
    #[arg(long, value_name = "DIR")]
    image_dir: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Write the last run of a bench into docs/performance.md
    #[command(after_help = "Example:\n  cargo xtask bench report cm")]
    Report {
        /// The bench
        name: String,
        /// The JSON file of another run than the last one
        #[arg(long, value_name = "JSON")]
        from: Option<PathBuf>,
    },
    /// Tell where the time of a case goes, on both sides
    #[command(
        after_help = "Example:\n  cargo xtask bench profile cm round-trip-64/open\n\n\
        `cargo xtask bench --list` says which cases there are."
    )]
    Profile {
        /// The bench
        name: String,
        /// The case
        case: String,
        /// How long to repeat it, in seconds
        #[arg(long, value_name = "S", default_value_t = 10)]
        seconds: u64,
        /// Boot the image in this folder, and build none
        #[arg(long, value_name = "DIR")]
        image_dir: Option<PathBuf>,
    },
}

impl Xtask for Bench {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let mut arguments = Vec::<OsString>::new();
        match self.verb {
            Some(Verb::Report { name, from }) => {
                arguments.extend(["report".into(), name.into()]);
                if let Some(from) = from {
                    let from = from
                        .canonicalize()
                        .with_context(|| format!("--from {}", from.display()))?;
                    arguments.extend(["--from".into(), from.into()]);
                }
            }
            Some(Verb::Profile {
                name,
                case,
                seconds,
                image_dir,
            }) => {
                host::ensure_for(ctx, Purpose::Bench)?;
                let seconds = seconds.to_string();
                arguments
                    .extend(["profile", &name, &case, "--seconds", &seconds].map(OsString::from));
                arguments.extend(["--image-dir".into(), image(ctx, image_dir)?.into()]);
            }
            None if self.list => arguments.push("list".into()),
            None => {
                // Before a build that may take its time.
                ensure!(
                    self.all || !self.names.is_empty(),
                    "name a bench (`cargo xtask bench --list` says which there are), or give --all"
                );
                host::ensure_for(ctx, Purpose::Bench)?;
                arguments.push("run".into());
                arguments.extend(self.names.iter().map(OsString::from));
                let flags = [
                    (self.all, "--all"),
                    (self.check, "--check"),
                    (self.quick, "--quick"),
                ];
                arguments.extend(
                    flags
                        .iter()
                        .filter(|(on, _)| *on)
                        .map(|(_, flag)| flag.into()),
                );
                if let Some(rounds) = self.rounds {
                    arguments.extend(["--rounds".into(), rounds.to_string().into()]);
                }
                arguments.extend(["--image-dir".into(), image(ctx, self.image_dir)?.into()]);
                arguments.extend(["--podos".into(), version(ctx).into()]);
            }
        }
        start(ctx, &arguments)
    }
}

/// The folder of the image that is to be booted; it is built first, unless one is given.
fn image(ctx: &Context, given: Option<PathBuf>) -> Result<PathBuf> {
    match given {
        Some(dir) => dir
            .canonicalize()
            .with_context(|| format!("--image-dir {}", dir.display())),
        None => {
            verbs::image::build(ctx, LAB)?;
            Ok(ctx.image_dir(LAB))
        }
    }
}

/// The version of the checkout, as far as it can be told.
fn version(ctx: &Context) -> String {
    let describe = ["describe", "--always", "--dirty", "--exclude=*"];
    let said = Git::at(ctx.root()).of_whomever().read(describe);
    let version = said.ok().and_then(|said| String::from_utf8(said).ok());
    version.map_or_else(|| "unknown".into(), |version| version.trim().to_owned())
}

/// Runs the benches' program: one of its own, as that of the cluster tests is.
fn start(ctx: &Context, arguments: &[OsString]) -> Result<ExitCode> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .current_dir(ctx.root())
        .args(["run", "--quiet", "--locked", "--package", PACKAGE])
        .args(ctx.flags.offline.then_some("--offline"))
        .arg("--")
        .args(arguments);
    let status = command.status().context("start cargo")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
