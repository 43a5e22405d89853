// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is left of a test that did not pass.
//!
//! The record is there before the test begins and says that it failed, so that no crash, of a
//! node, of the runner or of the machine, can make it look passed. Only a pass takes it away.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

/// The folder of one test under way.
pub struct Record {
    folder: PathBuf,
    test: &'static str,
    seed: u64,
}

/// The command that runs one test again as it ran.
pub fn replay(test: &str, seed: u64) -> String {
    format!("cargo xtask cluster-test {test} --seed {seed}")
}

impl Record {
    /// Says that the test failed, until more is known.
    pub fn begin(folder: &Path, test: &'static str, seed: u64) -> Result<Self> {
        let folder = folder.join(test);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let record = Self { folder, test, seed };
        record.write("it did not come to an end")?;
        Ok(record)
    }

    /// Where the consoles of a cluster go that does not come up.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says why, and keeps the merged timeline of the cluster.
    pub fn failed(&self, reason: &str, timeline: Option<&str>) -> Result<()> {
        self.write(reason)?;
        match timeline {
            Some(timeline) => self.put("timeline.log", timeline),
            None => Ok(()),
        }
    }

    /// Takes the record away.
    pub fn passed(self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("removing {}", self.folder.display()))
    }

    fn write(&self, reason: &str) -> Result<()> {
        let record = json!({
            "test": self.test,
            "verdict": "failed",
            "reason": reason,
            "seed": self.seed,
            "replay": replay(self.test, self.seed),
        });
        self.put("record.json", &format!("{record:#}\n"))
    }

    fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(folder: &Path) -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join("a.b/record.json")).unwrap()).unwrap()
    }

    #[test]
    fn failed_is_what_it_says_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::begin(dir.path(), "a.b", 7).unwrap();
        let begun = verdict(dir.path());
        assert_eq!(begun["verdict"], "failed");
        assert_eq!(begun["replay"], "cargo xtask cluster-test a.b --seed 7");
        record
            .failed("because", Some("0.0 linus1: boot\n"))
            .unwrap();
        assert_eq!(verdict(dir.path())["reason"], "because");
        assert!(dir.path().join("a.b/timeline.log").exists());
        record.passed().unwrap();
        assert!(!dir.path().join("a.b").exists());
    }
}
