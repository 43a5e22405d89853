// SPDX-License-Identifier: MIT OR Apache-2.0

//! The userspace: programs of the workspace, linked statically with the host's cargo.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::{cmd, Shell};

use crate::engine::{Inputs, Job, Step};
use crate::fs;
use crate::program::cargo;
use crate::workspace;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Makes `PACKAGE`, the program of each cargo package.
#[derive(Debug)]
pub struct Userspace<'a> {
    /// The checkout.
    pub checkout: &'a Path,
    /// Cargo packages; the place in the image is no matter of this step.
    pub packages: &'a BTreeMap<String, String>,
}

impl Step for Userspace<'_> {
    const NAME: &'static str = "userspace";

    fn inputs(&self) -> Result<Inputs> {
        let sh = Shell::new()?;
        let rustc = cmd!(sh, "rustc -vV")
            .quiet()
            .read()
            .context("cannot ask rustc for its version")?;
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 2)
            .value("rustc", rustc.lines().next().unwrap_or_default());
        inputs.value("target", TARGET);
        for package in self.packages.keys() {
            inputs.value(format!("package {package}"), "wanted");
        }
        for name in ["Cargo.toml", "Cargo.lock"] {
            inputs.file(self.checkout, Path::new(name))?;
        }
        for folder in workspace::folders_of(self.checkout, self.packages.keys())? {
            inputs.tree(self.checkout, &folder.to_string_lossy(), is_source)?;
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let target_dir = self.checkout.join("target/userspace");
        // Neither the checkout's nor the registry's place may get into a program.
        let home = std::env::var("CARGO_HOME")
            .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
            .context("neither CARGO_HOME nor HOME is set")?;
        let flags = [
            "-Ctarget-feature=+crt-static".to_owned(),
            format!("--remap-path-prefix={}=/podos", self.checkout.display()),
            format!("--remap-path-prefix={home}=/cargo"),
        ];
        // One by one, so that what a program is made of does not depend on which others there are.
        for package in self.packages.keys() {
            let mut arguments = vec!["build", "--release", "--locked", "--target", TARGET];
            arguments.extend(["--package", package]);
            arguments.extend(job.offline().then_some("--offline"));
            let command = duct::cmd(cargo(), &arguments)
                .dir(self.checkout)
                .env("CARGO_TARGET_DIR", &target_dir)
                .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
                .env("CARGO_TERM_COLOR", "never");
            job.run(&format!("cargo {}", arguments.join(" ")), &command)?;
            let program = target_dir.join(TARGET).join("release").join(package);
            fs::copy(&program, job.out().join(package))
                .with_context(|| format!("cargo package {package} has no program of its name"))?;
        }
        Ok(())
    }

    fn advice(&self) -> String {
        "mend what the compiler names; when a crate cannot be fetched, see that the registry can be \
         reached"
            .into()
    }
}

fn is_source(name: &Path) -> bool {
    matches!(
        name.extension().and_then(OsStr::to_str),
        Some("rs" | "toml" | "h" | "c" | "S")
    ) && !name.components().any(|part| {
        matches!(
            part.as_os_str().to_str(),
            Some("tests" | "fuzz" | "benches")
        )
    })
}
