// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask summary`: what would be built, and why.

use std::process::ExitCode;

use anyhow::Result;
use podos_lab_options::Image;

use crate::context::Context;
use crate::definitions::{Profile, NODE};
use crate::engine::run::State;
use crate::engine::Run;
use crate::{host, pipeline, Xtask};

/// Show every step of an image, fresh or stale and why, without building anything
#[derive(clap::Args)]
#[command(
    mut_arg("profile", |arg| arg.default_value(NODE)),
    after_help = "Example:\n  cargo xtask summary --profile lab"
)]
pub struct Summary {
    #[command(flatten)]
    image: Image,
}

impl Xtask for Summary {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let profile = Profile::load(ctx, &self.image.name())?;
        println!("{}: {}", profile.name, profile.description);
        match host::missing(host::Purpose::Work).as_slice() {
            [] => println!("  {:12} fresh", "host"),
            missing => println!(
                "  {:12} stale: missing {}",
                "host",
                missing
                    .iter()
                    .map(|tool| tool.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
        let mut run = Run::inspect(ctx, &profile.name);
        let (base, _) = pipeline::image(&mut run, &profile)?;
        for (step, state) in run.states() {
            match state {
                State::Fresh => println!("  {step:12} fresh"),
                State::Stale(why) => println!("  {step:12} stale: {why}"),
                State::Waits => println!("  {step:12} waits for a step above"),
            }
        }
        if let Some(warning) = base.warning() {
            println!("warning: {warning}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
