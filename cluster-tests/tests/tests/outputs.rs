// SPDX-License-Identifier: MIT OR Apache-2.0

//! A reader that leaves early.

use std::process::{Command, Stdio};

use anyhow::Result;
use rustix::pipe::pipe;

#[test]
fn a_reader_that_left_ends_a_list_without_a_word() -> Result<()> {
    let (reader, writer) = pipe()?;
    drop(reader);
    let list = Command::new(env!("CARGO_BIN_EXE_cluster-tests"))
        .arg("--list")
        .stdin(Stdio::null())
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .spawn()?
        .wait_with_output()?;
    assert_eq!(list.status.code(), Some(128 + libc::SIGPIPE));
    assert_eq!(String::from_utf8_lossy(&list.stderr), "");
    Ok(())
}
