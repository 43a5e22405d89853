// SPDX-License-Identifier: MIT OR Apache-2.0

//! A step at work: its output directory, its scratch directory, its log and its commands.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context as _, Result};
use tempfile::TempDir;

use super::progress::Task;
use super::store::Store;
use crate::children;

/// Lines of the log that a failure shows.
const TAIL: usize = 25;

/// What a step may use while it builds.
#[derive(Debug)]
pub struct Job<'a> {
    out: &'a Path,
    scratch: TempDir,
    log: File,
    tail: VecDeque<String>,
    task: &'a mut Task,
    store: &'a Store,
    offline: bool,
}

impl<'a> Job<'a> {
    pub(crate) fn new(
        out: &'a Path,
        scratch: TempDir,
        log: File,
        task: &'a mut Task,
        store: &'a Store,
        offline: bool,
    ) -> Self {
        Job {
            out,
            scratch,
            log,
            tail: VecDeque::new(),
            task,
            store,
            offline,
        }
    }

    /// Where the output is made; becomes the finished output when the step succeeds.
    pub fn out(&self) -> &'a Path {
        self.out
    }

    /// A directory on the same file system that is gone after the step.
    pub fn scratch(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }

    /// The store, for trees that stay between builds.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Whether the network is forbidden.
    pub fn offline(&self) -> bool {
        self.offline
    }

    /// The last lines of the log.
    pub(super) fn into_tail(self) -> Vec<String> {
        self.tail.into()
    }

    /// Writes a line to the log and the screen.
    ///
    /// A log that cannot be written (a full disk) is no reason to leave a command half-way: the
    /// command meets the same disk, and its own failure is the one to tell.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.log, "{line}");
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.task.line(line);
    }

    /// Runs a command to its end, its output going to the log. `what` names it in the error.
    pub fn run(&mut self, what: &str, command: &duct::Expression) -> Result<()> {
        self.watch(what, command, |_| {})
    }

    /// Like [`Job::run`], and shows each line of output to `see`.
    pub fn watch(
        &mut self,
        what: &str,
        command: &duct::Expression,
        mut see: impl FnMut(&str),
    ) -> Result<()> {
        self.say(&format!("$ {what}"));
        let status = children::lines(what, command, |line| {
            self.say(line);
            see(line);
        })?;
        ensure!(status.success(), "cannot run {what}: {status}");
        Ok(())
    }

    /// Reads a command's standard output; its errors go to the log.
    pub fn read(&mut self, what: &str, command: &duct::Expression) -> Result<String> {
        self.say(&format!("$ {what}"));
        let log = self.log.try_clone().context("cannot share the log")?;
        let command = command.stdout_capture().stderr_file(log);
        let printed = children::succeed(what, &command)?;
        String::from_utf8(printed).with_context(|| format!("cannot read the output of {what}"))
    }
}

/// A step that failed, with what the user needs to go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot build step {step}")]
pub struct StepFailed {
    step: &'static str,
    log: PathBuf,
    tail: Vec<String>,
    advice: String,
}

impl StepFailed {
    /// The failure of `step`, with the last lines of its log.
    pub fn new(step: &'static str, log: PathBuf, tail: Vec<String>, advice: String) -> Self {
        StepFailed {
            step,
            log,
            tail,
            advice,
        }
    }

    /// The lines to print after the error itself: end of the log, its path, what to do.
    pub fn report(&self) -> String {
        let mut report = String::new();
        if !self.tail.is_empty() {
            report.push_str("last lines of the log:\n");
            for line in &self.tail {
                report.push_str(&format!("  | {line}\n"));
            }
        }
        if self
            .tail
            .iter()
            .any(|line| line.contains("No space left on device"))
        {
            report.push_str(
                "the disk is full: `cargo xtask clean --cache` frees what old builds left\n",
            );
        }
        report.push_str(&format!(
            "log: {}\nwhat to do: {}",
            self.log.display(),
            self.advice
        ));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_end_of_the_log_its_path_and_advice() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let store = Store::new(dir.path(), dir.path());
        let mut task = Task::start("kernel", "a test");
        // A log that takes no byte: the disk is full.
        let log = File::options().write(true).open("/dev/full")?;
        let mut job = Job::new(
            dir.path(),
            tempfile::tempdir()?,
            log,
            &mut task,
            &store,
            true,
        );
        job.run("count", &duct::cmd!("seq", "-f", "line %g", "100"))?;
        let tail = job.into_tail();
        let log = dir.path().join("kernel.log");
        let report = StepFailed::new("kernel", log.clone(), tail, "mend it".into()).report();
        assert!(
            !report.contains("| line 75\n") && report.contains("| line 76\n"),
            "{report}"
        );
        assert!(report.contains("| line 100\n") && report.contains(&log.display().to_string()));
        assert!(report.ends_with("what to do: mend it"));
        Ok(())
    }
}
