// SPDX-License-Identifier: MIT OR Apache-2.0

//! Running tests: a cluster for each, a verdict, and a record of what did not pass.

use std::any::Any;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use anyhow::{anyhow, bail, ensure, Context, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use podos_harness::Cluster;
use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use crate::clusters::Clusters;
use crate::junit::{Report, Verdict};
use crate::record::{replay, Record};
use crate::support::Lab;
use crate::test::Test;
use crate::{suite, Counts, Options};

/// Where reports go, in the checkout.
const FOLDER: &str = "target/cluster-test";
const IMAGE: &str = "target/images/minimal";

/// See [`crate::run`].
pub fn run(options: &Options, root: &Path) -> Result<Counts> {
    let tests = selected(options.filter.as_deref())?;
    if options.list {
        tests.iter().for_each(|test| println!("{}", test.name));
        return Ok(Counts::default());
    }
    let root = root
        .canonicalize()
        .with_context(|| format!("{}", root.display()))?;
    let folder = options
        .report_dir
        .clone()
        .unwrap_or_else(|| root.join(FOLDER));
    let _lock = lock(&folder)?;
    let session = Session::begin(options, &root, &folder, &tests)?;
    println!("seed {}", session.seed);
    let session = Arc::new(Mutex::new(session));
    let trials = tests
        .into_iter()
        .map(|test| trial(test, &session))
        .collect();
    let arguments = Arguments {
        // There is one cluster at a time, and it is not made for two tests at once.
        test_threads: Some(1),
        ..Arguments::default()
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
    session.end()?;
    let counts = Counts {
        passed: conclusion.num_passed,
        failed: conclusion.num_failed,
    };
    println!("{counts}");
    Ok(counts)
}

/// Makes the folder this run's own until the file is dropped.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => bail!(
            "another run is using {}: wait for its end, or give --report-dir",
            folder.display()
        ),
        Err(error) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// The tests that have `filter` in their names, those of one setting together.
fn selected(filter: Option<&str>) -> Result<Vec<Test>> {
    let mut tests = suite::all();
    tests.retain(|test| filter.is_none_or(|filter| test.name.contains(filter)));
    ensure!(
        !tests.is_empty(),
        "no test has `{}` in its name; --list says which there are",
        filter.unwrap_or_default()
    );
    Ok(tests)
}

fn trial(test: Test, session: &Arc<Mutex<Session>>) -> Trial {
    let session = Arc::clone(session);
    Trial::ignorable_test(test.name, move || {
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        match session.run(test) {
            Ok(Verdict::Passed) => Ok(Completion::Completed),
            Ok(Verdict::Skipped(reason)) => Ok(Completion::ignored_with(reason)),
            Ok(Verdict::Failed(reason)) => Err(Failed::from(reason)),
            // What we write down can't be written down.
            Err(error) => Err(Failed::from(format!("{error:#}"))),
        }
    })
}

/// What all tests of a run share.
struct Session {
    clusters: Clusters,
    report: Report,
    /// Where the records are.
    failed: PathBuf,
    failures: Vec<&'static str>,
    seed: u64,
    keep: bool,
    /// The cluster that was left running.
    kept: Option<String>,
}

impl Session {
    fn begin(options: &Options, root: &Path, folder: &Path, tests: &[Test]) -> Result<Self> {
        let failed = folder.join("failed");
        match fs::remove_dir_all(&failed) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", failed.display()));
            }
            _ => {}
        }
        let names = tests.iter().map(|test| test.name);
        let report = Report::begin(folder.join("junit.xml"), names)?;
        let share = folder.join("share");
        podos_harness::build_guest_tool(root, &share)?;
        let image = options
            .image_dir
            .clone()
            .unwrap_or_else(|| root.join(IMAGE));
        Ok(Self {
            clusters: Clusters::new(image, share, options.keep, options.memory),
            report,
            failed,
            failures: Vec::new(),
            seed: options.seed.unwrap_or_else(new_seed),
            keep: options.keep,
            kept: None,
        })
    }

    fn run(&mut self, test: Test) -> Result<Verdict> {
        if let Some(kept) = &self.kept {
            let reason = format!("--keep: {kept} is running");
            let verdict = Verdict::Skipped(reason);
            self.report
                .enter(test.name, verdict.clone(), Default::default())?;
            return Ok(verdict);
        }
        let record = Record::begin(&self.failed, test.name, self.seed)?;
        let begin = Instant::now();
        let outcome = self.attempt(test, &record);
        let time = begin.elapsed();
        let verdict = match outcome {
            Ok(()) => {
                record.passed()?;
                Verdict::Passed
            }
            Err(error) => {
                let reason = format!("{error:#}");
                // The record of the failure matters more than how the cluster ends.
                let cluster = self.failure(test.name);
                self.report
                    .enter(test.name, Verdict::Failed(reason.clone()), time)?;
                cluster.context(reason.clone())?;
                Verdict::Failed(reason)
            }
        };
        self.report.enter(test.name, verdict.clone(), time)?;
        Ok(verdict)
    }

    /// Runs the test; on a failure the record is complete.
    fn attempt(&mut self, test: Test, record: &Record) -> Result<()> {
        let cluster = match self.clusters.get(test.setting, record.folder()) {
            Ok(cluster) => cluster,
            Err(error) => {
                record.failed(&format!("{error:#}"), None)?;
                return Err(error);
            }
        };
        let outcome = on_cluster(cluster, test, self.seed);
        if let Err(error) = &outcome {
            let reason = format!("{error:#}");
            cluster
                .mark(format!("test {} failed: {reason}", test.name))
                .ok();
            let timeline = cluster
                .timeline()
                .unwrap_or_else(|e| format!("no timeline: {e}\n"));
            record.failed(&reason, Some(&timeline))?;
        }
        outcome
    }

    /// A test has failed: its cluster is of no use to others.
    fn failure(&mut self, test: &'static str) -> Result<()> {
        self.failures.push(test);
        if self.keep {
            self.kept = self.clusters.leave();
        }
        self.clusters.end()
    }

    /// Ends the cluster and says where to look.
    fn end(&mut self) -> Result<()> {
        self.clusters.end()?;
        if !self.failures.is_empty() {
            println!(
                "timelines and reasons are in {}; again:",
                self.failed.display()
            );
        }
        for test in &self.failures {
            println!("  {}", replay(test, self.seed));
        }
        if let Some(name) = &self.kept {
            println!("the cluster is kept; look at it and end it with");
            println!("  cargo xtask cluster exec --name {name} linus1 -- sh");
            println!("  cargo xtask cluster down --name {name}");
        }
        Ok(())
    }
}

