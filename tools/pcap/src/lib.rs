// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ethernet frames in files that Wireshark reads.
//!
//! The classic pcap format with nanoseconds: a header of 24 bytes, then 16 bytes before each frame,
//! in the writer's byte order, which the magic number tells.

use std::io::{self, Write};
use std::time::Duration;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
const LINKTYPE_ETHERNET: u32 = 1;

/// Bytes of a frame that are kept, at most.
pub const SNAP_LENGTH: usize = 65_535;

/// What a capture begins with.
pub const HEADER: [u8; 24] = {
    // Time zone and accuracy are 0 by convention.
    let version = VERSION[0] as u32 | (VERSION[1] as u32) << 16;
    let version = if cfg!(target_endian = "big") {
        version.rotate_left(16)
    } else {
        version
    };
    let words = [
        MAGIC_NANOSECONDS,
        version,
        0,
        0,
        SNAP_LENGTH as u32,
        LINKTYPE_ETHERNET,
    ];
    let mut bytes = [0; 24];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = words[at / 4].to_ne_bytes()[at % 4];
        at += 1;
    }
    bytes
};

/// What comes before a frame, and as much of the frame as is kept; `at` is the time since 1970.
pub fn record(at: Duration, frame: &[u8]) -> ([u8; 16], &[u8]) {
    let kept = &frame[..frame.len().min(SNAP_LENGTH)];
    let numbers = [
        at.as_secs() as u32,
        at.subsec_nanos(),
        kept.len() as u32,
        frame.len() as u32,
    ];
    let mut head = [0; 16];
    for (bytes, number) in head.chunks_exact_mut(4).zip(numbers) {
        bytes.copy_from_slice(&number.to_ne_bytes());
    }
    (head, kept)
}

/// A capture that is being written.
#[derive(Debug)]
pub struct Writer<W>(W);

impl<W: Write> Writer<W> {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn new(mut to: W) -> io::Result<Self> {
        to.write_all(&HEADER)?;
        Ok(Self(to))
    }

    /// Adds a frame; `at` is the time since 1970.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn add(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        let (head, kept) = record(at, frame);
        self.0.write_all(&head)?;
        self.0.write_all(kept)
    }

    /// Puts out what was added.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_what_the_format_says() -> io::Result<()> {
        let mut bytes = Vec::new();
        let at = Duration::new(1_700_000_000, 5);
        let mut capture = Writer::new(&mut bytes)?;
        capture.add(at, &[0xaa; 60])?;
        capture.add(at, &[0; SNAP_LENGTH + 1])?;
        capture.flush()?;
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
        assert_eq!((word(0), word(16), word(20)), (0xa1b2_3c4d, 65_535, 1));
        assert_eq!([24, 28, 32, 36].map(word), [1_700_000_000, 5, 60, 60]);
        assert_eq!(bytes[40..100], [0xaa; 60]);
        // Of one that is too long, what fits, and how long it was.
        assert_eq!([108, 112].map(word), [65_535, 65_536]);
        assert_eq!(bytes.len(), 24 + 16 + 60 + 16 + SNAP_LENGTH);
        Ok(())
    }
}
