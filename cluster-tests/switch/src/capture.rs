// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames in a file that Wireshark reads.
//!
//! The classic pcap format with nanoseconds: a header of 24 bytes, then 16
//! bytes before each frame, in the writer's byte order, which the magic
//! number tells.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::LONGEST;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
const LINKTYPE_ETHERNET: u32 = 1;

/// What a capture begins with.
pub(super) const HEADER: [u8; 24] = {
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
        LONGEST as u32,
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
pub(super) fn record(at: Duration, frame: &[u8]) -> ([u8; 16], &[u8]) {
    let kept = &frame[..frame.len().min(LONGEST)];
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

/// A capture that goes on.
pub(super) struct Capture {
    path: PathBuf,
    file: BufWriter<File>,
    /// Something is not in the file yet.
    dirty: bool,
}

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(64 * 1024, File::create(path)?);
        file.write_all(&HEADER)?;
        file.flush()?;
        Ok(Self {
            path: path.to_owned(),
            file,
            dirty: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a frame; `at` is the time since 1970.
    pub(super) fn add(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        let (head, kept) = record(at, frame);
        self.file.write_all(&head)?;
        self.dirty = true;
        self.file.write_all(kept)
    }

    /// Puts into the file what was added, so that whoever reads it sees whole frames.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) {
            self.file.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_format_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rail0.pcap");
        let mut capture = Capture::create(&path).unwrap();
        let at = Duration::new(1_700_000_000, 5);
        capture.add(at, &[0xaa; 60]).unwrap();
        capture.flush().unwrap();
        let bytes = std::fs::read(capture.path()).unwrap();
        assert_eq!(bytes.len(), 24 + 16 + 60);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(16), word(20)), (0xa1b2_3c4d, 9018, 1));
        let record = [24, 28, 32, 36].map(word);
        assert_eq!(record, [1_700_000_000, 5, 60, 60]);
        assert_eq!(bytes[40..], [0xaa; 60]);
    }
}
