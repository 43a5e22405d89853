// SPDX-License-Identifier: MIT OR Apache-2.0

//! Records: what a `read(2)` gives in record mode.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Length of a record's header, in bytes: stream and length, 32 bits little-endian each.
pub const RECORD_HEADER: usize = 8;

const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const EXIT: u32 = 3;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Bytes of the program's standard output.
    Stdout(&'a [u8]),
    /// Bytes of its standard error.
    Stderr(&'a [u8]),
    /// It ended.
    Exit(ExitStatus),
}

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The header is not complete.
    #[error("{0} bytes are too few for a record's header")]
    Short(usize),
    /// The length in the header is not that of the data.
    #[error("the header tells of {told} bytes, {there} are there")]
    Length {
        /// The header's length.
        told: usize,
        /// How many bytes follow the header.
        there: usize,
    },
    /// An exit record without exactly one status.
    #[error("an exit record has {0} bytes instead of 4")]
    Exit(usize),
    /// A stream that this library does not know.
    #[error("there is no stream {0}")]
    Stream(u32),
}

impl<'a> Record<'a> {
    /// Reads the one record that `bytes` are.
    ///
    /// # Errors
    ///
    /// See [`RecordError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let short = || RecordError::Short(bytes.len());
        let (stream, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
        let (told, data) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let told = u32::from_le_bytes(*told) as usize;
        if told != data.len() {
            let there = data.len();
            return Err(RecordError::Length { told, there });
        }
        match u32::from_le_bytes(*stream) {
            STDOUT => Ok(Record::Stdout(data)),
            STDERR => Ok(Record::Stderr(data)),
            EXIT => data
                .try_into()
                .map(|raw| Record::Exit(ExitStatus::from_raw(i32::from_le_bytes(raw))))
                .map_err(|_| RecordError::Exit(data.len())),
            other => Err(RecordError::Stream(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(stream: u32, told: u32, data: &[u8]) -> Vec<u8> {
        [&stream.to_le_bytes(), &told.to_le_bytes(), data].concat()
    }

    #[test]
    fn streams() {
        assert_eq!(
            Record::parse(&bytes(1, 2, b"hi")),
            Ok(Record::Stdout(b"hi"))
        );
        assert_eq!(Record::parse(&bytes(2, 0, b"")), Ok(Record::Stderr(b"")));
    }

    #[test]
    fn exit_status_and_signal() {
        let raw = bytes(3, 4, &(7i32 << 8).to_le_bytes());
        let Ok(Record::Exit(status)) = Record::parse(&raw) else {
            panic!("no exit record");
        };
        assert_eq!(status.code(), Some(7));
        let raw = bytes(3, 4, &9i32.to_le_bytes());
        let Ok(Record::Exit(status)) = Record::parse(&raw) else {
            panic!("no exit record");
        };
        assert_eq!((status.code(), status.signal()), (None, Some(9)));
    }

    #[test]
    fn lies() {
        assert_eq!(Record::parse(b""), Err(RecordError::Short(0)));
        assert_eq!(Record::parse(&[0; 7]), Err(RecordError::Short(7)));
        let expected = RecordError::Length { told: 3, there: 2 };
        assert_eq!(Record::parse(&bytes(1, 3, b"hi")), Err(expected));
        assert_eq!(Record::parse(&bytes(3, 1, b"x")), Err(RecordError::Exit(1)));
        assert_eq!(
            Record::parse(&bytes(9, 0, b"")),
            Err(RecordError::Stream(9))
        );
    }
}
