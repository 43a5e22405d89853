// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program itself: a run in which all fails ends so.

use std::process::Command;

use anyhow::{ensure, Context, Result};

use crate::check::ensure_eq;
use crate::support::Lab;

pub fn exit_status(lab: &Lab<'_>) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for a report")?;
    let nothing = folder.path().join("no-image");
    let program = std::env::current_exe().context("cannot find our own executable")?;
    let output = Command::new(&program)
        .args(["gpid.", "--seed", &lab.seed().to_string()])
        .arg("--report-dir")
        .arg(folder.path())
        .arg("--image-dir")
        .arg(&nothing)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure_eq!(output.status.code(), Some(1), "the status of a run: {said}");
    for part in [
        "no-image/manifest.toml is missing",
        "cargo xtask cluster-test gpid.node_is_set_once --seed ",
        "\n0 passed, 3 failed",
    ] {
        ensure!(said.contains(part), "no `{part}` in {said}");
    }
    let record = folder
        .path()
        .join("failed/gpid.node_is_set_once/record.json");
    ensure!(record.is_file(), "no {}", record.display());
    Ok(())
}
