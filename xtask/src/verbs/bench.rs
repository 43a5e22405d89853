// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask bench`: measures PODOS beside its peers.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{ensure, Result};
use podos_lab_options::{self as options, Folder, Profile, Verb};

use crate::context::Context;
use crate::git::Git;
use crate::host::{self, Purpose};
use crate::passed::Passed;
use crate::{program, verbs, Xtask};

const PROGRAM: &str = "podos-bench";

/// Measure ours beside a peer's, in one run on one cluster; tables, pictures and NAME.json are
/// left in target/bench
#[derive(clap::Args)]
pub struct Bench {
    #[command(flatten)]
    bench: Passed<options::Bench>,
}

impl Xtask for Bench {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let Passed { options, mut words } = self.bench;
        match &options.verb {
            Some(Verb::Report { .. }) => {}
            Some(Verb::Profile(profile)) => {
                host::ensure_for(ctx, Purpose::Bench)?;
                image(ctx, &profile.folder, &profile.profile)?;
            }
            None if options.run.list => {}
            None => {
                // Before a build that may take its time.
                ensure!(
                    options.run.all || !options.run.names.is_empty(),
                    "name a bench (`cargo xtask bench --list` says which there are), or give --all"
                );
                host::ensure_for(ctx, Purpose::Bench)?;
                image(ctx, &options.run.folder, &options.run.profile)?;
                let version = ["--podos".into(), version(ctx)];
                words.splice(..0, version.map(OsString::from));
            }
        }
        program::run(ctx, PROGRAM, words)
    }
}

/// Builds the image that is to be booted, unless there is one.
fn image(ctx: &Context, there: &Folder, profile: &Profile) -> Result<()> {
    match there.image_dir {
        Some(_) => Ok(()),
        None => verbs::image::build(ctx, profile.name()),
    }
}

/// The version of the checkout, as far as it can be told.
fn version(ctx: &Context) -> String {
    let describe = ["describe", "--always", "--dirty", "--exclude=*"];
    let said = Git::at(ctx.root()).of_whomever().read(describe);
    let version = said.ok().and_then(|said| String::from_utf8(said).ok());
    version.map_or_else(|| "unknown".into(), |version| version.trim().to_owned())
}
