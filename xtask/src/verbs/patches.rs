// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask patches`: the series proven, as a git tree to work in, and back to files.

mod check;
mod checkout;
mod export;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::engine::{Output, Run};
use crate::lock::{Lock, Locked};
use crate::{host, pipeline, Xtask};

pub use check::check;

/// Prove the kernel patches, work on them in git, write them back
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  cargo xtask patches checkout && cd target/linux && git rebase -i podos-base"
)]
pub struct Patches {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Apply the series to a clean tree, without fuzz, and check every patch's message
    #[command(after_help = "Example:\n  cargo xtask patches check --each")]
    Check {
        /// Also compile the kernel after each patch (the first time this takes most of an hour)
        #[arg(long)]
        each: bool,
    },
    /// Make a git tree of the kernel with one commit per patch
    #[command(after_help = "Example:\n  cargo xtask patches checkout target/linux")]
    Checkout {
        /// Where, must not be there yet; target/linux of the checkout if left out
        dir: Option<PathBuf>,
    },
    /// Write the commits of such a tree back to linux-patches
    #[command(after_help = "Example:\n  cargo xtask patches export target/linux")]
    Export {
        /// The tree that `checkout` made; target/linux of the checkout if left out
        dir: Option<PathBuf>,
    },
}

impl Xtask for Patches {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        host::ensure(ctx)?;
        match self.what {
            What::Check { each } => check(ctx, each)?,
            What::Checkout { dir } => checkout::checkout(ctx, &tree(ctx, dir)?)?,
            What::Export { dir } => export::export(ctx, &tree(ctx, dir)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The git tree of a verb: what is given is so from where the caller stands.
fn tree(ctx: &Context, given: Option<PathBuf>) -> Result<PathBuf> {
    match given {
        Some(dir) => {
            std::path::absolute(&dir).with_context(|| format!("cannot find {}", dir.display()))
        }
        None => Ok(ctx.path("target/linux")),
    }
}

/// Name of the commit below the patches.
const BASE: &str = "podos-base";

/// The pristine kernel source, fetched when it is not cached.
fn pristine(ctx: &Context) -> Result<Output> {
    let mut run = Run::build(ctx, "patches");
    let base = pipeline::base(&mut run, Lock::load(ctx.root())?)?;
    base.source
        .as_ref()
        .map(Locked::output)
        .cloned()
        .context("a building pass ended without a kernel source")
}
