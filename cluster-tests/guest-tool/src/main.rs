// SPDX-License-Identifier: MIT OR Apache-2.0

//! What cluster tests do on a node and a shell can't: patterns of any size, calls whose time and
//! error number are measured, GIPC through its bare file interface, load from many threads.
//!
//! One verb per file. Every answer is `key=value` lines on standard output. Status 0 says that
//! the verb did its work, whatever it found out; 1 that something is not as it was said to be.

#[macro_use]
extern crate podos_terminal;

mod bench;
mod between;
mod call;
mod cm;
mod confine;
mod exchange;
mod exhaust;
mod gipc;
mod gpids;
mod grab;
mod hold;
mod ids;
mod many;
mod map;
mod numbers;
mod pattern;
mod rail;
mod readers;
mod relay;
mod report;
mod shared;
mod soak;
mod tally;
mod verify;
mod walk;

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "podos-testtool",
    version,
    about = "The guest's part of the cluster tests"
)]
struct Arguments {
    /// Do it as this user, in the group of the same number and in no other
    #[arg(long)]
    uid: Option<u32>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Bench(bench::Bench),
    Write(verify::Write),
    Check(verify::Check),
    Map(map::Map),
    Between(between::Between),
    Call(call::Call),
    Exchange(exchange::Exchange),
    Grab(grab::Grab),
    Hold(hold::Hold),
    Gipc(gipc::Gipc),
    Many(many::Many),
    Walk(walk::Walk),
    Gpids(gpids::Gpids),
    Exhaust(exhaust::Exhaust),
    Relay(relay::Relay),
    Cm(cm::Cm),
    Confine(confine::Confine),
    Soak(soak::Soak),
    Readers(readers::Readers),
    Ids(ids::Ids),
    Numbers(numbers::Numbers),
    Shared(shared::Shared),
    Pour(shared::Pour),
}

fn main() -> ExitCode {
    match bench::by_name().unwrap_or_else(by_verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podos-testtool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn by_verb() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(uid) = arguments.uid {
        if rustix::process::geteuid().as_raw() != uid {
            return Err(again_as(uid)).context("cannot start again as another user");
        }
    }
    match arguments.verb {
        Verb::Bench(verb) => verb.run(),
        Verb::Write(verb) => verb.run(),
        Verb::Check(verb) => verb.run(),
        Verb::Map(verb) => verb.run(),
        Verb::Between(verb) => verb.run(),
        Verb::Call(verb) => verb.run(),
        Verb::Exchange(verb) => verb.run(),
        Verb::Grab(verb) => verb.run(),
        Verb::Hold(verb) => verb.run(),
        Verb::Gipc(verb) => verb.run(),
        Verb::Many(verb) => verb.run(),
        Verb::Walk(verb) => verb.run(),
        Verb::Gpids(verb) => verb.run(),
        Verb::Exhaust(verb) => verb.run(),
        Verb::Relay(verb) => verb.run(),
        Verb::Cm(verb) => verb.run(),
        Verb::Confine(verb) => verb.run(),
        Verb::Soak(verb) => verb.run(),
        Verb::Readers(verb) => verb.run(),
        Verb::Ids(verb) => verb.run(),
        Verb::Numbers(verb) => verb.run(),
        Verb::Shared(verb) => verb.run(),
        Verb::Pour(verb) => verb.run(),
    }
}

/// Becomes the same program of that user's; why it did not.
fn again_as(uid: u32) -> io::Error {
    let mut command = Command::new("/proc/self/exe");
    command.args(env::args_os().skip(1));
    command.uid(uid).gid(uid).exec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
