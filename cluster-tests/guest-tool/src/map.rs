// SPDX-License-Identifier: MIT OR Apache-2.0

//! `map`: files through `mmap(2)`.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::ptr::{self, NonNull};

use anyhow::{Context, Result};
use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};
use sha2::{Digest, Sha256};

use crate::report::{say, say_outcome};
use crate::verify::hexadecimal;

/// Read a file through a mapping
#[derive(Debug, clap::Args)]
pub struct Map {
    path: PathBuf,

    /// A shared, writable mapping instead of a private one
    #[arg(long)]
    shared: bool,

    /// A mapping that can be executed
    #[arg(long, conflicts_with = "shared")]
    execute: bool,

    /// How many bytes, of a file that does not tell
    #[arg(long)]
    len: Option<u64>,
}

impl Map {
    pub fn run(&self) -> Result<()> {
        let path = self.path.display();
        let mut options = OpenOptions::new();
        options.read(true).write(self.shared);
        let file = options
            .open(&self.path)
            .with_context(|| format!("cannot open {path}"))?;
        let size = file
            .metadata()
            .with_context(|| format!("cannot stat {path}"))?
            .len();
        let len = self.len.unwrap_or(size);
        let len = usize::try_from(len).with_context(|| format!("{path} is too long to map"))?;
        let mapping = Mapping::new(&file, len, self.shared, self.execute);
        say_outcome(&mapping);
        if let Ok(mapping) = mapping {
            say("bytes", len);
            say(
                "sha256",
                hexadecimal(Sha256::new_with_prefix(mapping.bytes())),
            );
        }
        Ok(())
    }
}

/// A mapping of a whole file.
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    pub fn new(file: &std::fs::File, len: usize, shared: bool, execute: bool) -> io::Result<Self> {
        let (mut protection, flags) = match shared {
            true => (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED),
            false => (ProtFlags::READ, MapFlags::PRIVATE),
        };
        protection.set(ProtFlags::EXEC, execute);
        // SAFETY: With no address asked for, the kernel maps where nothing else is.
        let start = unsafe { mmap(ptr::null_mut(), len, protection, flags, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { start, len })
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `len` are a readable mapping that lives as long as `self`; the tests
        // change a file only while nobody maps it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours and no slice of it is left, as they borrow `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_mapping_is_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 5000]).unwrap();
        for shared in [false, true] {
            let mapping = Mapping::new(&file, 5000, shared, !shared).unwrap();
            assert_eq!(mapping.bytes(), [7; 5000]);
        }
        assert!(Mapping::new(&file, 0, false, false).is_err());
    }
}
