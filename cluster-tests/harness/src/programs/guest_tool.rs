// SPDX-License-Identifier: MIT OR Apache-2.0

//! The guest's tool: built here, run there.

use std::fs;
use std::path::Path;

use super::cargo::Program;
use crate::error::{IoContext, Result};

const TOOL: Program = Program {
    package: "podos-testtool",
    file: "podos-testtool",
    folder: "guest-tool",
    args: &[],
    // The image has no libraries.
    rustflags: "-Ctarget-feature=+crt-static",
    env: &[],
};

/// Builds `podos-testtool` of the checkout `root`, and puts it into `share`, a folder that nodes
/// are to see.
pub fn build_guest_tool(root: &Path, share: &Path) -> Result<()> {
    let program = TOOL.build(root)?;
    fs::create_dir_all(share).context(|| format!("make {}", share.display()))?;
    let copy = share.join(TOOL.package);
    fs::copy(&program, &copy).context(|| format!("copy {} to {}", TOOL.package, copy.display()))?;
    Ok(())
}
