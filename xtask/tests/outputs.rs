// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outputs that can't be written: a reader that has left, a disk that is full.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use anyhow::Result;
use rustix::pipe::pipe;

fn doctor(stdout: Stdio, stderr: Stdio) -> Result<Output> {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let xtask = xtask.arg("doctor").stdin(Stdio::null());
    Ok(xtask
        .stdout(stdout)
        .stderr(stderr)
        .spawn()?
        .wait_with_output()?)
}

/// The end of a pipe for writing, whose other one is closed.
fn unread() -> Result<Stdio> {
    let (reader, writer) = pipe()?;
    drop(reader);
    Ok(writer.into())
}

#[test]
fn a_reader_that_left_ends_a_verb_without_a_word() -> Result<()> {
    let output = doctor(unread()?, Stdio::piped())?;
    assert_eq!(output.status.code(), Some(128 + libc::SIGPIPE));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(())
}

#[test]
fn a_full_disk_is_no_success() -> Result<()> {
    let full = || File::options().write(true).open("/dev/full");
    let output = doctor(full()?.into(), Stdio::piped())?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write standard output"), "{said}");
    // Nor is it a panic where that can't be told either.
    assert_eq!(
        doctor(full()?.into(), full()?.into())?.status.code(),
        Some(1)
    );
    assert_eq!(doctor(full()?.into(), unread()?)?.status.code(), Some(1));
    Ok(())
}
