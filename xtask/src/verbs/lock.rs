// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask lock`: accept the kernel and build root at hand.

use std::process::ExitCode;

use anyhow::{bail, Context as _, Result};

use crate::context::Context;
use crate::engine::{Run, Step};
use crate::lock::{self, Lock, Locked};
use crate::steps::source::Source;
use crate::steps::{build_root, source};
use crate::{host, pipeline, Xtask};

/// Record in podos.lock the kernel and the build root that are used now
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask lock --dry-run\n  cargo xtask lock --update")]
pub struct LockVerb {
    /// First make both anew from what the archive has today
    #[arg(long)]
    update: bool,
    /// Say what is not as recorded, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Xtask for LockVerb {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        if ctx.flags.locked || ctx.flags.kernel_source.is_some() {
            bail!("`lock` writes what Debian has: it takes neither --locked nor --kernel-source");
        }
        host::ensure(ctx)?;
        let old = Lock::load(ctx.root())?;
        let mut run = Run::build(ctx, "lock");
        let base = if self.update {
            run = run.refreshing();
            pipeline::base(&mut run, Lock::default())?
        } else {
            pipeline::base(&mut run, old.clone())?
        };
        let output = |locked: &Option<Locked>| {
            locked
                .as_ref()
                .map(|l| l.output().clone())
                .context("a building pass left a step out")
        };
        let (root, kernel) = (output(&base.root)?, output(&base.source)?);
        let new = Lock {
            kernel: Some(source::pin(&kernel.dir)?),
            build_root: build_root::packages(&root.dir)?,
        };
        if new == old {
            println!("{} is up to date", lock::FILE);
            return Ok(ExitCode::SUCCESS);
        }
        for change in new.changes_since(&old) {
            println!("{change}");
        }
        if self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        new.save(ctx.root())?;
        // The source at hand is what the new lock names: it need not be fetched again.
        let step = Source {
            root: &root,
            package: &base.definition.kernel_source,
            lock: &new,
            local: None,
        };
        let guard = run.store.lock(Source::NAME, || {})?;
        run.store.rekey(&kernel, &step.inputs()?, &guard)?;
        if let Some(pin) = &new.kernel {
            println!("{}: {} {}", lock::FILE, pin.package, pin.version);
        }
        println!(
            "{}: {} packages of the build root",
            lock::FILE,
            new.build_root.len()
        );
        Ok(ExitCode::SUCCESS)
    }
}
