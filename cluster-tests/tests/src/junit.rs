// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report that CI systems read.
//!
//! By the schema that Jenkins's xUnit plugin checks reports against: a suite per setting, with
//! the run's circumstances as properties; what a failed case left is attached by the lines
//! `[[ATTACHMENT|path]]` in its output, as Jenkins and GitLab read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use crate::record::Failure;
use crate::test::Test;

/// How a test fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed(Failure),
    /// It was not begun, and need not be.
    Skipped(String),
}

/// The file, written anew with every verdict: a test that has none yet counts as failed.
pub struct Report {
    path: PathBuf,
    /// Name and value.
    properties: Vec<(&'static str, String)>,
    suites: Vec<Suite>,
}

/// The tests of a setting.
struct Suite {
    setting: &'static str,
    cases: Vec<Case>,
}

struct Case {
    test: &'static str,
    verdict: Option<Verdict>,
    time: Duration,
}

impl Report {
    /// A report in which nothing has passed.
    pub fn begin(
        path: PathBuf,
        tests: &[Test],
        properties: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let suites = tests.chunk_by(|one, other| one.setting == other.setting);
        let case = |test: &Test| Case {
            test: test.name,
            verdict: None,
            time: Duration::ZERO,
        };
        let suite = |tests: &[Test]| Suite {
            setting: tests[0].setting.name,
            cases: tests.iter().map(case).collect(),
        };
        let report = Self {
            path,
            properties,
            suites: suites.map(suite).collect(),
        };
        report.write()?;
        Ok(report)
    }

    /// Enters a verdict.
    pub fn enter(&mut self, test: &str, verdict: Verdict, time: Duration) -> Result<()> {
        let cases = self.suites.iter_mut().flat_map(|suite| &mut suite.cases);
        for case in cases.filter(|case| case.test == test) {
            case.verdict = Some(verdict.clone());
            case.time = time;
        }
        self.write()
    }

    fn write(&self) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let xml = self.xml()?;
        // Renamed into place, so that no reader and no crash sees half of it.
        let draft = self.path.with_extension("xml.part");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&draft, xml))
            .and_then(|()| fs::rename(&draft, &self.path))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn xml(&self) -> Result<String> {
        let mut all = quick_junit::Report::new("cluster-test");
        let suites = self.suites.iter();
        all.add_test_suites(suites.map(|suite| suite.element(&self.properties)))
            .set_time(self.suites.iter().map(Suite::time).sum());
        let xml = all.to_string().context("cannot make a report")?;
        // The schema has this count for each suite, but not for all of them.
        let skipped = format!(" skipped=\"{}\"", all.skipped);
        Ok(xml.replacen(&skipped, "", 1))
    }
}

impl Suite {
    fn time(&self) -> Duration {
        self.cases.iter().map(|case| case.time).sum()
    }

    fn element(&self, properties: &[(&str, String)]) -> TestSuite {
        let mut suite = TestSuite::new(self.setting);
        let property = |(name, value): &(&str, String)| Property::new(*name, legible(value));
        suite
            .add_properties(properties.iter().map(property))
            .add_property(("setting", self.setting))
            .add_test_cases(self.cases.iter().map(Case::element))
            .set_time(self.time());
        suite
    }
}

impl Case {
    fn element(&self) -> TestCase {
        let (subject, name) = self.test.split_once('.').unwrap_or(("", self.test));
        let mut case = TestCase::new(name, self.status());
        case.set_classname(subject).set_time(self.time);
        if let Some(Verdict::Failed(failure)) = &self.verdict {
            let mut out = format!("again: {}\n", failure.replay);
            for file in &failure.files {
                out += &format!("[[ATTACHMENT|{}]]\n", file.display());
            }
            case.set_system_out(legible(&out));
        }
        case
    }

    fn status(&self) -> TestCaseStatus {
        let failure = || TestCaseStatus::non_success(NonSuccessKind::Failure);
        let (mut status, reason) = match &self.verdict {
            Some(Verdict::Passed) => return TestCaseStatus::success(),
            Some(Verdict::Failed(failed)) => (failure(), failed.reason.as_str()),
            Some(Verdict::Skipped(reason)) => (TestCaseStatus::skipped(), reason.as_str()),
            None => (failure(), "it did not come to an end"),
        };
        let reason = legible(reason);
        status
            .set_message(reason.lines().next().unwrap_or_default())
            .set_description(reason);
        status
    }
}

/// The text with a mark in place of each character that says nothing. The library would leave out
/// tabs, too, and all that comes after an escape without an end, but not what Unicode calls
/// noncharacters, which XML forbids.
fn legible(text: &str) -> String {
    let readable = |c: char| match c {
        '\n' => c,
        '\t' => ' ',
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(readable).collect()
}

#[cfg(test)]
mod tests;
