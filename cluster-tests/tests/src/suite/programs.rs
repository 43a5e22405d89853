// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs whose files are at another node, run here.

use anyhow::Result;

use crate::check::ensure_eq;
use crate::support::{Lab, TOOL};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "programs.a_remote_file_is_run",
        setting: SHARED,
        limit: None,
        run: remote_file,
    },
    Test {
        name: "programs.a_new_version_is_run",
        setting: SHARED,
        limit: None,
        run: new_version,
    },
];

fn remote_file(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // It is node 2's program, and node 1 that it runs on.
    ensure_eq!(
        one.sh("/linus2/bin/busybox uname -n")?,
        "linus1",
        "busybox of node 2"
    );
    two.sh(&format!("cp {TOOL} {dir}/tool; printf '#!/bin/sh\\nuname -n; echo $0\\n' > {dir}/script; chmod +x {dir}/script"))?;
    one.sh(&format!("/linus2{dir}/tool --version"))?;
    let script = format!("/linus2{dir}/script");
    ensure_eq!(
        one.sh(&script)?,
        format!("linus1\n{script}"),
        "a script of node 2"
    );
    two.sh(&format!("chmod -x {dir}/script"))?;
    one.fails(&script)?;
    Ok(())
}

/// A program that was run once is read again when it was written anew.
fn new_version(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let program = format!("/linus2{dir}/uname");
    two.sh(&format!("cp /bin/busybox {dir}/uname"))?;
    ensure_eq!(
        one.sh(&format!("{program} -n"))?,
        "linus1",
        "the first version"
    );
    two.sh(&format!("cp {TOOL} {dir}/uname"))?;
    one.sh(&format!("{program} --version | grep podos-testtool"))?;
    Ok(())
}
