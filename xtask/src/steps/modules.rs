// SPDX-License-Identifier: MIT OR Apache-2.0

//! The modules, built against the kernel in one go.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use super::{jobs, kernel_make, LINUX};
use crate::engine::key::list_files;
use crate::engine::{Inputs, Job, Output, Step};
use crate::fs;

/// The modules' folder in the checkout.
const SOURCES: &str = "rust-kmods";
/// Where it is inside the build root.
const PLACE: &str = "/build/rust-kmods";

/// Makes `NAME.ko` for each module that Kbuild names; the profile is no matter of this step.
#[derive(Debug)]
pub struct Modules<'a> {
    /// The toolchain.
    pub root: &'a Output,
    /// The kernel they are for.
    pub kernel: &'a Output,
    /// The checkout.
    pub checkout: &'a Path,
}

/// Checks the modules with clippy: any warning is an error.
#[derive(Debug)]
pub struct ModulesClippy<'a>(pub Modules<'a>);

impl Modules<'_> {
    fn declare(&self, command: &[&str]) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 2)
            .output(self.root)
            .output(self.kernel);
        inputs.value("command", kernel_make(command).join(" "));
        inputs.tree(self.checkout, SOURCES, is_source)?;
        Ok(inputs)
    }

    /// Copies the sources into a scratch tree and runs make there.
    fn make(&self, job: &mut Job<'_>, targets: &[&str], see: impl FnMut(&str)) -> Result<()> {
        let place = self.scratch_tree(job);
        let mut found = false;
        for name in list_files(self.checkout, SOURCES)?
            .iter()
            .filter(|name| is_source(name))
        {
            found = true;
            let to = place.join(name.strip_prefix(SOURCES)?);
            fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            fs::copy(self.checkout.join(name), &to)?;
        }
        if !found {
            bail!("no module sources in {SOURCES}");
        }
        let sandbox = crate::engine::Sandbox::new(self.root)
            .read_only(&self.kernel.path("devel"), LINUX)
            .writable(&place, PLACE);
        let jobs = jobs();
        let arguments: Vec<_> = std::iter::once(jobs.as_str())
            .chain(targets.iter().copied())
            .collect();
        job.watch(
            &format!("make {}", arguments.join(" ")),
            &sandbox.command(kernel_make(&arguments)),
            see,
        )
    }

    fn scratch_tree(&self, job: &Job<'_>) -> std::path::PathBuf {
        job.scratch().join(SOURCES)
    }
}

const BUILD: &[&str] = &["M=/build/rust-kmods", "modules"];
const CLIPPY: &[&str] = &["M=/build/rust-kmods", "CLIPPY=1", "modules"];
const ADVICE: &str =
    "mend what the compiler names; `cargo xtask image` then rebuilds modules and image";

impl Step for Modules<'_> {
    const NAME: &'static str = "modules";

    fn inputs(&self) -> Result<Inputs> {
        self.declare(BUILD)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        self.make(job, BUILD, |_| {})?;
        for entry in fs::read_dir(self.scratch_tree(job))? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "ko") {
                let name = path.file_name().context("a module without a name")?;
                fs::copy(&path, job.out().join(name))?;
            }
        }
        Ok(())
    }

    fn advice(&self) -> String {
        ADVICE.into()
    }
}

impl Step for ModulesClippy<'_> {
    const NAME: &'static str = "modules-clippy";

    fn inputs(&self) -> Result<Inputs> {
        self.0.declare(CLIPPY)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let mut warnings = Vec::new();
        let mut place_follows = false;
        self.0.make(job, CLIPPY, |line| {
            if is_warning(line) {
                warnings.push(line.trim().to_owned());
                place_follows = true;
            } else if let Some(place) = line.trim_start().strip_prefix("--> ") {
                // The first place is the warning's own; later ones are those of its notes.
                if let Some(last) = warnings.last_mut().filter(|_| place_follows) {
                    *last = format!("{place}: {last}");
                }
                place_follows = false;
            }
        })?;
        if !warnings.is_empty() {
            bail!(
                "clippy warns about the modules:\n  {}",
                warnings.join("\n  ")
            );
        }
        Ok(())
    }

    fn advice(&self) -> String {
        "mend what clippy names; the log has every warning in full".into()
    }
}

/// Whether a line begins a compiler's or modpost's warning. What objtool says of the code that the
/// compiler made is no finding about the source.
fn is_warning(line: &str) -> bool {
    let line = line.trim();
    let compiler = line.starts_with("warning:") || line.contains(": warning: ");
    let about_source = !line.contains("warning: objtool:") && !line.ends_with(" emitted");
    line.starts_with("WARNING:") || (compiler && about_source)
}

/// Whether a file takes part in the module build.
fn is_source(name: &Path) -> bool {
    let in_tests = name
        .components()
        .any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "fuzz" | "benches")));
    let kind = name.extension().and_then(OsStr::to_str);
    let is_make = name
        .file_name()
        .is_some_and(|name| name == "Kbuild" || name == "Makefile");
    !in_tests && (is_make || matches!(kind, Some("rs" | "c" | "h" | "S")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compiled_is_a_source() {
        for yes in [
            "rust-kmods/Kbuild",
            "rust-kmods/pdfs/inode.rs",
            "rust-kmods/cm/exports.c",
        ] {
            assert!(is_source(Path::new(yes)), "{yes}");
        }
        for no in [
            "rust-kmods/proto/Cargo.toml",
            "rust-kmods/proto/tests/wire.rs",
            "rust-kmods/.gitignore",
        ] {
            assert!(!is_source(Path::new(no)), "{no}");
        }
    }

    #[test]
    fn warnings_of_compilers_and_modpost_are_seen() {
        assert!(is_warning("warning: unused variable: `x`"));
        assert!(is_warning("WARNING: modpost: missing MODULE_LICENSE()"));
        assert!(is_warning("cm/exports.c:3:1: warning: declaration"));
        assert!(!is_warning("warning: 1 warning emitted"));
        assert!(!is_warning(
            "cm/podos_cm.o: warning: objtool: offer() falls through to next function"
        ));
        assert!(!is_warning("  RUSTC [M] cm/podos_cm.o"));
    }
}
