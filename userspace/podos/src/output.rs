// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outputs whose readers may leave at any time, as errors: a program on another node has to be
//! ended before ours ends, and keys are replaced to the end whoever reads of it.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use anyhow::{Context, Result};
use podos_terminal::{try_print, BROKEN_PIPE};

/// Nobody reads our output any more: what ends any other program at once and without a word.
#[derive(Debug)]
pub struct NoReader;

impl fmt::Display for NoReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl Error for NoReader {}

/// Prints a listing.
pub fn print(text: impl Display) -> Result<()> {
    unread(try_print(format_args!("{text}"))).context("cannot write standard output")
}

/// Tells a reader that has left from what else can go wrong with an output of ours.
pub fn unread(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NoReader.into()),
        written => Ok(written?),
    }
}

/// The exit status for an error, which is told, unless it is that nobody listens.
pub fn fail(error: &anyhow::Error, status: u8) -> ExitCode {
    if error.downcast_ref::<NoReader>().is_some() {
        return ExitCode::from(BROKEN_PIPE);
    }
    eprintln!("podos: {error:#}");
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_left_is_no_error_to_tell() {
        let errno = |errno| unread(Err(io::Error::from_raw_os_error(errno))).unwrap_err();
        let left = errno(libc::EPIPE).context("cannot write standard output");
        assert!(left.downcast_ref::<NoReader>().is_some());
        for error in [
            errno(libc::ENOSPC),
            // Of a pipe to somebody else.
            io::Error::from_raw_os_error(libc::EPIPE).into(),
        ] {
            assert!(error.downcast_ref::<NoReader>().is_none());
        }
    }
}
