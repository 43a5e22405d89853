// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent's own messages, while nobody is connected.

/// Writes one line to standard error, which init has made the console.
pub fn say(message: &str) {
    eprintln!("podos-agent: {message}");
}
