// SPDX-License-Identifier: MIT OR Apache-2.0

//! The proof that the kernel compiles with the first patches of the series, and no later one.

use anyhow::{bail, Result};

use super::kernel::make;
use super::kernel_make;
use super::kernel_tree::KernelTree;
use crate::engine::key::digest_bytes;
use crate::engine::{Inputs, Job, Output, Step};
use crate::fs;
use crate::series::{self, Patch};

/// The kernel tree. Not that of the image's kernel: that one would have to start over.
const TREE: &str = "patches-each";

/// Makes nothing but the finding.
#[derive(Debug)]
pub struct Compiles<'a> {
    /// The toolchain.
    pub root: &'a Output,
    /// The pristine source.
    pub source: &'a Output,
    /// The configuration of the whole series; options of later patches fall away.
    pub config: &'a Output,
    /// The patches that are applied.
    pub series: &'a [Patch],
    /// The kernel tree whose built files are the first to go on from.
    pub like: String,
}

impl Step for Compiles<'_> {
    const NAME: &'static str = "patches-each";
    const KEEP: usize = 100;

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 1)
            .output(self.root)
            .output(self.source)
            .output(self.config);
        inputs.value("command", kernel_make(&["bzImage"]).join(" "));
        for (index, patch) in self.series.iter().enumerate() {
            inputs.value(
                format!("patch {} of the series", index + 1),
                digest_bytes(&patch.text),
            );
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let Some(last) = self.series.last() else {
            bail!("there is no patch to compile after")
        };
        job.say(&format!("compiling after {}", last.name()));
        let dir = job.scratch();
        let files = dir.join("files");
        fs::create_dir(&files)?;
        let touched = series::apply(&self.source.path("tree"), self.series, &files)?;
        let list: String = touched
            .paths
            .iter()
            .map(|path| format!("{path}\n"))
            .collect();
        fs::write(dir.join("touched"), list)?;
        KernelTree::begin(job, TREE, &self.like, self.root, self.source)?;
        let tree = KernelTree::take(job, TREE, self.root, self.source, &dir)?;
        let made = make(job, &tree, self.root, self.config, &["bzImage"]);
        tree.give_back()?;
        made
    }

    fn advice(&self) -> String {
        match self.series.last() {
            Some(last) => format!(
                "{} needs something that only a later patch brings",
                last.name()
            ),
            None => "add a patch to the series".into(),
        }
    }
}
