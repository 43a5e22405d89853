// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run inside a test, and what a red verdict has to leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use roxmltree::Document;
use serde_json::Value;

use crate::check::ensure_eq;
use crate::junit::Verdict;
use crate::record::{self, Failure};
use crate::session::{Plan, Session};
use crate::suite;
use crate::support::Lab;
use crate::test::Test;
use podos_wireshark::Dissector;

/// Of runs in this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// How long a whole nested run may take: what limits its tests is their own.
const WITHIN: Duration = Duration::from_secs(3600);

/// A run under way, with a report of its own.
pub struct Nested {
    /// In the record of the outer test, for whoever looks why that failed.
    folder: PathBuf,
    session: Session,
    seed: u64,
}

/// A red verdict that left all that it has to leave.
pub struct Red {
    pub failure: Failure,
    timeline: String,
    /// The timeline's file.
    file: PathBuf,
}

impl Red {
    /// Checks that its reason has this.
    pub fn is_because(&self, part: &str) -> Result<()> {
        let reason = &self.failure.reason;
        ensure!(reason.contains(part), "no `{part}` in the reason, {reason}");
        Ok(())
    }

    /// Checks that its timeline has these parts, one after the other.
    pub fn tells(&self, parts: &[&str]) -> Result<()> {
        let mut rest = self.timeline.as_str();
        for part in parts {
            let at = rest.find(part);
            let file = self.file.display();
            let at = at.with_context(|| format!("no `{part}` where it belongs in {file}"))?;
            rest = &rest[at + part.len()..];
        }
        Ok(())
    }
}

impl Nested {
    /// A run of these tests, as the outer one is run.
    pub fn begin(lab: &Lab<'_>, keep: bool, tests: &[Test]) -> Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = lab.record().join(format!("nested{count}"));
        let plan = Plan {
            terms: Arc::clone(lab.terms()),
            folder: &folder,
            prefix: &format!("nested{count}"),
            keep,
            within: WITHIN,
        };
        let session = Session::begin(&plan, tests)?;
        let seed = lab.seed();
        Ok(Self {
            folder,
            session,
            seed,
        })
    }

    /// Runs a test that has to pass, and to leave no record.
    pub fn green(&mut self, test: Test) -> Result<()> {
        match self.session.run(test)? {
            Verdict::Passed => {}
            other => bail!("{} was to pass: {other:?}", test.name),
        }
        let record = self.record(&test);
        ensure!(!record.exists(), "a record of {}, which passed", test.name);
        Ok(())
    }

    /// Runs a test that has to fail, and to leave everything that helps.
    pub fn red(&mut self, test: Test) -> Result<Red> {
        let name = test.name;
        let failure = match self.session.run(test)? {
            Verdict::Failed(failure) => failure,
            other => bail!("{name} was to fail: {other:?}"),
        };
        let read = |file: &str| {
            let path = self.record(&test).join(file);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let record = serde_json::from_slice::<Value>(&read("record.json")?)?;
        ensure_eq!(record["verdict"], "failed", "verdict of {name}");
        ensure_eq!(record["reason"], *failure.reason, "reason of {name}");
        let replay = format!("cargo xtask cluster-test {name} --seed {}", self.seed);
        let given = record["replay"].as_str().unwrap_or_default();
        ensure!(given.starts_with(&replay), "{name} is replayed by {given}");
        let timeline = String::from_utf8_lossy(&read("timeline.log")?).into_owned();
        let shown = self.record(&test).join("timeline.log");
        let shown = shown.display();
        for part in [
            "cluster * 0.0 here is ",
            "linus1 | ",
            "linus2 | ",
            "linus1 * agent call ",
            " ended after ",
            &format!("cluster * test {name} begins"),
            &format!("cluster * test {name} failed: "),
        ] {
            ensure!(timeline.contains(part), "no `{part}` in {shown}");
        }
        let stamps = timeline.lines().map(|line| line.split_at_checked(13));
        let stamps = stamps.map(|line| line?.0.trim().parse::<f64>().ok());
        let stamps = stamps.collect::<Option<Vec<_>>>();
        let stamps = stamps.context("a line of the timeline without a stamp")?;
        ensure!(stamps.is_sorted(), "out of order: {shown}");
        for rail in 0..3 {
            let capture = self.record(&test).join(format!("rail{rail}.pcap"));
            let frames = Dissector::new()?.frames(&capture, "frame")?;
            ensure!(!frames.is_empty(), "rail {rail} is empty");
        }
        self.is_reported(&test, &failure)?;
        let file = self.record(&test).join("timeline.log");
        Ok(Red {
            failure,
            timeline,
            file,
        })
    }

    /// Runs a test that is not to be begun; why not.
    pub fn skipped(&mut self, test: Test) -> Result<String> {
        match self.session.run(test)? {
            Verdict::Skipped(reason) => Ok(reason),
            other => bail!("{} was to be skipped: {other:?}", test.name),
        }
    }

    /// Ends the run; what it says at its end.
    pub fn end(mut self) -> Result<Vec<String>> {
        self.session.end()
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    fn record(&self, test: &Test) -> PathBuf {
        record::folder(&self.folder, test.name)
    }

    /// Checks what the JUnit file says of a test that failed.
    fn is_reported(&self, test: &Test, failure: &Failure) -> Result<()> {
        let path = self.folder.join("junit.xml");
        let text = fs::read_to_string(&path).context("cannot read the report")?;
        let document = Document::parse(&text).context("the report is no XML")?;
        let (subject, name) = test.name.split_once('.').unwrap_or_default();
        let mut cases = document.descendants().filter(|node| {
            node.attribute("classname") == Some(subject) && node.attribute("name") == Some(name)
        });
        let case = cases.next().context("the test is not in the report")?;
        let child = |tag: &str| {
            let mut children = case.children();
            let found = children.find(|node| node.has_tag_name(tag));
            found.with_context(|| format!("no <{tag}> in {text}"))
        };
        let message = child("failure")?.attribute("message").unwrap_or_default();
        let first = failure.reason.lines().next().unwrap_or_default();
        ensure_eq!(message, first, "the message of the report");
        let out = child("system-out")?.text().unwrap_or_default();
        ensure!(out.contains(&failure.replay), "no replay in `{out}`");
        let attached = out.lines().filter_map(|line| {
            let path = line.strip_prefix("[[ATTACHMENT|")?;
            path.strip_suffix("]]").map(Path::new)
        });
        let attached = attached.collect::<Vec<_>>();
        for file in ["timeline.log", "record.json", "rail0.pcap"] {
            let found = attached.iter().any(|path| path.ends_with(file));
            ensure!(found, "{file} is not attached: {attached:?}");
        }
        let missing = attached.iter().find(|path| !path.is_file());
        ensure!(missing.is_none(), "{missing:?} is attached and not there");
        Ok(())
    }
}

/// A test of the suite.
pub fn real(name: &str) -> Result<Test> {
    let mut tests = suite::all().into_iter();
    let found = tests.find(|test| test.name == name);
    found.with_context(|| format!("there is no test {name} any more"))
}
