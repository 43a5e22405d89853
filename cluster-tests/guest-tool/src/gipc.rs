// SPDX-License-Identifier: MIT OR Apache-2.0

//! `gipc`: one remote program through the bare file interface, every step of it told.

pub mod abi;
mod circuit;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use sha2::{Digest, Sha256};

pub use circuit::{command, Circuit, Piece};

use crate::pattern::Pattern;
use crate::report::{errno, say, say_bytes, say_millis, say_outcome};
use crate::verify::hexadecimal;

/// Streams up to this length are shown whole.
const SHOWN: usize = 4096;
/// One write of input.
const INPUT_PIECE: u64 = 32 * 1024;

/// Open a node's directory with O_GIPC, write a command, read to the end
///
/// `step` and `errno` say how far it came: `open`, `records`, `write`, `gpid`, `read`, or `done`.
/// `last_ms` is the time that the last read took, the one that gave the end or the error.
#[derive(Debug, clap::Args)]
pub struct Gipc {
    /// The node's directory
    node: PathBuf,

    /// The program's file is here
    #[arg(long)]
    caller: bool,

    /// Use records, which tell the streams apart
    #[arg(long)]
    records: bool,

    /// Variables of the program's environment
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<OsString>,

    /// The program's working directory
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<OsString>,

    /// The program's input, as text
    #[arg(long, value_name = "TEXT", default_value = "")]
    input: OsString,

    /// The program's input, as a pattern of so many bytes
    #[arg(long, value_name = "BYTES", conflicts_with = "input")]
    input_size: Option<u64>,

    /// Leave the program's input open
    #[arg(long)]
    no_end: bool,

    /// Send this signal after the first output
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    signal: Option<i32>,

    /// Close the circuit after the first output
    #[arg(long)]
    close: bool,

    /// Ask for the program's GPID
    #[arg(long)]
    gpid: bool,

    /// Write these bytes instead of a command made of ARGS; \0 and \\ are known
    #[arg(long, value_name = "TEXT")]
    raw: Option<String>,

    /// The program and its arguments
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Gipc {
    pub fn run(&self) -> Result<()> {
        let mut step = "open";
        let result = self.session(&mut step);
        say("step", step);
        say_outcome(&result);
        Ok(())
    }

    /// Sets `step` before each one, so that the failed one is known.
    fn session(&self, step: &mut &str) -> io::Result<()> {
        let start = Instant::now();
        let mut circuit = Circuit::open(&self.node, self.caller)?;
        say_millis("open_ms", start.elapsed());
        if self.records {
            *step = "records";
            circuit.use_records()?;
        }
        *step = "write";
        circuit.write_all(&self.command())?;
        if self.gpid {
            *step = "gpid";
            say("gpid", format_args!("{:016x}", circuit.gpid()?));
        }
        *step = "read";
        let circuit = &circuit;
        std::thread::scope(|scope| {
            let input = scope.spawn(|| self.write_input(circuit));
            let read = self.read(circuit);
            if self.close {
                // Input that nobody takes is not waited for: the process's end closes the circuit.
                say("closed", 1);
                std::process::exit(0);
            }
            let input = input
                .join()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
            say("input_errno", errno(&input));
            read
        })?;
        *step = "status";
        say_status("", circuit.status()?);
        *step = "done";
        Ok(())
    }

    fn command(&self) -> Vec<u8> {
        match &self.raw {
            Some(text) => text.replace("\\0", "\0").replace("\\\\", "\\").into_bytes(),
            None => command(&self.args, &self.env, self.cwd.as_deref()),
        }
    }

    fn write_input(&self, circuit: &Circuit) -> io::Result<()> {
        circuit.write_all(self.input.as_bytes())?;
        let pattern = Pattern::new(0);
        let size = self.input_size.unwrap_or(0);
        let mut buffer = vec![0; size.min(INPUT_PIECE) as usize];
        let mut written = 0;
        while written < size {
            let len = (size - written).min(INPUT_PIECE) as usize;
            pattern.fill(written, &mut buffer[..len]);
            circuit.write_all(&buffer[..len])?;
            written += len as u64;
        }
        if self.no_end {
            return Ok(());
        }
        circuit.end_input()
    }

    fn read(&self, circuit: &Circuit) -> io::Result<()> {
        let mut output = [Stream::new("stdout"), Stream::new("stderr")];
        let mut first = true;
        let mut buffer = vec![0; 64 * 1024];
        let (result, last) = loop {
            let before = Instant::now();
            let piece = circuit.read(&mut buffer);
            let elapsed = before.elapsed();
            match piece {
                Ok(None) => break (Ok(()), elapsed),
                Ok(Some(Piece::Exit(status))) => say_status("record_", status),
                Ok(Some(Piece::Stdout(bytes))) => output[0].take(bytes),
                Ok(Some(Piece::Stderr(bytes))) => output[1].take(bytes),
                Err(error) => break (Err(error), elapsed),
            }
            if first {
                first = false;
                say("ready", 1);
                if self.close {
                    return Ok(());
                }
                if let Some(signal) = self.signal {
                    say("signal_errno", errno(&circuit.signal(signal)));
                }
            }
        };
        say_millis("last_ms", last);
        output.into_iter().for_each(Stream::say);
        result
    }
}

/// `exit=` or `killed=`, from a wait status.
fn say_status(prefix: &str, status: i32) {
    if libc::WIFEXITED(status) {
        say(&format!("{prefix}exit"), libc::WEXITSTATUS(status));
    } else {
        say(&format!("{prefix}killed"), libc::WTERMSIG(status));
    }
}

/// What a program wrote to one of its streams.
struct Stream {
    name: &'static str,
    len: u64,
    digest: Sha256,
    head: Vec<u8>,
}

impl Stream {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            len: 0,
            digest: Sha256::new(),
            head: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.digest.update(bytes);
        let room = SHOWN - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn say(self) {
        say_bytes(self.name, &self.head);
        say(&format!("{}_bytes", self.name), self.len);
        say(&format!("{}_sha256", self.name), hexadecimal(self.digest));
    }
}
