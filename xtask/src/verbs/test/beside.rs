// SPDX-License-Identifier: MIT OR Apache-2.0

//! What runs beside the clusters.
//!
//! Clusters leave a quarter of two processors idle: they wait for limits of time, for nodes that
//! boot, for each other. The tests of the harness, which wait most, take some of that, and compilers
//! at idle priority the rest.

use std::path::Path;
use std::process::ExitStatus;
use std::thread::{self, JoinHandle};

use anyhow::{anyhow, Context as _, Result};
use duct::Expression;

use super::tally::Tally;
use crate::children;
use crate::context::Context;

/// A program that runs beside what others do; what it says is kept until its end.
pub struct Beside {
    what: String,
    said: JoinHandle<Result<(ExitStatus, Vec<String>)>>,
}

/// What it said to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// About its parts, line by line.
    pub lines: Vec<String>,
    /// What passed and failed, and why.
    pub tally: Tally,
}

impl Beside {
    /// Starts it. It tells its count as we do.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub fn start(what: String, command: Expression) -> Result<Self> {
        let called = what.clone();
        // Its programs end with the thread that starts them.
        let run = move || {
            let mut lines = Vec::new();
            let keep = |line: &str| lines.push(line.to_owned());
            let status = children::lines(&called, &command, keep)?;
            Ok((status, lines))
        };
        let said = thread::Builder::new().name("beside".into()).spawn(run);
        Ok(Self {
            what,
            said: said.context("cannot start a thread")?,
        })
    }

    /// Has `program`, which is ours, do the patient parts.
    ///
    /// # Errors
    ///
    /// As [`Beside::start`].
    pub fn patient_parts(ctx: &Context, program: &Path) -> Result<Self> {
        let mut arguments = vec!["--idle".into(), "0".into(), program.into()];
        arguments.extend(super::words("test --patient"));
        arguments.extend(ctx.flags.words());
        let (what, command) = super::command(ctx, "chrt".as_ref(), arguments);
        Self::start(what, command)
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// It could not be run, told no count, or ended badly all the same.
    pub fn end(self) -> Result<Said> {
        let said = self.said.join();
        let (status, lines) =
            said.map_err(|_| anyhow!("the thread that waits for it panicked"))??;
        let said = Said::read(lines);
        super::judged(&self.what, status, &said.tally).map(|()| said)
    }
}

impl Said {
    /// Takes apart what it printed: [`super::Report`] and the cluster tests end alike.
    fn read(mut lines: Vec<String>) -> Self {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_total(line));
        let end = lines.iter().rposition(|line| line == "==");
        lines.truncate(end.unwrap_or(lines.len()));
        Self { lines, tally }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_taken_apart() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let parts = "== clippy\nerror: bad\nclippy: 1.0 s\n== docs\ndocs: 2.0 s";
        let whole = format!("{parts}\n==\nFAILED clippy: bad\n1 passed, 1 failed");
        let said = Said::read(lines(&whole));
        assert_eq!(said.lines, lines(parts));
        assert_eq!(
            (said.tally.failed(), said.tally.failures()),
            (1, &["clippy: bad".to_owned()][..])
        );
        // It was cut off: nothing is lost of what it said.
        let cut = Said::read(lines(parts));
        assert_eq!((cut.lines, cut.tally), (lines(parts), Tally::default()));
    }
}
