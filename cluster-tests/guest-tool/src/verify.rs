// SPDX-License-Identifier: MIT OR Apache-2.0

//! `write` and `check`: files with a pattern in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use sha2::{Digest, Sha256};

use crate::pattern::Pattern;
use crate::report::{say, say_millis};

/// The file and what is, or shall be, in it.
#[derive(Debug, clap::Args)]
struct Content {
    /// The file
    path: PathBuf,

    /// How many bytes
    #[arg(long, value_name = "BYTES")]
    size: u64,

    /// Which pattern
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Bytes per system call
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    chunk: usize,
}

impl Content {
    fn buffer(&self) -> Vec<u8> {
        let len = usize::try_from(self.size).map_or(self.chunk, |size| size.min(self.chunk));
        vec![0; len]
    }
}

/// Write a file with a pattern
#[derive(Debug, clap::Args)]
pub struct Write {
    #[command(flatten)]
    content: Content,

    /// Write at this position of a file that is there, instead of a new file
    #[arg(long, value_name = "BYTES")]
    offset: Option<u64>,

    /// Call fsync() before the end
    #[arg(long)]
    sync: bool,
}

impl Write {
    pub fn run(&self) -> Result<()> {
        let path = &self.content.path;
        let start = Instant::now();
        let mut file = self
            .open()
            .with_context(|| format!("cannot open {}", path.display()))?;
        let pattern = Pattern::new(self.content.seed);
        let base = self.offset.unwrap_or(0);
        let mut buffer = self.content.buffer();
        let mut digest = Sha256::new();
        let mut written = 0;
        while written < self.content.size {
            let piece = piece(&mut buffer, self.content.size - written);
            pattern.fill(base + written, piece);
            file.write_all(piece).with_context(|| {
                format!("cannot write {} at {}", path.display(), base + written)
            })?;
            digest.update(&piece);
            written += piece.len() as u64;
        }
        if self.sync {
            file.sync_all()
                .with_context(|| format!("cannot sync {}", path.display()))?;
        }
        drop(file);
        say("bytes", written);
        say("sha256", hexadecimal(digest));
        say_millis("elapsed_ms", start.elapsed());
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true);
        match self.offset {
            None => options.create(true).truncate(true).open(&self.content.path),
            Some(offset) => {
                let mut file = options.open(&self.content.path)?;
                file.seek(SeekFrom::Start(offset))?;
                Ok(file)
            }
        }
    }
}

/// Read a file and say whether it is the pattern, all of it and nothing more
#[derive(Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    content: Content,
}

impl Check {
    pub fn run(&self) -> Result<()> {
        let start = Instant::now();
        let (read, digest) = self.compare(&self.content.path)?;
        say("bytes", read);
        say("sha256", hexadecimal(digest));
        say_millis("elapsed_ms", start.elapsed());
        let size = self.content.size;
        ensure!(
            read == size,
            "{} has {read} bytes instead of {size}",
            self.content.path.display()
        );
        Ok(())
    }

    fn compare(&self, path: &Path) -> Result<(u64, Sha256)> {
        let mut file =
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let pattern = Pattern::new(self.content.seed);
        // One byte more would be too much, and must be seen.
        let mut buffer = vec![0; self.content.buffer().len().max(1)];
        let mut scratch = buffer.clone();
        let mut digest = Sha256::new();
        let mut read = 0;
        loop {
            let len = match file.read(&mut buffer) {
                Ok(0) => return Ok((read, digest)),
                Ok(len) => len,
                Err(error) => {
                    let place = format!("reading {} at {read}", path.display());
                    return Err(error).context(place);
                }
            };
            let bytes = &buffer[..len];
            if let Some(at) = pattern.mismatch(read, bytes, &mut scratch) {
                let at = read + at as u64;
                bail!("{} has a wrong byte at {at}", path.display());
            }
            digest.update(bytes);
            read += len as u64;
        }
    }
}

/// The part of `buffer` for the next piece of what is left.
fn piece(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let len = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    &mut buffer[..len]
}

pub fn hexadecimal(digest: Sha256) -> String {
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(path: &Path, size: u64) -> Content {
        Content {
            path: path.to_owned(),
            size,
            seed: 3,
            chunk: 1000,
        }
    }

    fn write(path: &Path, size: u64, offset: Option<u64>) -> Result<()> {
        let content = content(path, size);
        Write {
            content,
            offset,
            sync: false,
        }
        .run()
    }

    #[test]
    fn what_is_written_is_what_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for size in [0, 1, 999, 1000, 1001, 4096] {
            write(&path, size, None).unwrap();
            let check = |size| {
                Check {
                    content: content(&path, size),
                }
                .run()
            };
            check(size).unwrap();
            assert!(check(size + 1).is_err(), "{size}");
            if size > 0 {
                assert!(check(size - 1).is_err(), "{size}");
            }
        }
    }

    #[test]
    fn parts_written_apart_make_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write(&path, 3000, None).unwrap();
        std::fs::write(&path, vec![0; 3000]).unwrap();
        write(&path, 1500, Some(1500)).unwrap();
        let check = Check {
            content: content(&path, 3000),
        };
        assert!(check.run().is_err());
        write(&path, 1500, Some(0)).unwrap();
        check.run().unwrap();
    }
}
