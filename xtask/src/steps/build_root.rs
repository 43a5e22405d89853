// SPDX-License-Identifier: MIT OR Apache-2.0

//! The build root: a minimal Debian with the toolchain, made by mmdebstrap.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use crate::definitions::BuildRootDefinition;
use crate::engine::key::digest_bytes;
use crate::engine::{Inputs, Job, Key, Output, Sandbox, Step};
use crate::fs;
use crate::lock::{Lock, Unlocked};

/// File of the output: package versions by name.
const PACKAGES: &str = "packages.toml";

/// Makes `root/`, a Debian of the defined suite and packages.
#[derive(Debug)]
pub struct BuildRoot<'a> {
    /// What goes into it.
    pub definition: &'a BuildRootDefinition,
    /// What was proven; a build root that is older is made again.
    pub lock: &'a Lock,
}

impl BuildRoot<'_> {
    /// The output with its packages, to be compared with the lock.
    pub fn unlocked(&self, output: Output) -> Result<Unlocked> {
        let versions = packages(&output.dir)?;
        Ok(Unlocked {
            output,
            versions,
            locked: self.lock.build_root.clone(),
        })
    }
}

/// The package versions of a finished build root.
pub fn packages(out: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(out.join(PACKAGES))
        .context("cannot use the cache (`cargo xtask clean --cache` empties it)")?;
    Ok(toml::from_str(&text)?)
}

impl Step for BuildRoot<'_> {
    const NAME: &'static str = "build-root";
    const NETWORK: bool = true;
    const KEEP: usize = 2;

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 1)
            .value("suite", &self.definition.suite);
        inputs.value("backports", &self.definition.kernel_source.suite);
        for package in &self.definition.packages {
            inputs.value(format!("package {package}"), "wanted");
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let root = job.out().join("root");
        fs::create_dir(&root)?;
        let include = self
            .definition
            .packages
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(",");
        // As a stream, unpacked by us: so an ordinary user gets files of his own, and not of the
        // user ids that only mmdebstrap's namespace has. Device files come from bubblewrap.
        let is_root = rustix::process::geteuid().is_root();
        let mut arguments: Vec<OsString> = Vec::new();
        if is_root {
            // All of it dies when we are killed, and what it leaves goes with the scratch
            // directory. An ordinary user's runs under ids that a namespace of ours would not let
            // it have, and that may not enter his home directory.
            let same = [
                "bwrap",
                "--dev-bind",
                "/",
                "/",
                "--proc",
                "/proc",
                "--cap-add",
                "ALL",
            ];
            arguments.extend(same.map(OsString::from));
            arguments.extend(["--unshare-pid", "--die-with-parent"].map(OsString::from));
            arguments.extend(["--setenv".into(), "TMPDIR".into(), job.scratch().into()]);
        }
        let mode = if is_root { "root" } else { "unshare" };
        arguments.extend(["mmdebstrap", "--variant=minbase", "--format=tar"].map(OsString::from));
        arguments.push(format!("--mode={mode}").into());
        arguments.push(format!("--include={include}").into());
        arguments.extend([OsString::from(&self.definition.suite), "-".into()]);
        let program = arguments.remove(0);
        let bootstrap = duct::cmd(program, arguments);
        let unpack = duct::cmd!(
            "tar",
            "-x",
            "--no-same-owner",
            "--exclude=./dev/*",
            "--delay-directory-restore",
            "-C",
            &root
        );
        // mmdebstrap's messages go to the log by way of its standard error.
        job.run(
            &format!("mmdebstrap --variant=minbase {}", self.definition.suite),
            &bootstrap.pipe(unpack),
        )?;
        fs::create_dir(root.join("build"))?;
        self.add_backports(&root)?;

        let list =
            Sandbox::at(&root).command(["dpkg-query", "-W", "-f", "${Package} ${Version}\n"]);
        let list = job.read("dpkg-query -W", &list)?;
        let packages: BTreeMap<_, _> = list
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        if let Some(package) = self
            .definition
            .packages
            .iter()
            .find(|package| !packages.contains_key(*package))
        {
            bail!("package {package} is not in the build root that mmdebstrap made");
        }
        fs::write(job.out().join(PACKAGES), toml::to_string(&packages)?)?;
        Ok(())
    }

    /// Two build roots of the same packages are the same to later steps.
    fn identity(&self, _key: &Key, out: &Path) -> Result<String> {
        Ok(digest_bytes(fs::read(out.join(PACKAGES))?))
    }

    fn outdated(&self, out: &Output) -> Result<Option<String>> {
        Ok(self.lock.newer_than(&packages(&out.dir)?))
    }

    fn advice(&self) -> String {
        let ids = match rustix::process::geteuid().is_root() {
            true => "",
            false => {
                "; an ordinary user needs subordinate ids (`sudo usermod --add-subuids \
                 100000-165535 --add-subgids 100000-165535 $USER`), and a kernel that lets him make \
                 user namespaces"
            }
        };
        format!(
            "see that the Debian archive can be reached and that rootfs/build-root.toml names \
             packages it has; `cargo xtask doctor` checks this host{ids}"
        )
    }
}

impl BuildRoot<'_> {
    /// Adds the suite of the kernel's source: from the archive that the suite itself is from.
    fn add_backports(&self, root: &Path) -> Result<()> {
        let sources = root.join("etc/apt/sources.list");
        let text = fs::read_to_string(&sources)?;
        let (suite, extra) = (&self.definition.suite, &self.definition.kernel_source.suite);
        let line = backports_line(&text, suite, extra)
            .with_context(|| format!("{} has no line for {suite}", sources.display()))?;
        fs::write(root.join("etc/apt/sources.list.d/kernel-source.list"), line)?;
        Ok(())
    }
}

/// The line of `sources` for exactly `suite`, with `extra` in its place.
fn backports_line(sources: &str, suite: &str, extra: &str) -> Option<String> {
    sources
        .lines()
        .filter(|line| line.starts_with("deb "))
        .find_map(|line| {
            let mut words: Vec<_> = line.split_whitespace().collect();
            let at = words.iter().position(|word| *word == suite)?;
            words[at] = extra;
            Some(format!("{}\n", words.join(" ")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backports_come_from_the_archive_of_the_suite() {
        let sources = "# a comment\ndeb [arch=amd64] file:/security trixie-security main\n\
                       deb [arch=amd64] file:/archive trixie main\n";
        assert_eq!(
            backports_line(sources, "trixie", "trixie-backports").as_deref(),
            Some("deb [arch=amd64] file:/archive trixie-backports main\n")
        );
        assert_eq!(backports_line(sources, "forky", "forky-backports"), None);
    }
}
