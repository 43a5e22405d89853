// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask cluster-test`: the tests that boot clusters.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use podos_harness::{Kernel, LAB};

use crate::context::Context;
use crate::definitions::NODE;
use crate::{verbs, Xtask};

const PACKAGE: &str = "cluster-tests";

/// Boot clusters and test them; a JUnit file and a timeline per failure are left in
/// target/cluster-test.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster-test gipc --seed 7 --keep\n  \
    cargo xtask cluster-test files names --kernel debug\n  \
    cargo xtask cluster-test cm. '!cm.links_may_go_down'\n  \
    cargo xtask cluster-test setting:faulty '!harness.' --list\n\n\
    docs/testing.md tells how verdicts come about, and what a failure leaves."
)]
pub struct ClusterTest {
    /// Only tests that have one of these words in their names; setting:NAME stands for the tests
    /// of that setting, and a word behind a ! takes tests away
    filter: Vec<String>,
    /// What tests that draw lots start from; a new one for each run if left out
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Stop at the first test that fails and leave its cluster running
    #[arg(long)]
    keep: bool,
    /// Say which tests there are, and run none
    #[arg(long)]
    list: bool,
    /// Kernel of the nodes
    #[arg(long, value_name = "base|debug", default_value_t)]
    kernel: Kernel,
    /// How many minutes a soak goes on
    #[arg(long, value_name = "N")]
    minutes: Option<u32>,
    /// How many minutes the whole run may take; what is not begun by then has failed
    #[arg(long, value_name = "N")]
    within: Option<u32>,
    /// Folder for the report; target/cluster-test if left out
    #[arg(long, value_name = "DIR")]
    report_dir: Option<PathBuf>,
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
            None => ctx.image_dir(&self.kernel.image(LAB)),
        };
        if self.image_dir.is_none() && !self.list {
            // A test boots one of these beside those.
            verbs::image::build(ctx, NODE)?;
            verbs::image::build(ctx, &self.kernel.image(LAB))?;
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
        let numbers = [
            ("--seed", self.seed),
            ("--memory", self.memory.map(u64::from)),
            ("--minutes", self.minutes.map(u64::from)),
            ("--within", self.within.map(u64::from)),
        ];
        for (flag, number) in numbers {
            if let Some(number) = number {
                command.args([flag, &number.to_string()]);
            }
        }
        command.args(["--kernel", &self.kernel.to_string()]);
        if let Some(dir) = &self.report_dir {
            let dir = std::path::absolute(dir)
                .with_context(|| format!("--report-dir {}", dir.display()))?;
            command.arg("--report-dir").arg(dir);
        }
        command.args(self.keep.then_some("--keep"));
        command.args(self.list.then_some("--list"));
        command.arg("--").args(self.filter);
        let status = command.status().context("start cargo")?;
        Ok(status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from))
    }
}
