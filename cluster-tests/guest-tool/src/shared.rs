// SPDX-License-Identifier: MIT OR Apache-2.0

//! `shared`: two processes that share a descriptor, of which one is killed while it writes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use crate::report::{errno, say};

/// How long the writer may take to be where it is to be killed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of each of its writes.
const MUCH: usize = 1 << 20;
/// Where the other one writes: behind all that.
const BEHIND: u64 = 2 << 20;

/// Kill a process that writes, and go on with the file that was its, too
///
/// Says how many rounds there were, how many writers were killed while the kernel waited for them,
/// and the errors of the write and of the read after it, if there were any.
#[derive(Debug, clap::Args)]
pub struct Shared {
    path: PathBuf,

    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Write to standard input, which is a file, until somebody ends it
#[derive(Debug, clap::Args)]
pub struct Pour {}

impl Pour {
    pub fn run(&self) -> Result<()> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let much = vec![b'p'; MUCH];
        loop {
            file.write_all_at(&much, 0)?;
        }
    }
}

impl Shared {
    pub fn run(&self) -> Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&self.path).context("cannot open the file")?;
        let mut waiting = 0;
        for round in 1..=self.rounds {
            waiting += u32::from(kill_a_writer(&file)?);
            let text = format!("round {round}");
            let written = file.write_all_at(text.as_bytes(), BEHIND);
            let mut read = vec![0; text.len()];
            let got = file.read_exact_at(&mut read, BEHIND);
            if written.is_err() || got.is_err() || read != text.as_bytes() {
                say("rounds", round);
                say("write_errno", errno(&written));
                say("read_errno", errno(&got));
                ensure!(
                    written.is_err() || got.is_err(),
                    "round {round} read what it did not write"
                );
                return Ok(());
            }
        }
        say("rounds", self.rounds);
        say("waiting", waiting);
        say("write_errno", 0);
        say("read_errno", 0);
        Ok(())
    }
}

/// Has somebody write until the kernel waits for room, and kills him; whether it came to that.
fn kill_a_writer(file: &File) -> Result<bool> {
    let shared = file.try_clone().context("cannot share the file")?;
    let mut writer = Command::new("/proc/self/exe")
        .arg("pour")
        .stdin(Stdio::from(shared))
        .spawn()
        .context("cannot start the writer")?;
    let waits = until_it_waits(&writer);
    writer.kill().context("cannot kill the writer")?;
    writer.wait().context("cannot wait for the writer's end")?;
    waits
}

/// Waits until the process sleeps in a way that only SIGKILL ends; false if it does not in time.
fn until_it_waits(writer: &Child) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    let path = format!("/proc/{}/stat", writer.id());
    while Instant::now() < deadline {
        let stat = fs::read_to_string(&path).context("cannot read the writer's state")?;
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.get(..1));
        if state == Some("D") {
            return Ok(true);
        }
        std::thread::yield_now();
    }
    Ok(false)
}
