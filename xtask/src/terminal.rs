// SPDX-License-Identifier: MIT OR Apache-2.0

//! Standard output as a program in a pipeline has to treat it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// The status of a program that wrote to a pipe which nobody reads any more: 128 + SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// Prints a line. Stands in for the standard macro in all of xtask, which panics when the reader
/// has left (`cargo xtask summary | head -1`).
macro_rules! println {
    ($($argument:tt)*) => {
        $crate::terminal::print_line(format_args!($($argument)*))
    };
}

/// Prints a line to standard output, and ends the program when nobody reads it.
pub fn print_line(line: Arguments<'_>) {
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{line}").and_then(|()| out.flush());
    if printed.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(BROKEN_PIPE);
    }
}
