// SPDX-License-Identifier: MIT OR Apache-2.0

//! The patch series applied: the files it touches, with their new contents.

use std::path::Path;

use anyhow::Result;

use crate::engine::{Inputs, Job, Key, Output, Step};
use crate::fs;
use crate::series::{self, Patch};

/// Makes `files/`, the patched files, and `touched`, the list of all that the series touches.
#[derive(Debug)]
pub struct Patched<'a> {
    /// The pristine source.
    pub source: &'a Output,
    /// The series, in order.
    pub series: &'a [Patch],
}

impl Step for Patched<'_> {
    const NAME: &'static str = "patches";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.value("recipe", 2).output(self.source);
        let order: Vec<_> = self
            .series
            .iter()
            .map(|patch| patch.file.as_str())
            .collect();
        inputs.value(series::SERIES, order.join(" "));
        for patch in self.series {
            inputs.value(patch.name(), crate::engine::key::digest_bytes(&patch.text));
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let files = job.out().join("files");
        fs::create_dir(&files)?;
        job.say(&format!("applying {} patches", self.series.len()));
        let touched = series::apply(&self.source.path("tree"), self.series, &files)?;
        let list: String = touched
            .paths
            .iter()
            .map(|path| format!("{path}\n"))
            .collect();
        fs::write(job.out().join("touched"), list)?;
        Ok(())
    }

    /// Later steps see the files: another message or another split of the series changes nothing.
    fn identity(&self, _key: &Key, out: &Path) -> Result<String> {
        let mut files = Inputs::default();
        for name in fs::read_to_string(out.join("touched"))?.lines() {
            match out.join("files").join(name).exists() {
                true => files.file(&out.join("files"), Path::new(name))?,
                false => files.value(name, "deleted"),
            };
        }
        Ok(files.key().to_string())
    }

    fn advice(&self) -> String {
        "`cargo xtask patches checkout` gives a git tree to mend the series in, `cargo xtask patches \
         export` writes it back"
            .into()
    }
}
