// SPDX-License-Identifier: MIT OR Apache-2.0

//! A capture of a rail under way.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use podos_pcap::Writer;

/// Frames in a file.
pub(super) struct Capture {
    path: PathBuf,
    frames: Writer<BufWriter<File>>,
    /// Something is not in the file yet.
    dirty: bool,
}

impl Capture {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(64 * 1024, File::create(path)?);
        let mut frames = Writer::new(file)?;
        frames.flush()?;
        Ok(Self {
            path: path.to_owned(),
            frames,
            dirty: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a frame; `at` is the time since 1970.
    pub(super) fn add(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        self.dirty = true;
        self.frames.add(at, frame)
    }

    /// Puts into the file what was added, so that whoever reads it sees whole frames.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) {
            self.frames.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_what_was_added_once_it_was_flushed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rail0.pcap");
        let mut capture = Capture::create(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), podos_pcap::HEADER);
        let at = Duration::new(1_700_000_000, 5);
        capture.add(at, &[0xaa; 60]).unwrap();
        capture.flush().unwrap();
        let bytes = std::fs::read(capture.path()).unwrap();
        assert_eq!(bytes.len(), podos_pcap::HEADER.len() + 16 + 60);
        assert_eq!(bytes[40..], [0xaa; 60]);
    }
}
