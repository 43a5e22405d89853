// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask image`: a bootable image.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use podos_lab_options as options;

use crate::context::Context;
use crate::definitions::{Profile, NODE};
use crate::engine::progress::duration;
use crate::engine::Run;
use crate::fs;
use crate::steps::image::{INITRAMFS, KERNEL};
use crate::{host, pipeline, Xtask};

/// Build an image, with everything it needs, into target/images/PROFILE
#[derive(clap::Args)]
#[command(
    mut_arg("profile", |arg| arg.default_value(NODE)),
    after_help = "Example:\n  cargo xtask image --profile lab"
)]
pub struct Image {
    #[command(flatten)]
    image: options::Image,
}

impl Xtask for Image {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        build(ctx, &self.image.name())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Builds what is stale of the image of `profile`, and says what it did.
pub fn build(ctx: &Context, profile: &str) -> Result<()> {
    let started = Instant::now();
    let profile = Profile::load(ctx, profile)?;
    host::ensure(ctx)?;
    let mut run = Run::build(ctx, &profile.name);
    let (base, image) = pipeline::image(&mut run, &profile)?;
    let image = image.context("a building pass ended without an image")?;
    let deployed = pipeline::deploy(ctx, &profile, &image)?;
    if let Some(warning) = base.warning() {
        eprintln!("warning: {warning}");
    }
    let dir = ctx.image_dir(&profile.name);
    let shown = dir.strip_prefix(ctx.root()).unwrap_or(&dir).display();
    let elapsed = duration(started.elapsed());
    if run.all_fresh() && !deployed {
        println!("{shown}: all is fresh ({elapsed})");
    } else {
        let size = |name: &str| fs::metadata(dir.join(name)).map_or(0.0, |m| m.len() as f64 / 1e6);
        println!(
            "{shown}: {KERNEL} {:.1} MB, {INITRAMFS} {:.1} MB ({elapsed})",
            size(KERNEL),
            size(INITRAMFS)
        );
    }
    Ok(())
}
