// SPDX-License-Identifier: MIT OR Apache-2.0

//! Standard output and standard error as a program in a pipeline has to treat them.
//!
//! The standard macros panic when the reader has left (`cargo xtask summary | head -1`), and when a
//! disk is full. Programs take these for them, all at once:
//!
//! ```
//! #[macro_use]
//! extern crate podos_terminal;
//! # fn main() {
//! println!("{} nodes", 3);
//! # }
//! ```

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// The status of a program that wrote to a pipe which nobody reads any more, as shells show it:
/// 128 + SIGPIPE.
pub const BROKEN_PIPE: u8 = 128 + libc::SIGPIPE as u8;

/// Prints to standard output, at once; if that fails it ends the program.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::print_text(::std::format_args!($($argument)*))
    };
}

/// Prints a line to standard output; if that fails it ends the program.
#[macro_export]
macro_rules! println {
    () => { $crate::println!("") };
    ($($argument:tt)*) => {
        $crate::print_line(::std::format_args!($($argument)*))
    };
}

/// Prints a line to standard error, if that can be written.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprintln!("") };
    ($($argument:tt)*) => {
        $crate::tell_line(::std::format_args!($($argument)*))
    };
}

/// Prints to standard output, at once, for a program that handles what can't be written itself.
///
/// # Errors
///
/// Those of the writes.
pub fn try_print(text: Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_fmt(text).and_then(|()| out.flush())
}

/// Prints to standard output. What can't be written ends the program: without a word, as SIGPIPE
/// would, where nobody reads, otherwise as a failure.
pub fn print_text(text: Arguments<'_>) {
    match try_print(text) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(BROKEN_PIPE.into()),
        Err(error) => {
            tell_line(format_args!("error: cannot write standard output: {error}"));
            process::exit(1);
        }
    }
}

/// Prints a line to standard output, as [`print_text`] does.
pub fn print_line(line: Arguments<'_>) {
    print_text(format_args!("{line}\n"));
}

/// Prints a line to standard error. There is nobody to tell if that fails, and no reason to end:
/// what is told there is beside the work.
pub fn tell_line(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
