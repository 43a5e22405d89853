// SPDX-License-Identifier: MIT OR Apache-2.0

//! The guest's tool: built here, run there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};

const PACKAGE: &str = "podos-testtool";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds `podos-testtool` of the checkout `root`, and puts it into `share`, a folder that nodes
/// are to see.
pub fn build_guest_tool(root: &Path, share: &Path) -> Result<()> {
    let program = build(root)?;
    fs::create_dir_all(share).context(|| format!("make {}", share.display()))?;
    let copy = share.join(PACKAGE);
    fs::copy(&program, &copy).context(|| format!("copy {PACKAGE} to {}", copy.display()))?;
    Ok(())
}

/// Linked statically, for the image has no libraries.
fn build(root: &Path) -> Result<PathBuf> {
    let what = || format!("build {PACKAGE} by cargo");
    let folder = root.join("target/guest-tool");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--target", TARGET, "--package", PACKAGE])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // Digests of 64 MiB in an emulated processor take their time.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .status()
        .context(what)?;
    match status.success() {
        true => Ok(folder.join(TARGET).join("release").join(PACKAGE)),
        false => Err(io::Error::other(status.to_string())).context(what),
    }
}
