// SPDX-License-Identifier: MIT OR Apache-2.0

//! tshark with the project's dissector.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Reads captures.
#[derive(Debug)]
pub struct Dissector {
    script: PathBuf,
    keys: Option<PathBuf>,
    /// In place of the user's own settings and plugins.
    settings: tempfile::TempDir,
}

/// Why a capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DissectorError {
    /// There is no tshark.
    #[error("cannot run tshark; `cargo xtask doctor` says how it is installed")]
    Start(#[source] io::Error),
    /// It failed, or the dissector did.
    #[error("tshark on {capture}: {said}")]
    Failed {
        /// The capture.
        capture: PathBuf,
        /// What it said.
        said: String,
    },
    /// What it said is not what was asked for.
    #[error("cannot read what tshark says of {capture}")]
    Unreadable {
        /// The capture.
        capture: PathBuf,
        /// Why, if that is known.
        #[source]
        error: Option<serde_json::Error>,
    },
    /// A folder for its settings could not be made.
    #[error("cannot make a folder for tshark's settings")]
    Settings(#[source] io::Error),
}

impl Dissector {
    /// The dissector of this checkout, without keys.
    ///
    /// # Errors
    ///
    /// [`DissectorError::Settings`].
    pub fn new() -> Result<Self, DissectorError> {
        Ok(Self {
            script: Path::new(env!("CARGO_MANIFEST_DIR")).join("podos.lua"),
            keys: None,
            settings: tempfile::tempdir().map_err(DissectorError::Settings)?,
        })
    }

    /// The same with the session keys in this file.
    pub fn with_keys(self, keys: &Path) -> Self {
        Self {
            keys: Some(keys.to_owned()),
            ..self
        }
    }

    /// The `fields` of each frame in `capture` that the display filter `filter` lets through; a
    /// field that a frame has several times has commas between.
    ///
    /// # Errors
    ///
    /// [`DissectorError::Start`], or [`DissectorError::Failed`] also when the dissector itself
    /// complains.
    pub fn fields(
        &self,
        capture: &Path,
        filter: &str,
        fields: &[&str],
    ) -> Result<Vec<Vec<String>>, DissectorError> {
        let mut tshark = self.command(capture, filter);
        tshark.args(["-T", "fields", "-E", "separator=/t", "-E", "aggregator=,"]);
        for field in fields {
            tshark.args(["-e", field]);
        }
        let text = self.run(capture, tshark)?;
        let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
        Ok(text.lines().map(cells).collect())
    }

    /// The bytes of each frame that `filter` lets through.
    ///
    /// # Errors
    ///
    /// As [`Dissector::fields`], and [`DissectorError::Unreadable`].
    pub fn frames(&self, capture: &Path, filter: &str) -> Result<Vec<Vec<u8>>, DissectorError> {
        let mut tshark = self.command(capture, filter);
        tshark.args(["-T", "jsonraw", "-j", "frame"]);
        let text = self.run(capture, tshark)?;
        let unreadable = |error| DissectorError::Unreadable {
            capture: capture.to_owned(),
            error,
        };
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| unreadable(Some(error)))?;
        let frames = all.iter().map(|frame| {
            let digits = frame.pointer("/_source/layers/frame_raw/0");
            let bytes = digits.and_then(|digits| bytes(digits.as_str()?));
            bytes.ok_or_else(|| unreadable(None))
        });
        frames.collect()
    }

    /// What Wireshark shows of each frame that `filter` lets through, all of it.
    ///
    /// # Errors
    ///
    /// As [`Dissector::fields`].
    pub fn details(&self, capture: &Path, filter: &str) -> Result<String, DissectorError> {
        let mut tshark = self.command(capture, filter);
        tshark.args(["-V", "-O", "podos"]);
        self.run(capture, tshark)
    }

    fn command(&self, capture: &Path, filter: &str) -> Command {
        let mut script = std::ffi::OsString::from("lua_script:");
        script.push(&self.script);
        let mut tshark = Command::new("tshark");
        tshark
            .env("WIRESHARK_CONFIG_DIR", self.settings.path())
            .env("HOME", self.settings.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .arg("-X")
            .arg(script)
            .args(["-n", "-Y", filter, "-r"])
            .arg(capture);
        if let Some(keys) = &self.keys {
            let mut preference = std::ffi::OsString::from("podos.keys:");
            preference.push(keys);
            tshark.arg("-o").arg(preference);
        }
        tshark
    }

    fn run(&self, capture: &Path, mut tshark: Command) -> Result<String, DissectorError> {
        let output = tshark.output().map_err(DissectorError::Start)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        let complaints: Vec<_> = said
            .lines()
            .filter(|line| !line.starts_with("Running as user \"root\""))
            .filter(|line| !line.trim().is_empty())
            .collect();
        let broken = text.contains("Lua Error") || !complaints.is_empty();
        if output.status.success() && !broken {
            return Ok(text);
        }
        let lua = text.lines().filter(|line| line.contains("Lua Error"));
        let said: Vec<_> = complaints.into_iter().chain(lua).collect();
        Err(DissectorError::Failed {
            capture: capture.to_owned(),
            said: match said.is_empty() {
                true => output.status.to_string(),
                false => said.join("; "),
            },
        })
    }
}

/// The bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2);
    let bytes = pairs.map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    bytes.collect()
}
