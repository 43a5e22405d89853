// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask cluster-test`: the tests that boot clusters.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::definitions::KernelVariant;
use crate::{verbs, Xtask};

const PACKAGE: &str = "cluster-tests";
const PROFILE: &str = "minimal";

/// Boot clusters and test them; a JUnit file and a timeline per failure are left in
/// target/cluster-test.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask cluster-test gipc --seed 7 --keep")]
pub struct ClusterTest {
    /// Only tests whose names have this in them
    filter: Option<String>,
    /// What tests that draw lots start from; a new one for each run if left out
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Stop at the first test that fails and leave its cluster running
    #[arg(long)]
    keep: bool,
    /// Say which tests there are, and run none
    #[arg(long)]
    list: bool,
    /// Boot the image in this folder, and build none
    #[arg(long, value_name = "DIR")]
    image_dir: Option<PathBuf>,
    /// Memory of each node in MiB, for kernels that need more than others
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
}

impl Xtask for ClusterTest {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let image = match &self.image_dir {
            Some(dir) => dir
                .canonicalize()
                .with_context(|| format!("--image-dir {}", dir.display()))?,
            None => ctx.image_dir(PROFILE),
        };
        if self.image_dir.is_none() && !self.list {
            verbs::image::build(ctx, PROFILE, KernelVariant::Base)?;
        }
        // A program of its own: a test that does not compile must not take the other verbs along.
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command
            .current_dir(ctx.root())
            .args(["run", "--quiet", "--locked", "--package", PACKAGE]);
        if ctx.flags.offline {
            command.arg("--offline");
        }
        command.arg("--").arg("--image-dir").arg(image);
        if let Some(seed) = self.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if let Some(memory) = self.memory {
            command.args(["--memory", &memory.to_string()]);
        }
        command.args(self.keep.then_some("--keep"));
        command.args(self.list.then_some("--list"));
        command.args(self.filter);
        let status = command.status().context("start cargo")?;
        Ok(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from))
    }
}
