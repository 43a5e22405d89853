// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos.lock`: the kernel and the build root that this checkout was last proven with.
//!
//! Debian keeps no old versions, so a newer one is built with a warning that stands in the image's
//! manifest, unless `--locked` makes it an error. What was found is an [`Unlocked`] value; only
//! [`Lock::admit`] makes a [`Locked`] one of it, and later steps take nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::engine::Output;
use crate::fs;

/// The file's name in the checkout.
pub const FILE: &str = "podos.lock";

const HEADER: &str = "\
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Written by `cargo xtask lock`: what this checkout was last proven with.

";

/// The lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    /// The kernel's source.
    pub kernel: Option<KernelPin>,
    /// Versions of all packages of the build root; empty when nothing is locked yet.
    #[serde(default)]
    pub build_root: BTreeMap<String, String>,
}

/// The kernel source that is locked, or was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KernelPin {
    /// Source package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the package file.
    pub sha256: String,
}

/// An output that has not been compared with the lock.
#[derive(Debug)]
pub struct Unlocked {
    /// The output.
    pub output: Output,
    /// Names and versions of what is in it.
    pub versions: BTreeMap<String, String>,
    /// What the lock says of the same names.
    pub locked: BTreeMap<String, String>,
}

/// An output that the lock, or the user's choice to build with newer versions, lets pass.
#[derive(Clone, Debug)]
pub struct Locked {
    output: Output,
    /// What is not as locked, in words.
    pub warnings: Vec<String>,
}

impl Locked {
    /// The output.
    pub fn output(&self) -> &Output {
        &self.output
    }
}

impl Unlocked {
    /// Compares with the lock: each difference is a warning, or with `strict` an error.
    pub fn admit(self, strict: bool) -> Result<Locked> {
        let warnings = differences(&self.versions, &self.locked);
        if strict && !warnings.is_empty() {
            bail!(
                "--locked: {}; run `cargo xtask lock` to accept this",
                warnings.join("; ")
            );
        }
        Ok(Locked {
            output: self.output,
            warnings,
        })
    }
}

/// That so many packages are not as locked: a build says it each time, so it is one line.
pub fn summary_of(count: usize) -> String {
    let (packages, them) = match count {
        1 => ("1 package is", "it"),
        _ => (&*format!("{count} packages are"), "them"),
    };
    format!("{packages} not as in {FILE}; `cargo xtask lock --dry-run` lists {them}")
}

/// Where `found` is not as `locked`, in words.
fn differences(found: &BTreeMap<String, String>, locked: &BTreeMap<String, String>) -> Vec<String> {
    if locked.is_empty() {
        return vec![format!("{FILE} locks none of {} package(s)", found.len())];
    }
    let changed = found
        .iter()
        .filter_map(|(name, version)| match locked.get(name) {
            Some(old) if old == version => None,
            Some(old) => Some(format!("{name} {version} is used, {old} is locked")),
            None => Some(format!("{name} {version} is used, and not locked")),
        });
    let gone = locked
        .keys()
        .filter(|name| !found.contains_key(*name))
        .map(|name| format!("{name} is locked, and not used"));
    changed.chain(gone).collect()
}

