// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs of the checkout that do not run on this system: cargo builds them, each its own way.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A program, and how it is built.
pub(crate) struct Program {
    /// The package's name.
    pub(crate) package: &'static str,
    /// The file that cargo makes of it.
    pub(crate) file: &'static str,
    /// Where cargo works: a folder in `target`, so that programs with other flags stay what they are.
    pub(crate) folder: &'static str,
    /// What cargo is told besides.
    pub(crate) args: &'static [&'static str],
    pub(crate) rustflags: &'static str,
    /// Variables of cargo's environment.
    pub(crate) env: &'static [(&'static str, &'static str)],
}

impl Program {
    /// Builds the program of the checkout `root`, for speed; where it is.
    ///
    /// # Errors
    ///
    /// cargo does not start, or fails.
    pub(crate) fn build(&self, root: &Path) -> Result<PathBuf> {
        let what = || format!("build {} by cargo", self.package);
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let folder = target
            .unwrap_or_else(|| root.join("target"))
            .join(self.folder);
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--target", TARGET, "--package", self.package])
            .args(self.args)
            .current_dir(root)
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_ENCODED_RUSTFLAGS", self.rustflags)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
            .envs(self.env.iter().copied())
            .status()
            .context(what)?;
        match status.success() {
            true => Ok(folder.join(TARGET).join("release").join(self.file)),
            false => Err(io::Error::other(status.to_string())).context(what),
        }
    }
}