/// The test itself, and what the consoles say to it.
fn on_cluster(cluster: &Cluster, test: Test, seed: u64) -> Result<()> {
    let limit = test.limit().as_secs();
    cluster.mark(format!("test {} begins; limit {limit} s", test.name))?;
    let lab = Lab::new(cluster, test.name, seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| (test.run)(&lab)))
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))))
        .and_then(|()| lab.clean_up());
    let troubles = cluster.take_troubles()?;
    match (outcome, troubles.first()) {
        (outcome, None) => outcome,
        (Ok(()), Some(trouble)) => Err(anyhow!("{trouble}")),
        (Err(error), Some(trouble)) => Err(error.context(format!("{trouble}\nand the test"))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Short, for people type it.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_fits_nothing_is_an_error() {
        let error = selected(Some("no such test")).err().unwrap();
        assert!(error.to_string().contains("`no such test`"), "{error}");
        assert_eq!(selected(None).unwrap().len(), suite::all().len());
    }

    #[test]
    fn one_run_at_a_time_has_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock(dir.path()).unwrap();
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(error.contains("--report-dir"), "{error}");
        drop(first);
        lock(dir.path()).unwrap();
    }

    #[test]
    fn a_panic_has_its_message() {
        let text = |panic: Box<dyn Any + Send>| message(&*panic).to_owned();
        assert_eq!(text(catch_unwind(|| panic!("plain")).unwrap_err()), "plain");
        let number = 7;
        assert_eq!(
            text(catch_unwind(|| panic!("no {number}")).unwrap_err()),
            "no 7"
        );
    }
}
