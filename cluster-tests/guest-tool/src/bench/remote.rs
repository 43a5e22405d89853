// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench launch`, `bench echo` and `bench output`: programs on another node, by a command line
//! that runs them there. Whose command line it is makes no difference here.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use super::samples::Samples;
use crate::report::say;

/// A command line.
#[derive(Debug, clap::Args)]
struct Line {
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Line {
    /// Starts it; its errors go to ours.
    fn start(&self, input: Stdio) -> Result<Child> {
        Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(input)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}", self.command))
    }

    /// Waits for its good end.
    fn end(&self, mut child: Child) -> Result<()> {
        let status = child.wait()?;
        ensure!(status.success(), "{:?}: {status}", self.command);
        Ok(())
    }
}

/// Run a command again and again, each time to its end; answers the times of one
#[derive(Debug, clap::Args)]
pub struct Launch {
    /// How often
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Runs before those that count
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    /// What it must say on its standard output
    #[arg(long, default_value = "")]
    says: String,
    #[command(flatten)]
    line: Line,
}

impl Launch {
    pub fn run(&self) -> Result<()> {
        let mut samples = Samples::with_capacity(self.count);
        for done in 0..self.warm_up + self.count {
            let start = Instant::now();
            let mut child = self.line.start(Stdio::null())?;
            let mut said = String::new();
            child
                .stdout
                .take()
                .context("its output")?
                .read_to_string(&mut said)?;
            self.line.end(child)?;
            if done >= self.warm_up {
                samples.add(start.elapsed());
            }
            ensure!(
                said.trim_end() == self.says,
                "{:?} says {said:?}, not {:?}",
                self.line.command,
                self.says
            );
        }
        samples.say();
        Ok(())
    }
}

/// Run a command that sends back what it gets (`cat`); answers the times of a round trip through it
#[derive(Debug, clap::Args)]
pub struct Echo {
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Round trips
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// Round trips before those that count
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    #[command(flatten)]
    line: Line,
}

impl Echo {
    pub fn run(&self) -> Result<()> {
        let mut child = self.line.start(Stdio::piped())?;
        let mut to = child.stdin.take().context("its input")?;
        let mut from = child.stdout.take().context("its output")?;
        let (message, mut answer) = (vec![b'e'; self.size], vec![0; self.size]);
        let mut samples = Samples::with_capacity(self.count);
        for done in 0..self.warm_up + self.count {
            answer.fill(0);
            let start = Instant::now();
            to.write_all(&message).context("cannot write to it")?;
            from.read_exact(&mut answer)
                .context("cannot read from it")?;
            if done >= self.warm_up {
                samples.add(start.elapsed());
            }
            ensure!(answer == message, "another message came back");
        }
        drop(to);
        let rest = from.read(&mut answer)?;
        ensure!(rest == 0, "{rest} bytes more came back");
        self.line.end(child)?;
        samples.say();
        Ok(())
    }
}

/// Run a command that writes much; answers the bytes and the time from its start to its end
#[derive(Debug, clap::Args)]
pub struct Output {
    /// Bytes that it must write
    #[arg(long)]
    bytes: u64,
    #[command(flatten)]
    line: Line,
}

impl Output {
    pub fn run(&self) -> Result<()> {
        let mut buffer = vec![0; 65536];
        let start = Instant::now();
        let mut child = self.line.start(Stdio::null())?;
        let mut from = child.stdout.take().context("its output")?;
        let mut came = 0;
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                more => came += more as u64,
            }
        }
        self.line.end(child)?;
        let elapsed = start.elapsed();
        ensure!(
            came == self.bytes,
            "{:?} wrote {came} bytes, not {}",
            self.line.command,
            self.bytes
        );
        say("bytes", came);
        say("elapsed_ns", elapsed.as_nanos());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        let command = words.iter().map(OsString::from).collect();
        Line { command }
    }

    #[test]
    fn launches_are_looked_at() {
        let launch = |words: &[&str], says: &str| {
            let launch = Launch {
                count: 2,
                warm_up: 1,
                says: says.into(),
                line: line(words),
            };
            launch.run()
        };
        launch(&["true"], "").unwrap();
        launch(&["echo", "hello"], "hello").unwrap();
        assert!(launch(&["echo", "hello"], "").is_err());
        assert!(launch(&["false"], "").is_err());
        assert!(launch(&["/nonexistent/program"], "").is_err());
    }

    #[test]
    fn an_echo_must_be_one() {
        let echo = |words: &[&str]| {
            let echo = Echo {
                size: 64,
                count: 3,
                warm_up: 1,
                line: line(words),
            };
            echo.run()
        };
        echo(&["cat"]).unwrap();
        assert!(echo(&["true"]).is_err());
        assert!(echo(&["head", "-c", "1000", "/dev/zero"]).is_err());
    }

    #[test]
    fn output_is_counted() {
        let output = |bytes| {
            let line = line(&["head", "-c", "100000", "/dev/zero"]);
            Output { bytes, line }.run()
        };
        output(100_000).unwrap();
        assert!(output(99_999).is_err());
    }
}
