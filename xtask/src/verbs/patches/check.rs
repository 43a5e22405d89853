// SPDX-License-Identifier: MIT OR Apache-2.0

//! `patches check`.

use anyhow::{bail, Context as _, Result};

use crate::context::Context;
use crate::definitions::{Profile, NODE};
use crate::engine::Run;
use crate::lock::Locked;
use crate::steps::compiles::Compiles;
use crate::{fs, pipeline, series};

/// Proves the series; with `each` also that the tree compiles after every patch.
pub fn check(ctx: &Context, each: bool) -> Result<()> {
    let patches = series::load(ctx.root())?;
    let faults: Vec<_> = patches
        .iter()
        .flat_map(series::Patch::message_faults)
        .collect();
    if !faults.is_empty() {
        bail!(
            "{} fault(s) in patch messages:\n  {}",
            faults.len(),
            faults.join("\n  ")
        );
    }
    let source = super::pristine(ctx)?;
    let dir = fs::tempdir()?;
    series::apply(&source.path("tree"), &patches, dir.path())?;
    for patch in &patches {
        println!(
            "ok  {}: {}",
            patch.file,
            patch.subject().unwrap_or_default()
        );
    }
    if each {
        compile_each(ctx, &patches)?;
    }
    println!(
        "{} patches apply with no fuzz{}",
        patches.len(),
        if each { ", and each compiles" } else { "" }
    );
    Ok(())
}

fn compile_each(ctx: &Context, patches: &[series::Patch]) -> Result<()> {
    let profile = Profile::load(ctx, NODE)?;
    let mut run = Run::build(ctx, "patches");
    let configured = pipeline::configured(&mut run, &profile)?;
    let missing = "a building pass left a step out";
    let root = configured
        .base
        .root
        .as_ref()
        .map(Locked::output)
        .context(missing)?;
    let source = configured
        .base
        .source
        .as_ref()
        .map(Locked::output)
        .context(missing)?;
    let config = configured.config.as_ref().context(missing)?;
    // The image's kernel has all patches: what it has built is good until one is taken away that its
    // files depend on.
    for count in (1..=patches.len()).rev() {
        run.step(Some(Compiles {
            root,
            source,
            config,
            series: &patches[..count],
            like: pipeline::tree_name(&profile),
        }))?;
        println!("ok  compiles after {}", patches[count - 1].file);
    }
    Ok(())
}
