// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report that CI systems read.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

/// How a test fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed(String),
    /// It was not begun.
    Skipped(String),
}

/// The file, written anew with every verdict: a test that has none yet counts as failed.
pub struct Report {
    path: PathBuf,
    cases: Vec<Case>,
}

struct Case {
    test: &'static str,
    verdict: Option<Verdict>,
    time: Duration,
}

impl Report {
    /// A report in which nothing has passed.
    pub fn begin(path: PathBuf, tests: impl IntoIterator<Item = &'static str>) -> Result<Self> {
        let case = |test| Case {
            test,
            verdict: None,
            time: Duration::ZERO,
        };
        let cases = tests.into_iter().map(case).collect();
        let report = Self { path, cases };
        report.write()?;
        Ok(report)
    }

    /// Enters a verdict.
    pub fn enter(&mut self, test: &str, verdict: Verdict, time: Duration) -> Result<()> {
        for case in self.cases.iter_mut().filter(|case| case.test == test) {
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
        let is_failed =
            |case: &&Case| !matches!(case.verdict, Some(Verdict::Passed | Verdict::Skipped(_)));
        let is_skipped = |case: &&Case| matches!(case.verdict, Some(Verdict::Skipped(_)));
        let failed = self.cases.iter().filter(is_failed).count();
        let skipped = self.cases.iter().filter(is_skipped).count();
        let time: Duration = self.cases.iter().map(|case| case.time).sum();
        let head = format!(
            "tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\"",
            self.cases.len(),
            time.as_secs_f64()
        );
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a string does not fail.
        let _ = writeln!(xml, "<testsuites name=\"cluster-test\" {head}>");
        let _ = writeln!(xml, "  <testsuite name=\"cluster-test\" {head}>");
        self.cases.iter().for_each(|case| case.write_to(&mut xml));
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }
}

impl Case {
    fn write_to(&self, xml: &mut String) {
        let (subject, name) = self.test.split_once('.').unwrap_or(("", self.test));
        let _ = write!(
            xml,
            "    <testcase classname=\"{subject}\" name=\"{name}\" time=\"{:.3}\"",
            self.time.as_secs_f64()
        );
        let (element, reason) = match &self.verdict {
            Some(Verdict::Passed) => {
                xml.push_str("/>\n");
                return;
            }
            Some(Verdict::Failed(reason)) => ("failure", reason.as_str()),
            Some(Verdict::Skipped(reason)) => ("skipped", reason.as_str()),
            None => ("failure", "it did not come to an end"),
        };
        let first = escaped(reason.lines().next().unwrap_or_default());
        let _ = writeln!(
            xml,
            ">\n      <{element} message=\"{first}\">{}</{element}>\n    </testcase>",
            escaped(reason)
        );
    }
}

/// Text as XML can have it: marks as entities, and no characters that it forbids.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_without_a_verdict_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/junit.xml");
        let mut report = Report::begin(path.clone(), ["s.one", "s.two", "s.three"]).unwrap();
        let read = || fs::read_to_string(&path).unwrap();
        assert!(read().contains("tests=\"3\" failures=\"3\""));
        let second = Duration::from_millis(1500);
        report.enter("s.one", Verdict::Passed, second).unwrap();
        report
            .enter("s.two", Verdict::Skipped("no need".into()), second)
            .unwrap();
        let text = read();
        assert!(
            text.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"3.000\"")
        );
        assert!(text.contains("<testcase classname=\"s\" name=\"one\" time=\"1.500\"/>"));
        assert!(text.contains("<skipped message=\"no need\">"));
        assert!(text.contains("did not come to an end"));
    }

    #[test]
    fn reasons_stay_well_formed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("junit.xml");
        let mut report = Report::begin(path.clone(), ["s.one"]).unwrap();
        let reason = "a < b & \"c\"\n\u{1b}[0m]]>".to_owned();
        report
            .enter("s.one", Verdict::Failed(reason), Duration::ZERO)
            .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("message=\"a &lt; b &amp; &quot;c&quot;\">"),
            "{text}"
        );
        assert!(text.contains("\u{fffd}[0m]]&gt;</failure>"), "{text}");
    }
}
