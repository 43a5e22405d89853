// SPDX-License-Identifier: MIT OR Apache-2.0

//! `many`: remote programs from many threads at once, no answer of which may get mixed up.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use anyhow::{bail, Result};

use crate::gipc::{command, Circuit, Piece};
use crate::report::say;
use crate::tally::Tally;

/// Run `echo TOKEN` on nodes from many threads and compare the answers
#[derive(Debug, clap::Args)]
pub struct Many {
    /// Directories of the nodes, taken in turn
    #[arg(required = true)]
    nodes: Vec<PathBuf>,

    /// Threads, each with a circuit of its own
    #[arg(long, default_value_t = 8)]
    threads: usize,

    /// Programs that each thread runs one after the other
    #[arg(long, default_value_t = 4)]
    rounds: usize,
}

impl Many {
    pub fn run(&self) -> Result<()> {
        let start = Barrier::new(self.threads);
        let mut tally = Tally::default();
        std::thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        self.thread(thread)
                    })
                })
                .collect();
            for thread in threads {
                match thread.join() {
                    Ok(counts) => tally.add(counts),
                    Err(_) => bail!("a thread panicked"),
                }
            }
            Ok(())
        })?;
        say("programs", self.threads * self.rounds);
        tally.say();
        Ok(())
    }

    fn thread(&self, thread: usize) -> Tally {
        let mut tally = Tally::default();
        for round in 0..self.rounds {
            let node = &self.nodes[(thread + round) % self.nodes.len()];
            let token = format!("token-{thread}-{round}");
            match echo(node, &token) {
                Ok((output, 0)) if output == format!("{token}\n").as_bytes() => tally.ok(),
                Ok((output, status)) => tally.wrong(|| {
                    let output = output.escape_ascii();
                    format!("{token} gave \"{output}\" and status {status}")
                }),
                Err(error) => tally.error(&error),
            }
        }
        tally
    }
}

/// The output and the wait status of `echo token` on the node.
fn echo(node: &Path, token: &str) -> io::Result<(Vec<u8>, i32)> {
    let circuit = Circuit::open(node, false)?;
    let args = ["echo", token].map(OsString::from);
    circuit.write_all(&command(&args, &[], None))?;
    let mut output = Vec::new();
    let mut buffer = [0; 4096];
    while let Some(piece) = circuit.read(&mut buffer)? {
        match piece {
            Piece::Stdout(bytes) | Piece::Stderr(bytes) => output.extend_from_slice(bytes),
            Piece::Exit(_) => {}
        }
    }
    Ok((output, circuit.status()?))
}
