// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench names`: operations on files that leave their data alone.

use std::fs::{self, File};
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use super::files::Files;
use super::samples::Samples;

/// List a directory with its files' attributes, then make and remove empty files; answers the
/// times of the whole list, of stat(), and of one file made and removed
#[derive(Debug, clap::Args)]
pub struct Names {
    /// The files that are there, and no others, with names that this node has not seen
    #[command(flatten)]
    files: Files,
}

impl Names {
    pub fn run(&self) -> Result<()> {
        let (dir, count) = (self.files.dir(), self.files.count());
        let samples = || Samples::with_capacity(count);
        let [mut list, mut stat, mut make, mut remove] =
            [samples(), samples(), samples(), samples()];
        // First, for the list makes the names known.
        for (_, path) in self.files.iter() {
            let what = || path.display().to_string();
            let start = Instant::now();
            let found = fs::metadata(&path).with_context(what)?;
            stat.add(start.elapsed());
            ensure!(found.is_file(), "{} is no file", what());
        }
        let start = Instant::now();
        let mut seen = 0;
        for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
            seen += usize::from(entry?.metadata()?.is_file());
        }
        list.add(start.elapsed());
        ensure!(seen == count, "{} files instead of {count}", seen);
        for (number, _) in self.files.iter() {
            let path = dir.join(format!("empty-{number}"));
            let what = || path.display().to_string();
            let start = Instant::now();
            drop(File::create_new(&path).with_context(what)?);
            make.add(start.elapsed());
        }
        for (number, _) in self.files.iter() {
            let path = dir.join(format!("empty-{number}"));
            let start = Instant::now();
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
            remove.add(start.elapsed());
        }
        for (name, samples) in [
            ("stat", &mut stat),
            ("list", &mut list),
            ("make", &mut make),
            ("remove", &mut remove),
        ] {
            samples.say_as(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::files::tests::{files, make};

    #[test]
    fn the_directory_is_afterwards_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path(), 1, 5);
        make(&files, 10);
        let names = Names {
            files: files.clone(),
        };
        names.run().unwrap();
        names.run().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
        fs::write(dir.path().join("more"), "").unwrap();
        assert!(names.run().is_err(), "one too many");
    }
}
