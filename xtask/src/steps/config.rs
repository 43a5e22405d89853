// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's configuration: allnoconfig with the profile's fragments, every request checked.

use std::path::Path;

use anyhow::{bail, Result};

use super::kernel_tree::KernelTree;
use super::{jobs, kernel_make};
use crate::engine::key::digest_file;
use crate::engine::{Inputs, Job, Key, Output, Step};
use crate::fs;
use crate::kconfig::{self, Request};

/// Makes `config`, the final configuration.
#[derive(Debug)]
pub struct Config<'a> {
    /// The toolchain, which some options depend on.
    pub root: &'a Output,
    /// The pristine source.
    pub source: &'a Output,
    /// The patched files.
    pub patched: &'a Output,
    /// The checkout.
    pub checkout: &'a Path,
    /// Fragments, as paths in the checkout.
    pub fragments: Vec<String>,
    /// The kernel tree to use.
    pub tree: String,
}

impl Config<'_> {
    fn requests(&self) -> Result<Vec<Request>> {
        let mut fragments = Vec::new();
        for name in &self.fragments {
            let text = fs::read_to_string(self.checkout.join(name))?;
            fragments.push(kconfig::parse_fragment(name, &text)?);
        }
        Ok(kconfig::merge(fragments))
    }
}

impl Step for Config<'_> {
    const NAME: &'static str = "config";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 1)
            .output(self.root)
            .output(self.source)
            .output(self.patched);
        inputs.value("command", kernel_make(&["allnoconfig"]).join(" "));
        // What is asked, not how it is worded: a comment in a fragment changes nothing.
        for request in self.requests()? {
            inputs.value(&request.option, request.value.as_deref().unwrap_or("off"));
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let requests = self.requests()?;
        let asked = job.scratch();
        fs::write(asked.join("requests"), kconfig::render(&requests))?;
        let tree = KernelTree::take(job, &self.tree, self.root, self.source, &self.patched.dir)?;
        let sandbox = tree
            .sandbox(self.root)
            .read_only(&asked, "/build/asked")
            .writable(job.out(), "/build/out")
            .env("KCONFIG_ALLCONFIG", "/build/asked/requests")
            .env("KCONFIG_CONFIG", "/build/out/config");
        let command = kernel_make(&[&jobs(), "allnoconfig"]);
        let made = job.run("make allnoconfig", &sandbox.command(command));
        tree.give_back()?;
        made?;
        let old = job.out().join("config.old");
        if old.exists() {
            fs::remove_file(old)?;
        }
        let config = fs::read_to_string(job.out().join("config"))?;
        let dropped = kconfig::dropped(&requests, &config);
        if !dropped.is_empty() {
            for sentence in &dropped {
                job.say(sentence);
            }
            bail!(
                "the kernel does not take every option:\n  {}",
                dropped.join("\n  ")
            );
        }
        Ok(())
    }

    /// Later steps see the configuration itself.
    fn identity(&self, _key: &Key, out: &Path) -> Result<String> {
        digest_file(&out.join("config"))
    }

    fn advice(&self) -> String {
        "an option is dropped when one that it depends on is off, or when the kernel no longer has \
         it: look for its `config` entry in the tree's Kconfig files and ask for what it depends on"
            .into()
    }
}
