// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask clean`: a fresh start.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::context::Context;
use crate::fs;
use crate::Xtask;

/// Remove built images and their cluster keys; with `--cache` also everything kept between builds
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask clean --cache")]
pub struct Clean {
    /// Also remove the cache: build root, kernel source, built steps and logs
    #[arg(long)]
    cache: bool,
}

impl Xtask for Clean {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        remove(&ctx.path("target/images"))?;
        if self.cache {
            remove(ctx.cache())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Ok(()) => println!("removed {}", dir.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
