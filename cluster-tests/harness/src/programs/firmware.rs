// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware's program: built here, for a bare machine.

use std::path::{Path, PathBuf};

use super::cargo::Program;
use crate::error::Result;

const FIRMWARE: Program = Program {
    package: "podos-firmware",
    file: "podos-firmware",
    folder: "firmware",
    args: &["--features", "machine", "--bin", "podos-firmware"],
    // It lies at a fixed place in memory.
    rustflags: "-Crelocation-model=static",
    // A second opinion that wraps around silently would be none.
    env: &[("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")],
};

/// Builds the firmware of the checkout `root`; where it is.
///
/// # Errors
///
/// cargo does not start, or fails.
pub fn build_firmware(root: &Path) -> Result<PathBuf> {
    FIRMWARE.build(root)
}
