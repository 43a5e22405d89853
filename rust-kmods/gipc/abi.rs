// SPDX-License-Identifier: GPL-2.0-only

//! The numbers of the file interface, for programs.

use kernel::ioctl::{_IO, _IOR, _IOW};

const GROUP: u32 = b'P' as u32;

/// Every `read(2)` gives one record from now on.
pub(crate) const RECORDS: u32 = _IO(GROUP, 1);
/// The program's standard input is at its end.
pub(crate) const END_OF_INPUT: u32 = _IO(GROUP, 2);
/// A signal to the program; a negative number is one to its process group.
pub(crate) const SIGNAL: u32 = _IOW::<i32>(GROUP, 3);
/// The wait status; waits for the end of the program.
pub(crate) const STATUS: u32 = _IOR::<i32>(GROUP, 4);
/// The program's GPID; waits for its start.
pub(crate) const GPID: u32 = _IOR::<u64>(GROUP, 5);

/// The program's standard input can't be read any further, for this reason: an error number.
pub(crate) const FAIL_INPUT: u32 = _IOW::<i32>(GROUP, 6);

/// Length of a record's header: stream and length of the data, 32 bits little-endian each.
pub(crate) const RECORD_HEADER: usize = 8;
/// The longest record that is never cut: an exit.
pub(crate) const LEAST_RECORD: usize = RECORD_HEADER + size_of::<i32>();

/// The streams of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum RecordStream {
    Stdout = 1,
    Stderr = 2,
    Exit = 3,
}

impl RecordStream {
    /// The header of a record with `len` bytes of data.
    pub(crate) fn header(self, len: usize) -> [u8; RECORD_HEADER] {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        (u64::from(self as u32) | u64::from(len) << 32).to_le_bytes()
    }
}
