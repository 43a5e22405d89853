// SPDX-License-Identifier: MIT OR Apache-2.0

//! The parts that nobody waits for, in a run of their own beside the clusters.
//!
//! Clusters leave a quarter of two processors idle: they wait for limits of time, for nodes that
//! boot, for each other. Compilers at idle priority take that, and nothing more.

use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::{anyhow, Context as _, Result};

use super::tally::Tally;
use crate::children;
use crate::context::Context;

/// Such a run, under way.
pub struct Beside(JoinHandle<Result<Said>>);

/// What it said to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// About its parts, line by line.
    pub lines: Vec<String>,
    /// What failed, and why.
    pub failures: Vec<String>,
    /// What passed and failed.
    pub tally: Tally,
}

impl Beside {
    /// Has `program`, which is ours, do those parts.
    pub fn start(ctx: &Context, program: &Path) -> Result<Self> {
        let mut arguments = vec!["--idle".into(), "0".into(), program.into()];
        arguments.extend(super::words("test --patient"));
        arguments.extend(super::offline(ctx));
        let (what, command) = super::command(ctx, "chrt".as_ref(), arguments);
        // Its programs end with the thread that starts them.
        let run = move || {
            let mut lines = Vec::new();
            let status = children::lines(&what, &command, |line| lines.push(line.to_owned()))?;
            let said = Said::read(lines);
            super::judged(&what, status, said.tally).map(|_| said)
        };
        let thread = thread::Builder::new().name("beside".into()).spawn(run);
        Ok(Self(thread.context("cannot start a thread")?))
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// It told no count, or ended badly all the same.
    pub fn end(self) -> Result<Said> {
        self.0
            .join()
            .map_err(|_| anyhow!("the thread that waits for it panicked"))?
    }
}

impl Said {
    /// Takes apart what [`super::Report`] prints.
    fn read(mut lines: Vec<String>) -> Self {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read_total(line));
        let end = lines.iter().rposition(|line| line == "==");
        let end = lines.split_off(end.unwrap_or(lines.len()));
        let failures = end.iter().filter_map(|line| line.strip_prefix("FAILED "));
        Self {
            failures: failures.map(str::to_owned).collect(),
            lines,
            tally,
        }
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
        let said = Said {
            lines: lines(parts),
            failures: vec!["clippy: bad".into()],
            tally: Tally::new(1, 1),
        };
        assert_eq!(Said::read(lines(&whole)), said);
        // It was cut off: nothing is lost of what it said.
        let cut = Said::read(lines(parts));
        assert_eq!((cut.lines, cut.tally), (lines(parts), Tally::default()));
    }
}