impl Lock {
    /// Reads the lock of the checkout `root`; a missing file locks nothing.
    pub fn load(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => crate::definitions::parse(FILE, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the lock of the checkout `root`, whole or not at all.
    pub fn save(&self, root: &Path) -> Result<()> {
        let text = format!("{HEADER}{}", toml::to_string_pretty(self)?);
        let path = root.join(FILE);
        let temp = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(root)
            .with_context(|| format!("cannot make a file in {}", root.display()))?;
        fs::write(temp.path(), text)?;
        temp.persist(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// What is in it that is not in `old`, or the other way round, in words.
    pub fn changes_since(&self, old: &Lock) -> Vec<String> {
        let kernel = |lock: &Lock| -> BTreeMap<String, String> {
            let version = |pin: &KernelPin| format!("{} ({})", pin.version, &pin.sha256);
            let pins = lock.kernel.iter();
            pins.map(|pin| (pin.package.clone(), version(pin)))
                .collect()
        };
        let mut changes = differences(&kernel(self), &kernel(old));
        changes.extend(differences(&self.build_root, &old.build_root));
        changes
    }

    /// The first package of the lock that `found` has in an older version: then a newer build root
    /// was proven, and the one at hand must be made again.
    pub fn newer_than(&self, found: &BTreeMap<String, String>) -> Option<String> {
        self.build_root.iter().find_map(|(name, locked)| {
            let version = found.get(name)?;
            let older = crate::debian::compare_versions(version, locked).is_lt();
            older.then(|| format!("{FILE} has {name} {locked}, the build root has {version}"))
        })
    }

    /// What the lock says of the kernel package `package`.
    pub fn kernel_versions(&self, package: &str) -> BTreeMap<String, String> {
        self.kernel
            .iter()
            .filter(|pin| pin.package == package)
            .map(|pin| (pin.package.clone(), pin.version.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn found(found: &[(&str, &str)], locked: &[(&str, &str)]) -> Unlocked {
        let output = Output {
            step: "trial",
            dir: PathBuf::from("/nowhere"),
            identity: String::new(),
        };
        Unlocked {
            output,
            versions: versions(found),
            locked: versions(locked),
        }
    }

    #[test]
    fn what_is_locked_passes_without_a_warning() -> Result<()> {
        let admitted = found(&[("make", "4.4-1")], &[("make", "4.4-1")]).admit(true)?;
        assert!(admitted.warnings.is_empty());
        Ok(())
    }

    #[test]
    fn a_newer_version_is_a_warning_that_names_it_and_an_error_when_strict() -> Result<()> {
        let newer = || {
            found(
                &[("linux-source-7.3", "7.3.5-1")],
                &[("linux-source-7.3", "7.3.4-1")],
            )
        };
        let words = "linux-source-7.3 7.3.5-1 is used, 7.3.4-1 is locked";
        assert_eq!(newer().admit(false)?.warnings, [words]);
        let error = newer()
            .admit(true)
            .expect_err("--locked refuses")
            .to_string();
        assert!(
            error.contains(words) && error.contains("cargo xtask lock"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn new_and_lost_packages_are_told() -> Result<()> {
        let admitted = found(&[("new", "1")], &[("lost", "1")]).admit(false)?;
        assert_eq!(
            admitted.warnings,
            [
                "new 1 is used, and not locked",
                "lost is locked, and not used"
            ]
        );
        Ok(())
    }

    #[test]
    fn an_older_build_root_is_found_out() {
        let lock = Lock {
            build_root: versions(&[("make", "4.4-2")]),
            ..Lock::default()
        };
        assert!(lock.newer_than(&versions(&[("make", "4.4-1")])).is_some());
        assert!(lock.newer_than(&versions(&[("make", "4.4-2")])).is_none());
        assert!(lock.newer_than(&versions(&[("make", "4.4-10")])).is_none());
    }

    #[test]
    fn what_a_lock_would_accept_is_listed() {
        let lock = |version: &str, packages: &[(&str, &str)]| Lock {
            kernel: Some(KernelPin {
                package: "linux-source-7.3".into(),
                version: version.into(),
                sha256: "00".into(),
            }),
            build_root: versions(packages),
        };
        let old = lock("7.3.4-1", &[("make", "4.4-1"), ("bc", "1.07")]);
        assert!(old.changes_since(&old).is_empty());
        let new = lock("7.3.5-1", &[("make", "4.4-2"), ("flex", "2.6")]);
        assert_eq!(
            new.changes_since(&old),
            [
                "linux-source-7.3 7.3.5-1 (00) is used, 7.3.4-1 (00) is locked",
                "flex 2.6 is used, and not locked",
                "make 4.4-2 is used, 4.4-1 is locked",
                "bc is locked, and not used"
            ]
        );
        let summary = summary_of(new.changes_since(&old).len());
        assert_eq!(
            summary,
            "4 packages are not as in podos.lock; `cargo xtask lock --dry-run` lists them"
        );
        assert!(summary_of(1).starts_with("1 package is not"));
    }

    #[test]
    fn a_written_lock_reads_back() -> Result<()> {
        let dir = tempfile::tempdir()?;
        assert_eq!(Lock::load(dir.path())?, Lock::default());
        let lock = Lock {
            kernel: Some(KernelPin {
                package: "linux-source-7.3".into(),
                version: "7.3.4-1~bpo13+1".into(),
                sha256: "00".into(),
            }),
            build_root: versions(&[("libstdc++6", "14.2.0-19")]),
        };
        lock.save(dir.path())?;
        assert_eq!(Lock::load(dir.path())?, lock);
        fs::write(dir.path().join(FILE), "[kernel]\nversoin = \"1\"\n")?;
        let error = Lock::load(dir.path())
            .expect_err("a misspelt key")
            .to_string();
        assert!(
            error.starts_with("podos.lock:2: unknown field `versoin`"),
            "{error}"
        );
        Ok(())
    }
}
