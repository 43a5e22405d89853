// SPDX-License-Identifier: MIT OR Apache-2.0

//! Records: what a test leaves that did not pass.
//!
//! The record is there before the test begins and says that it failed, so that no crash, of a
//! node, of the runner or of the machine, can make it look passed. Only a pass takes it away.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use podos_harness::{Cluster, Net};
use serde_json::json;

/// Where the records are, in the folder of a report.
pub const FOLDER: &str = "failed";

/// The folder of one test under way.
pub struct Record {
    folder: PathBuf,
    test: &'static str,
    setting: &'static str,
    /// The command that runs it again.
    replay: String,
}

/// A test that failed, as reports have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: String,
    /// The command that runs it again as it ran.
    pub replay: String,
    /// What there is to look at.
    pub files: Vec<PathBuf>,
}

/// Where the record of a test is, in the folder of a report.
pub fn folder(report: &Path, test: &str) -> PathBuf {
    report.join(FOLDER).join(test)
}

impl Record {
    /// Says that the test failed, until more is known.
    pub fn begin(
        report: &Path,
        test: &'static str,
        setting: &'static str,
        replay: String,
    ) -> Result<Self> {
        let folder = folder(report, test);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let record = Self {
            folder,
            test,
            setting,
            replay,
        };
        record.write("it did not come to an end", &[])?;
        Ok(record)
    }

    /// Where the consoles of a cluster go that does not come up.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says why, and keeps what the cluster has to tell: the merged timeline, the last frames of
    /// each rail where the switches are ours, and what the supervisor and QEMU said.
    pub fn failed(self, reason: &str, cluster: Option<&Cluster>) -> Result<Failure> {
        let mut missing = Vec::new();
        if let Some(cluster) = cluster {
            // What can't be had is told, and must not cost what can.
            let mut keep = |what: &str, kept: Result<()>| {
                if let Err(error) = kept {
                    missing.push(format!("no {what}: {error:#}"));
                }
            };
            keep("captures", self.captures(cluster));
            let timeline = cluster.timeline().map_err(Into::into);
            keep(
                "timeline",
                timeline.and_then(|text| self.put("timeline.log", &text)),
            );
            let log = fs::read_to_string(cluster.folder().join("supervisor.log"));
            let log = log.map_err(Into::into);
            keep(
                "supervisor.log",
                log.and_then(|text| self.put("supervisor.log", &text)),
            );
        }
        let reason = [&[reason.to_owned()][..], &missing].concat().join("\n");
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).context("cannot list a record")? {
            let entry = entry.context("cannot list a record")?;
            let metadata = entry.metadata().context("cannot list a record")?;
            // What is empty tells nothing.
            if metadata.is_file() && metadata.len() > 0 {
                files.push(entry.path());
            }
        }
        files.sort();
        self.write(&reason, &files)?;
        let replay = self.replay;
        Ok(Failure {
            reason,
            replay,
            files,
        })
    }

    /// Takes the record away.
    pub fn passed(self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn captures(&self, cluster: &Cluster) -> Result<()> {
        if cluster.topology().net == Net::Switch {
            cluster.switch()?.recent(&self.folder)?;
        }
        Ok(())
    }

    fn write(&self, reason: &str, files: &[PathBuf]) -> Result<()> {
        let names = files.iter().filter_map(|file| file.file_name()?.to_str());
        let record = json!({
            "test": self.test,
            "setting": self.setting,
            "verdict": "failed",
            "reason": reason,
            "replay": self.replay,
            "files": names.collect::<Vec<_>>(),
        });
        self.put("record.json", &format!("{record:#}\n"))
    }

    fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn begin(folder: &Path) -> Record {
        Record::begin(folder, "a.b", "shared", "again".into()).unwrap()
    }

    fn verdict(folder: &Path) -> Value {
        let text = fs::read_to_string(folder.join("failed/a.b/record.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_record_says_failed_until_the_test_has_passed() {
        let dir = tempfile::tempdir().unwrap();
        let record = begin(dir.path());
        let begun = verdict(dir.path());
        assert_eq!(
            (&begun["verdict"], &begun["replay"]),
            (&json!("failed"), &json!("again"))
        );
        record.passed().unwrap();
        assert!(!dir.path().join("failed/a.b").exists());
    }

    #[test]
    fn a_failure_names_its_reason_and_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let record = begin(dir.path());
        fs::write(record.folder().join("linus1.console.log"), "boot\n").unwrap();
        fs::write(record.folder().join("supervisor.log"), "").unwrap();
        fs::create_dir(record.folder().join("a-folder")).unwrap();
        let failure = record.failed("because", None).unwrap();
        assert_eq!((&*failure.reason, &*failure.replay), ("because", "again"));
        let files = ["linus1.console.log", "record.json"];
        assert_eq!(
            failure.files,
            files.map(|file| folder(dir.path(), "a.b").join(file))
        );
        let written = verdict(dir.path());
        assert_eq!(
            (&written["reason"], &written["files"]),
            (&json!("because"), &json!(files))
        );
    }
}
