// SPDX-License-Identifier: MIT OR Apache-2.0

//! A copy of this tree, for checks that change it.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use anyhow::{ensure, Context as _, Result};
use tempfile::TempDir;

use crate::children;
use crate::context::Context;
use crate::engine::key::list_files;
use crate::engine::progress::duration;
use crate::fs;

/// A copy, which goes with the value. What cargo builds of it is kept apart from what it builds of
/// the tree, whose crates it would take for the copy's, and beside it, so that the next copy need not
/// begin anew.
#[derive(Debug)]
pub struct Copy {
    dir: TempDir,
    target: PathBuf,
    offline: bool,
}

/// Copies the sources, as they are now.
pub fn of_tree(ctx: &Context) -> Result<Copy> {
    let copy = Copy {
        dir: fs::tempdir()?,
        target: ctx.path("target/copy"),
        offline: ctx.flags.offline,
    };
    for file in list_files(ctx.root(), ".")? {
        // Where there is no git, what was built is among them.
        if file.starts_with("target") {
            continue;
        }
        let target = copy.path().join(&file);
        let folder = target.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)?;
        fs::copy(ctx.root().join(&file), &target)?;
    }
    Ok(copy)
}

impl Copy {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `cargo` in it, however it ends: its status, and all that it said as standard output.
    pub fn cargo(&self, arguments: &str) -> Result<Output> {
        let mut arguments: Vec<_> = arguments.split_whitespace().collect();
        if self.offline {
            arguments.insert(1, "--offline");
        }
        self.run("cargo", &arguments)
    }

    /// Runs a line of shell in it, which has to succeed.
    pub fn succeed(&self, line: &str) -> Result<()> {
        let begin = Instant::now();
        let output = self.run("sh", &["-c", line])?;
        println!("$ {line} ({})", duration(begin.elapsed()));
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "`{line}` ended with {}:\n{said}",
            output.status
        );
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let command = duct::cmd(program, arguments)
            .dir(self.path())
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TARGET_DIR", &self.target)
            .stderr_to_stdout()
            .stdout_capture();
        children::output(&command).with_context(|| format!("cannot start {program}"))
    }
}
