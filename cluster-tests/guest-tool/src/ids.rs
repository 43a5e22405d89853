// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ids`: for whom a program runs.

use anyhow::Result;
use rustix::process::{getegid, geteuid, getgid, getuid};

use crate::report::say;

/// Say the user and group ids, real and effective, that this program runs with
#[derive(Debug, clap::Args)]
pub struct Ids {}

impl Ids {
    pub fn run(&self) -> Result<()> {
        say("uid", getuid().as_raw());
        say("euid", geteuid().as_raw());
        say("gid", getgid().as_raw());
        say("egid", getegid().as_raw());
        Ok(())
    }
}
