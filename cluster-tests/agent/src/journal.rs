// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the agent says when nobody is connected.

/// Writes one line to standard error, which init has made the console.
pub fn say(message: &str) {
    eprintln!("podos-agent: {message}");
}
