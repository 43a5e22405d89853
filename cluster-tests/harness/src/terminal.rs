// SPDX-License-Identifier: MIT OR Apache-2.0

//! Standard error, as [`podos_terminal`] has it.

/// Prints a line to standard error, if that can be written.
macro_rules! eprintln {
    ($($argument:tt)*) => {
        ::podos_terminal::tell_line(::std::format_args!($($argument)*))
    };
}
