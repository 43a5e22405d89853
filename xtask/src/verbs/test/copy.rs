// SPDX-License-Identifier: MIT OR Apache-2.0

//! A copy of this tree, for checks that change it.

use std::ffi::OsString;
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
    seed(&ctx.path("target/debug"), &copy.target.join("debug"))?;
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

/// Where nothing was built for a copy yet, what was built for the tree is a beginning: the crates of
/// others are the same. They are copied, not linked: cargo writes some of its files where they are.
fn seed(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    // By the time that files have, cargo tells what is stale.
    let mut copy = vec![OsString::from("--archive"), "--reflink=auto".into()];
    let parts = [".fingerprint", "build", "deps"].map(|part| from.join(part));
    copy.extend(
        parts
            .into_iter()
            .filter(|part| part.exists())
            .map(Into::into),
    );
    if copy.len() == 2 {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    copy.push(to.into());
    children::succeed("cp", &duct::cmd("cp", copy)).map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_copy_begins_with_what_was_built() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("debug"), dir.path().join("copy/debug"));
        seed(&from, &to)?;
        assert!(!to.exists(), "there was nothing");
        for part in ["deps", "incremental"] {
            fs::create_dir_all(from.join(part))?;
            fs::write(from.join(part).join("file"), part)?;
        }
        seed(&from, &to)?;
        assert_eq!(fs::read_to_string(to.join("deps/file"))?, "deps");
        assert!(!to.join("incremental").exists());
        let time =
            |root: &Path| Ok::<_, anyhow::Error>(fs::metadata(root.join("deps/file"))?.modified()?);
        assert_eq!(time(&from)?, time(&to)?);
        // What the copy has is its own from then on.
        fs::write(to.join("deps/file"), "other")?;
        seed(&from, &to)?;
        assert_eq!(fs::read_to_string(to.join("deps/file"))?, "other");
        assert_eq!(fs::read_to_string(from.join("deps/file"))?, "deps");
        Ok(())
    }
}
