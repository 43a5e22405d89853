// SPDX-License-Identifier: MIT OR Apache-2.0

//! Running tests from a command line.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{bail, Context, Result};
use podos_harness::Kernel;
use podos_lab_options::Tests;
use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use crate::junit::Verdict;
use crate::limits::Limits;
use crate::session::{Plan, Session};
use crate::terms::Terms;
use crate::test::Test;
use crate::{filter, kmemleak, suite, Counts};

/// Where reports go, in the checkout.
const FOLDER: &str = "target/cluster-test";

/// See [`crate::run`].
pub fn run(options: &Tests, root: &Path) -> Result<Counts> {
    let mut tests = filter::select(&options.filter, suite::all())?;
    if options.list {
        tests.iter().for_each(|test| println!("{}", test.name));
        return Ok(Counts::default());
    }
    let kernel = options.image.kernel();
    if kernel == Kernel::Debug {
        tests = kmemleak::after_each_setting(tests);
    }
    let root = root
        .canonicalize()
        .with_context(|| format!("cannot find {}", root.display()))?;
    let folder = options.report_dir.clone();
    let folder = folder.unwrap_or_else(|| root.join(FOLDER));
    let _lock = lock(&folder)?;
    let share = folder.join("share");
    podos_harness::build_guest_tool(&root, &share)?;
    suite::prepare(&root, &tests)?;
    let limits = Limits::here(kernel, options.minutes);
    let terms = Terms {
        seed: options.seed.unwrap_or_else(new_seed),
        kernel,
        profile: options.image.profile.name().to_owned(),
        image: options.folder.or_of(&root, &options.image.name()),
        folder: folder.clone(),
        share,
        memory_mib: options.memory.memory_mib,
        minutes: options.minutes,
        limits,
    };
    let within = options
        .within
        .map(|minutes| Duration::from_secs(60) * minutes);
    let plan = Plan {
        folder: &folder,
        prefix: "test",
        keep: options.keep,
        within: within.unwrap_or_else(|| limits.run()),
        terms: Arc::new(terms),
    };
    let minutes = plan.within.as_secs() / 60;
    println!(
        "seed {}; {limits}; at most {minutes} min for all",
        plan.terms.seed
    );
    let mut session = Session::begin(&plan, &tests)?;
    let (counts, failures) = judge(&mut session, tests);
    session.end()?.iter().for_each(|line| println!("{line}"));
    for (name, reason) in failures {
        println!(
            "FAILED {name}: {}",
            reason.lines().next().unwrap_or_default()
        );
    }
    println!("{counts}");
    Ok(counts)
}

/// Runs one test after the other, for there is one cluster at a time, and tells how they fare; which
/// failed, and why.
fn judge(session: &mut Session, tests: Vec<Test>) -> (Counts, Vec<(&'static str, String)>) {
    let width = tests.iter().map(|test| test.name.len()).max().unwrap_or(0);
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    for test in tests {
        print!("test {:width$} ... ", test.name);
        // What we write down can't be written down.
        let reason = match session.run(test) {
            Ok(Verdict::Passed) => {
                println!("ok");
                counts.passed += 1;
                continue;
            }
            Ok(Verdict::Skipped(reason)) => {
                println!("skipped: {reason}");
                continue;
            }
            Ok(Verdict::Failed(failure)) => failure.reason,
            Err(error) => format!("{error:#}"),
        };
        println!("FAILED");
        counts.failed += 1;
        failures.push((test.name, reason));
    }
    for (name, reason) in &failures {
        println!("\n{name}: {reason}");
    }
    println!();
    (counts, failures)
}

/// Makes the folder this run's own until the file is dropped.
fn lock(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => bail!(
            "another run is using {}: wait for its end, or give --report-dir",
            folder.display()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Short, for people type it.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;
    use crate::terms::tests::some;
    use crate::test::HOST;

    #[test]
    fn every_verdict_is_counted_and_none_ends_the_run() {
        let passes = Test {
            name: "host.passes",
            setting: HOST,
            limit: None,
            run: |_| Ok(()),
        };
        let fails = Test {
            name: "host.fails",
            run: |_| bail!("it is wrong"),
            ..passes
        };
        let late = Test {
            name: "host.passes_late",
            run: |lab| {
                ensure!(lab.nodes().is_empty());
                Ok(())
            },
            ..passes
        };
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan {
            folder: dir.path(),
            prefix: "unit",
            keep: false,
            within: Duration::from_secs(3600),
            terms: Arc::new(some()),
        };
        let tests = vec![passes, fails, late];
        let mut session = Session::begin(&plan, &tests).unwrap();
        let (counts, failures) = judge(&mut session, tests);
        assert_eq!(counts.to_string(), "2 passed, 1 failed");
        let names: Vec<_> = failures.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["host.fails"]);
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
}
