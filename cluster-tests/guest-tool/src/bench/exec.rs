// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench exec`: programs on another node, started from this process, without a command for each.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;

use super::rexec;
use super::samples::Samples;
use crate::gipc::{command, Circuit, Piece};

/// By which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// A GIPC file; tells the exit status
    Gipc,
    /// A TCP connection to `rexec-serve`; does not
    Rexec,
}

/// Run a program again and again, each time from nothing to the end of its output; answers the
/// times of one
#[derive(Debug, clap::Args)]
pub struct Exec {
    way: Way,
    /// Host id of the node
    host: u32,
    /// How often
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Runs before those that count
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    /// What it must say on its standard output
    #[arg(long, default_value = "")]
    says: String,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    args: Vec<OsString>,
}

impl Exec {
    pub fn run(&self) -> Result<()> {
        let mut samples = Samples::with_capacity(self.count);
        for done in 0..self.warm_up + self.count {
            let start = Instant::now();
            let said = match self.way {
                Way::Gipc => self.by_gipc(),
                Way::Rexec => self.by_rexec(),
            }
            .with_context(|| format!("run {done}"))?;
            if done >= self.warm_up {
                samples.add(start.elapsed());
            }
            ensure!(
                said.trim_ascii_end() == self.says.as_bytes(),
                "run {done} says {}, not {:?}",
                said.escape_ascii(),
                self.says
            );
        }
        samples.say();
        Ok(())
    }

    fn by_gipc(&self) -> Result<Vec<u8>> {
        let node = PathBuf::from(format!("/linus{}", self.host));
        let mut circuit = Circuit::open(&node, false).context("cannot open the circuit")?;
        circuit.use_records().context("cannot have records")?;
        circuit
            .write_all(&command(&self.args, &[], None))
            .context("cannot write to the circuit")?;
        let (mut status, mut said, mut buffer) = (None, Vec::new(), [0; 4096]);
        while let Some(piece) = circuit
            .read(&mut buffer)
            .context("cannot read from the circuit")?
        {
            match piece {
                Piece::Exit(ended) => status = Some(ended),
                Piece::Stdout(more) => said.extend_from_slice(more),
                Piece::Stderr(text) => bail!("it says {}", text.escape_ascii()),
            }
        }
        ensure!(status == Some(0), "it ended with {status:?}");
        Ok(said)
    }

    fn by_rexec(&self) -> Result<Vec<u8>> {
        let mut stream = rexec::connect(self.host)?;
        stream.write_all(&rexec::encode(&self.args))?;
        stream.shutdown(Shutdown::Write)?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said)?;
        Ok(said)
    }
}
