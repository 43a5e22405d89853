// SPDX-License-Identifier: MIT OR Apache-2.0

//! The plugin that counts instructions: built here, loaded into the nodes' QEMUs.

use std::path::{Path, PathBuf};

use super::cargo::Program;
use crate::error::Result;

const COUNTER: Program = Program {
    package: "podos-counter",
    file: "libpodos_counter.so",
    folder: "counter",
    args: &[],
    rustflags: "",
    env: &[],
};

/// Builds the plugin of the checkout `root`, for [`Topology::counter`](crate::Topology::counter);
/// where it is.
pub fn build_counter(root: &Path) -> Result<PathBuf> {
    COUNTER.build(root)
}
