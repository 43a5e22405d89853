// SPDX-License-Identifier: MIT OR Apache-2.0

//! `key=value` lines.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// Prints one line at once, for readers that wait for it.
pub fn say(key: &str, value: impl Display) {
    let mut out = io::stdout().lock();
    // A reader that has gone does not stop the verb from doing its work on the node.
    let _ = writeln!(out, "{key}={value}").and_then(|()| out.flush());
}

/// Bytes on one line: printable ones as they are, the others as in a Rust byte string.
pub fn say_bytes(key: &str, bytes: &[u8]) {
    say(key, bytes.escape_ascii());
}

/// A duration in whole milliseconds.
pub fn say_millis(key: &str, duration: Duration) {
    say(key, duration.as_millis());
}

/// The error number of a result, 0 for a good one.
pub fn errno<T>(result: &io::Result<T>) -> i32 {
    result.as_ref().err().map_or(0, number)
}

/// The error number; -1 for an error that is not the kernel's.
pub fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

/// `errno=`, and `error=` with the same in words.
pub fn say_outcome<T>(result: &io::Result<T>) {
    say("errno", errno(result));
    if let Err(error) = result {
        say("error", error);
    }
}
