// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run of tests: a cluster for each, a verdict, and a record of what did not pass.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use podos_harness::Kernel;

use crate::attempt::attempt;
use crate::clusters::Clusters;
use crate::junit::{Report, Verdict};
use crate::kmemleak;
use crate::limits::Budget;
use crate::record::{self, Failure, Record};
use crate::terms::Terms;
use crate::test::Test;

/// How a run is made.
pub struct Plan<'a> {
    pub terms: Arc<Terms>,
    /// Folder for the report.
    pub folder: &'a Path,
    /// What the clusters' names begin with.
    pub prefix: &'a str,
    /// Stop at the first failure, and leave its cluster running.
    pub keep: bool,
    /// How long all of it may take.
    pub within: Duration,
}

/// What all tests of a run share.
pub struct Session {
    terms: Arc<Terms>,
    clusters: Clusters,
    report: Report,
    /// Folder of the report.
    folder: PathBuf,
    failures: Vec<Failure>,
    budget: Budget,
    keep: bool,
    /// The cluster that was left running.
    kept: Option<String>,
}

impl Session {
    /// A run of these tests, none of which has passed yet.
    pub fn begin(plan: &Plan<'_>, tests: &[Test]) -> Result<Self> {
        let failed = plan.folder.join(record::FOLDER);
        match fs::remove_dir_all(&failed) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", failed.display()));
            }
            _ => {}
        }
        let terms = Arc::clone(&plan.terms);
        let properties = vec![
            ("seed", terms.seed.to_string()),
            ("kernel", terms.kernel.to_string()),
            ("accelerator", terms.limits.accelerator().into()),
            ("image", terms.image.to_string_lossy().into_owned()),
        ];
        let report = Report::begin(plan.folder.join("junit.xml"), tests, properties)?;
        Ok(Self {
            clusters: Clusters::new(Arc::clone(&terms), plan.keep, plan.prefix),
            report,
            folder: plan.folder.to_owned(),
            failures: Vec::new(),
            budget: Budget::new(plan.within),
            keep: plan.keep,
            kept: None,
            terms,
        })
    }

    /// Runs a test, and enters its verdict.
    pub fn run(&mut self, test: Test) -> Result<Verdict> {
        if let Some(reason) = self.reason_to_skip(&test) {
            let verdict = Verdict::Skipped(reason);
            self.report
                .enter(test.name, verdict.clone(), Duration::ZERO)?;
            return Ok(verdict);
        }
        let replay = match kmemleak::is_one(&test) {
            true => self.terms.replay(&kmemleak::filter(&test)),
            false => self.terms.replay(test.name),
        };
        let record = Record::begin(&self.folder, test.name, test.setting.name, replay)?;
        let begin = Instant::now();
        let failure = self.attempt(test, record)?;
        let time = begin.elapsed();
        let verdict = failure.clone().map_or(Verdict::Passed, Verdict::Failed);
        self.report.enter(test.name, verdict.clone(), time)?;
        if let Some(failure) = failure {
            self.failures.push(failure);
            if self.keep {
                self.kept = self.clusters.leave();
            }
            // It is of no use to others.
            self.clusters.end()?;
        }
        Ok(verdict)
    }

    /// Why a test need not be begun.
    fn reason_to_skip(&self, test: &Test) -> Option<String> {
        if let Some(kept) = &self.kept {
            return Some(format!("--keep: {kept} is running"));
        }
        let needed = (test.setting.topology)().kernel;
        if needed == Kernel::Debug && self.terms.kernel != needed {
            return Some(format!("it needs --kernel {needed}"));
        }
        if kmemleak::is_one(test) && !self.clusters.has(test.setting) {
            return Some("the cluster of the tests before it is gone".into());
        }
        None
    }

    /// Runs the test; how it failed, if it did. The record is complete then, and gone otherwise.
    fn attempt(&mut self, test: Test, record: Record) -> Result<Option<Failure>> {
        let left = self.budget.left();
        if left.is_zero() {
            let minutes = self.budget.whole().as_secs_f64() / 60.0;
            let reason = format!("time limit: the {minutes:.1} min of the whole run are used up");
            return record.failed(&reason, None).map(Some);
        }
        let cluster = match self.clusters.get(test.setting, record.folder()) {
            Ok(cluster) => cluster,
            Err(error) => return record.failed(&format!("{error:#}"), None).map(Some),
        };
        // What a whole run may take, no test may exceed.
        let limit = self.terms.limits.of(&test).min(left);
        let Err(error) = attempt(cluster, test, &self.terms, limit) else {
            return record.passed().map(|()| None);
        };
        let reason = format!("{error:#}");
        if let Some(cluster) = cluster {
            // A cluster that takes no mark has a reason for it, which is the test's.
            let text = format!("test {} failed: {reason}", test.name);
            cluster.mark(text).ok();
        }
        let cluster = cluster.map(Arc::as_ref);
        record.failed(&reason, cluster).map(Some)
    }

    /// Ends the cluster; what there is to say after a run, line by line.
    pub fn end(&mut self) -> Result<Vec<String>> {
        self.clusters.end()?;
        let mut words = Vec::new();
        if !self.failures.is_empty() {
            let folder = self.folder.join(record::FOLDER);
            let folder = folder.display();
            words.push(format!(
                "timelines, captures and reasons are in {folder}; again:"
            ));
        }
        words.extend(
            self.failures
                .iter()
                .map(|failure| format!("  {}", failure.replay)),
        );
        if let Some(name) = &self.kept {
            words.push("the cluster is kept; look at it and end it with".into());
            words.push(format!(
                "  cargo xtask cluster exec --name {name} linus1 -- sh"
            ));
            words.push(format!(
                "  cargo xtask cluster console --name {name} linus1"
            ));
            words.push(format!("  cargo xtask cluster down --name {name}"));
        }
        Ok(words)
    }

    /// The name of the cluster that was left running.
    pub fn kept(&self) -> Option<&str> {
        self.kept.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::tests::some;
    use crate::test::{Setting, HOST};
    use anyhow::{bail, ensure};
    use podos_harness::{Topology, WaitFor};
    use serde_json::Value;

    const PASSES: Test = Test {
        name: "host.passes",
        setting: HOST,
        limit: None,
        run: |lab| {
            ensure!(lab.nodes().is_empty() && lab.cluster().is_err());
            Ok(())
        },
    };
    const FAILS: Test = Test {
        name: "host.fails",
        run: |_| bail!("it is wrong"),
        ..PASSES
    };
    const PANICS: Test = Test {
        name: "host.panics",
        run: |_| panic!("it is worse"),
        ..PASSES
    };
    const HANGS: Test = Test {
        name: "host.hangs",
        limit: Some(Duration::from_millis(10)),
        run: |_| loop {
            std::thread::park();
        },
        ..PASSES
    };
    const DEBUG: Setting = Setting {
        name: "debug",
        topology: || Topology::nodes(1).kernel(Kernel::Debug),
        wait: WaitFor::Alive,
    };

    fn session(folder: &Path, within: Duration, tests: &[Test]) -> Session {
        let plan = Plan {
            terms: Arc::new(some()),
            folder,
            prefix: "unit",
            keep: false,
            within,
        };
        Session::begin(&plan, tests).unwrap()
    }

    fn reason(verdict: Verdict) -> String {
        match verdict {
            Verdict::Failed(failure) => failure.reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_test_gets_the_verdict_that_it_deserves() {
        let dir = tempfile::tempdir().unwrap();
        let tests = [PASSES, FAILS, PANICS, HANGS];
        let mut session = session(dir.path(), Duration::from_secs(3600), &tests);
        assert_eq!(session.run(PASSES).unwrap(), Verdict::Passed);
        assert_eq!(reason(session.run(FAILS).unwrap()), "it is wrong");
        assert_eq!(
            reason(session.run(PANICS).unwrap()),
            "panicked: it is worse"
        );
        let late = reason(session.run(HANGS).unwrap());
        assert!(
            late.starts_with("time limit: ") && late.contains("left behind"),
            "{late}"
        );
        let words = session.end().unwrap();
        assert_eq!(words.len(), 4);
        assert_eq!(words[3], "  cargo xtask cluster-test host.hangs --seed 7");
        let read = |path: &str| fs::read_to_string(dir.path().join(path)).unwrap();
        let record = read("failed/host.fails/record.json");
        let record = serde_json::from_str::<Value>(&record).unwrap();
        assert_eq!(record["reason"], "it is wrong");
        assert!(!dir.path().join("failed/host.passes").exists());
        let report = read("junit.xml");
        let report = roxmltree::Document::parse(&report).unwrap();
        let counts = ["tests", "failures"].map(|name| report.root_element().attribute(name));
        assert_eq!(counts, [Some("4"), Some("3")]);
    }

    #[test]
    fn a_run_that_takes_too_long_fails_what_it_does_not_begin() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = session(dir.path(), Duration::ZERO, &[PASSES]);
        let reason = reason(session.run(PASSES).unwrap());
        assert!(
            reason.contains("the 0.0 min of the whole run are used up"),
            "{reason}"
        );
        assert!(dir.path().join("failed/host.passes/record.json").is_file());
    }

    #[test]
    fn what_needs_another_kernel_is_skipped_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let debug = Test {
            setting: DEBUG,
            ..PASSES
        };
        let mut session = session(dir.path(), Duration::from_secs(3600), &[debug]);
        let verdict = session.run(debug).unwrap();
        assert_eq!(verdict, Verdict::Skipped("it needs --kernel debug".into()));
        assert!(!dir.path().join("failed").exists());
    }
}
