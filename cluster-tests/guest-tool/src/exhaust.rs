// SPDX-License-Identifier: MIT OR Apache-2.0

//! `exhaust`: a file that is opened again and again, and stays open.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{setrlimit, Resource, Rlimit, Uid};
use rustix::thread::set_thread_res_uid;

use crate::report::{say, say_outcome};

/// Descriptors that the tool needs for itself.
const OWN: u64 = 16;
const PAUSE: Duration = Duration::from_millis(20);

/// Open a file many times as some user, and hold it open
///
/// Opens until one fails or there are enough; says `ready=1`, and what it came to.
#[derive(Debug, clap::Args)]
pub struct Exhaust {
    path: PathBuf,

    /// How often it is opened
    #[arg(long)]
    count: u64,

    /// The user; the tool has to be started by root
    #[arg(long)]
    uid: u32,

    /// Hold the files until this one is there; else close them at once
    #[arg(long, value_name = "FILE")]
    until: Option<PathBuf>,
}

impl Exhaust {
    pub fn run(&self) -> Result<()> {
        let descriptors = Some(self.count + OWN);
        let limit = Rlimit {
            current: descriptors,
            maximum: descriptors,
        };
        setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")?;
        let uid = Uid::from_raw(self.uid);
        // This thread is the whole process.
        set_thread_res_uid(uid, uid, uid).context("cannot become the user")?;
        let mut files = Vec::new();
        let opened = (0..self.count).try_for_each(|_| -> io::Result<()> {
            files.push(File::open(&self.path)?);
            Ok(())
        });
        say("opened", files.len());
        say_outcome(&opened);
        say("ready", 1);
        while self.until.as_ref().is_some_and(|path| !path.exists()) {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}
