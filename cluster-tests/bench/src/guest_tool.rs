// SPDX-License-Identifier: MIT OR Apache-2.0

//! The guest's tool: built here, run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{ensure, Context, Result};

const PACKAGE: &str = "podos-testtool";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the tool and puts it into `share`, a folder that nodes are to see.
pub fn build_into(share: &Path, root: &Path) -> Result<()> {
    let program = build(root)?;
    fs::create_dir_all(share).with_context(|| format!("making {}", share.display()))?;
    let copy = share.join(PACKAGE);
    fs::copy(&program, &copy).with_context(|| format!("copying it to {}", copy.display()))?;
    Ok(())
}

/// Linked statically, for the image has no libraries.
fn build(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/guest-tool");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--target", TARGET, "--package", PACKAGE])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    let status = command.status().context("starting cargo")?;
    ensure!(
        status.success(),
        "cargo could not build {PACKAGE} ({status})"
    );
    Ok(folder.join(TARGET).join("release").join(PACKAGE))
}
