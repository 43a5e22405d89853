// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report that CI systems read.
//!
//! By the schema that Jenkins's xUnit plugin checks reports against: a suite per setting, with
//! the run's circumstances as properties; what a failed case left is attached by the lines
//! `[[ATTACHMENT|path]]` in its output, as Jenkins and GitLab read them.

mod xml;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::record::Failure;
use crate::test::Test;
use xml::escaped;

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

/// How many cases of a suite there are of each kind.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    skipped: usize,
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
        // Renamed into place, so that no reader and no crash sees half of it.
        let draft = self.path.with_extension("xml.part");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&draft, self.xml()))
            .and_then(|()| fs::rename(&draft, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))
    }

    fn xml(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let all = Counts::of(self.suites.iter().flat_map(|suite| &suite.cases));
        // Writing to a string does not fail.
        let _ = writeln!(
            xml,
            "<testsuites name=\"cluster-test\" {}>",
            all.attributes()
        );
        for suite in &self.suites {
            let counts = Counts::of(&suite.cases);
            let (setting, attributes) = (escaped(suite.setting), counts.attributes());
            let skipped = counts.skipped;
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{setting}\" {attributes} skipped=\"{skipped}\">"
            );
            let _ = writeln!(xml, "    <properties>");
            let setting = ("setting", suite.setting.to_owned());
            for (name, value) in self.properties.iter().chain([&setting]) {
                let value = escaped(value);
                let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{value}\"/>");
            }
            let _ = writeln!(xml, "    </properties>");
            suite.cases.iter().for_each(|case| case.write_to(&mut xml));
            let _ = writeln!(xml, "  </testsuite>");
        }
        xml.push_str("</testsuites>\n");
        xml
    }
}

impl Counts {
    fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            counts.time += case.time;
            match case.verdict {
                Some(Verdict::Passed) => {}
                Some(Verdict::Skipped(_)) => counts.skipped += 1,
                Some(Verdict::Failed(_)) | None => counts.failures += 1,
            }
        }
        counts
    }

    /// Those that suites and all suites together have.
    fn attributes(&self) -> String {
        let Self {
            tests, failures, ..
        } = self;
        let time = self.time.as_secs_f64();
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{time:.3}\"")
    }
}

impl Case {
    fn write_to(&self, xml: &mut String) {
        let (subject, name) = self.test.split_once('.').unwrap_or(("", self.test));
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(subject),
            escaped(name),
            self.time.as_secs_f64()
        );
        let (element, reason) = match &self.verdict {
            Some(Verdict::Passed) => {
                xml.push_str("/>\n");
                return;
            }
            Some(Verdict::Failed(failure)) => ("failure", failure.reason.as_str()),
            Some(Verdict::Skipped(reason)) => ("skipped", reason.as_str()),
            None => ("failure", "it did not come to an end"),
        };
        let first = escaped(reason.lines().next().unwrap_or_default());
        let reason = escaped(reason);
        let _ = writeln!(
            xml,
            ">\n      <{element} message=\"{first}\">{reason}</{element}>"
        );
        if let Some(Verdict::Failed(failure)) = &self.verdict {
            let _ = writeln!(xml, "      <system-out>again: {}", escaped(&failure.replay));
            for file in &failure.files {
                let file = escaped(&file.to_string_lossy());
                let _ = writeln!(xml, "[[ATTACHMENT|{file}]]");
            }
            let _ = writeln!(xml, "</system-out>");
        }
        let _ = writeln!(xml, "    </testcase>");
    }
}

#[cfg(test)]
mod tests;
