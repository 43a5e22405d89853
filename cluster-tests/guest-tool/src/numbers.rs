// SPDX-License-Identifier: MIT OR Apache-2.0

//! `numbers`: which files have which device and inode numbers.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::report::say;

/// Look at all files below a directory, mounts included, and count numbers
///
/// Says how many files of one name there are, how many of these have the numbers of another one, how
/// many devices they are on, and how many have another inode number in their directory's listing.
#[derive(Debug, clap::Args)]
pub struct Numbers {
    path: PathBuf,

    /// How deep to look
    #[arg(long, default_value_t = 6)]
    depth: usize,
}

#[derive(Default)]
struct Census {
    met: HashMap<(u64, u64), PathBuf>,
    files: usize,
    twice: usize,
    listed_otherwise: usize,
    example: Option<String>,
}

impl Numbers {
    pub fn run(&self) -> Result<()> {
        let mut census = Census::default();
        census.walk(&self.path, self.depth);
        let mut devices: Vec<_> = census.met.keys().map(|(device, _)| *device).collect();
        devices.sort_unstable();
        devices.dedup();
        say("files", census.files);
        say("twice", census.twice);
        say("devices", devices.len());
        say("listed_otherwise", census.listed_otherwise);
        if let Some(example) = census.example {
            say("example", example);
        }
        Ok(())
    }
}

impl Census {
    /// What goes away meanwhile, or can't be read, is not counted.
    fn walk(&mut self, directory: &Path, depth: usize) {
        let Ok(own) = fs::symlink_metadata(directory) else {
            return;
        };
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            // Listings have what a mount lies on.
            if found.dev() == own.dev() && found.ino() != entry.ino() {
                self.listed_otherwise += 1;
                self.example
                    .get_or_insert_with(|| format!("{} is listed otherwise", path.display()));
            }
            if found.is_dir() || found.nlink() == 1 {
                self.meet(&path, (found.dev(), found.ino()));
            }
            if found.is_dir() && depth > 1 {
                self.walk(&path, depth - 1);
            }
        }
    }

    fn meet(&mut self, path: &Path, numbers: (u64, u64)) {
        self.files += 1;
        if let Some(other) = self.met.insert(numbers, path.to_owned()) {
            self.twice += 1;
            let (path, other) = (path.display(), other.display());
            self.example
                .get_or_insert_with(|| format!("{path} and {other}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_have_numbers_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        for name in ["a", "d/b", "d/c"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::hard_link(dir.path().join("a"), dir.path().join("d/a")).unwrap();
        let mut census = Census::default();
        census.walk(dir.path(), 9);
        assert_eq!((census.files, census.twice), (3, 0));
        assert_eq!(census.listed_otherwise, 0);
        census.walk(dir.path(), 1);
        assert_eq!((census.files, census.twice), (4, 1));
    }
}
