// SPDX-License-Identifier: MIT OR Apache-2.0

//! `grab`: checks that a file created by opening it is the caller's own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::report::say;
use crate::tally::Tally;

/// Open a file for reading and writing with O_CREAT, look whose it is, and remove it, for a while
///
/// One that is somebody else's is wrong: it could be opened only by mistake.
#[derive(Debug, clap::Args)]
pub struct Grab {
    path: PathBuf,

    /// For how long
    #[arg(long, value_name = "MILLISECONDS")]
    time: u64,
}

impl Grab {
    pub fn run(&self) -> Result<()> {
        let me = rustix::process::geteuid().as_raw();
        let end = Instant::now() + Duration::from_millis(self.time);
        let mut tally = Tally::default();
        say("ready", 1);
        while Instant::now() < end {
            match self.open().and_then(|file| file.metadata()) {
                Ok(what) if what.uid() == me => tally.ok(),
                Ok(what) => tally.wrong(|| {
                    let (uid, ino, size) = (what.uid(), what.ino(), what.size());
                    format!("opened inode {ino} of user {uid}, {size} bytes")
                }),
                Err(error) => tally.error(&error),
            }
            // It may be what it was, or may not be there.
            let _ = fs::remove_file(&self.path);
        }
        tally.say();
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(0o600).open(&self.path)
    }
}
