// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware's program: built here, for a bare machine.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{IoContext, Result};

const PACKAGE: &str = "podos-firmware";
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the firmware of the checkout `root`; where it is.
///
/// # Errors
///
/// cargo does not start, or fails.
pub fn build_firmware(root: &Path) -> Result<PathBuf> {
    let what = || format!("build {PACKAGE} by cargo");
    let folder = root.join("target/firmware");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--locked"])
        .args(["--target", TARGET, "--package", PACKAGE])
        .args(["--features", "machine", "--bin", PACKAGE])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &folder)
        // It lies at a fixed place in memory.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Crelocation-model=static")
        // A second opinion that wraps around silently would be none.
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .status()
        .context(what)?;
    match status.success() {
        true => Ok(folder.join(TARGET).join("release").join(PACKAGE)),
        false => Err(io::Error::other(status.to_string())).context(what),
    }
}
