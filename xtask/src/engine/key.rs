// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keys: the hash of a step's declared inputs, and the words for what changed between two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store::Output;
use crate::fs;
use crate::git::Git;

/// The inputs of a step by name. File contents count, paths outside the checkout and times do not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs {
    entries: BTreeMap<String, String>,
}

/// The hash of a step's inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Key {
    /// The name of the output's directory in the store.
    pub fn dir_name(&self) -> &str {
        &self.0[..20]
    }
}

impl Inputs {
    /// Adds a setting by its value.
    pub fn value(&mut self, name: impl fmt::Display, value: impl fmt::Display) -> &mut Self {
        self.entries.insert(name.to_string(), value.to_string());
        self
    }

    /// Adds the output of an earlier step.
    pub fn output(&mut self, output: &Output) -> &mut Self {
        self.entries
            .insert(format!("step {}", output.step), output.identity.clone());
        self
    }

    /// Adds the file `name` of the checkout `root`: its contents and whether it is executable.
    pub fn file(&mut self, root: &Path, name: &Path) -> Result<&mut Self> {
        let path = root.join(name);
        let digest = digest_entry(&path)?;
        let name = match name.to_str() {
            Some(name) => name.to_owned(),
            // Two that differ in a byte that is no character must not become one.
            None => format!("{name:?}"),
        };
        self.entries.insert(name, digest);
        Ok(self)
    }

    /// Adds every file below `dir` of the checkout that git knows or would know, and that `wanted`
    /// takes.
    pub fn tree(
        &mut self,
        root: &Path,
        dir: &str,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<&mut Self> {
        for name in list_files(root, dir)? {
            if wanted(&name) {
                self.file(root, &name)?;
            }
        }
        Ok(self)
    }

    /// The key of these inputs.
    pub fn key(&self) -> Key {
        let mut hash = Sha256::new();
        for (name, value) in &self.entries {
            for part in [name, value] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Key(hex(&hash.finalize()))
    }

    /// What is different in `self` from `old`, a few words for each input.
    pub fn changes_since(&self, old: &Inputs) -> Vec<String> {
        let names: BTreeSet<_> = self.entries.keys().chain(old.entries.keys()).collect();
        names
            .into_iter()
            .filter_map(
                |name| match (old.entries.get(name), self.entries.get(name)) {
                    (Some(a), Some(b)) if a == b => None,
                    (Some(a), Some(b)) if is_digest(a) && is_digest(b) => {
                        Some(format!("{name} changed"))
                    }
                    (Some(a), Some(b)) => Some(format!("{name} changed from {a} to {b}")),
                    (None, Some(_)) => Some(format!("{name} is new")),
                    (_, None) => Some(format!("{name} is gone")),
                },
            )
            .collect()
    }
}

fn is_digest(value: &str) -> bool {
    let hex = value.strip_suffix('x').unwrap_or(value);
    value.starts_with("-> ") || (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The files below `dir` of the checkout, sorted: those that git tracks or would track, or simply
/// all where there is no git (an unpacked archive).
pub fn list_files(root: &Path, dir: &str) -> Result<Vec<PathBuf>> {
    let mut files = if root.join(".git").exists() {
        // A checkout may be another user's (root builds in the developer's): what is read is the
        // names of files, and nothing of the repository's own is run.
        let which = ["-z", "--cached", "--others", "--exclude-standard"];
        let command = ["ls-files"].into_iter().chain(which).chain(["--", dir]);
        let list = Git::at(root).of_whomever().read(command)?;
        list.split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .collect()
    } else {
        let mut files = Vec::new();
        // git says `a`, not `./a`, of the files of `.`.
        let dir = Path::new(dir).strip_prefix(".").unwrap_or(Path::new(dir));
        walk(root, dir, &mut files)?;
        files
    };
    // A tracked file that is deleted in the working tree is no input.
    files.retain(|name| fs::symlink_metadata(root.join(name)).is_ok_and(|m| !m.is_dir()));
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path, dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(dir);
    let entries = fs::read_dir(&path)?;
    for entry in entries {
        let entry = entry?;
        let name = dir.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            walk(root, &name, files)?;
        } else {
            files.push(name);
        }
    }
    Ok(())
}

/// Digest of a file's contents, marked when it is executable, or a symbolic link's target.
fn digest_entry(path: &Path) -> Result<String> {
    use std::os::unix::fs::PermissionsExt;
    let meta = fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        return Ok(format!("-> {}", fs::read_link(path)?.display()));
    }
    let mut digest = digest_file(path)?;
    if meta.permissions().mode() & 0o111 != 0 {
        digest.push('x');
    }
    Ok(digest)
}

/// SHA-256 of a file's contents, in hex.
pub fn digest_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = fs::open(path)?;
    io::copy(&mut file, &mut hash).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of bytes, in hex.
pub fn digest_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        for (name, value) in pairs {
            inputs.value(name, value);
        }
        inputs
    }

    #[test]
    fn key_depends_on_names_and_values_but_not_on_order() {
        let a = inputs(&[("suite", "trixie"), ("format", "tar")]);
        let b = inputs(&[("format", "tar"), ("suite", "trixie")]);
        assert_eq!(a.key(), b.key());
        assert_ne!(a.key(), inputs(&[("suite", "trixie")]).key());
        // The boundary between name and value counts.
        assert_ne!(inputs(&[("ab", "c")]).key(), inputs(&[("a", "bc")]).key());
    }

    #[test]
    fn changes_are_told_in_words() {
        let digest = digest_bytes("x");
        let old = inputs(&[
            ("same", "1"),
            ("suite", "trixie"),
            ("gone", "1"),
            ("a.rs", &digest),
        ]);
        let digest = digest_bytes("y");
        let new = inputs(&[
            ("same", "1"),
            ("suite", "forky"),
            ("fresh", "1"),
            ("a.rs", &digest),
        ]);
        assert_eq!(
            new.changes_since(&old),
            [
                "a.rs changed",
                "fresh is new",
                "gone is gone",
                "suite changed from trixie to forky"
            ]
        );
        assert!(new.changes_since(&new).is_empty());
    }

    #[test]
    fn same_contents_at_another_path_and_time_give_the_same_key() -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut keys = Vec::new();
        for _ in 0..2 {
            let dir = tempfile::tempdir()?;
            fs::create_dir_all(dir.path().join("src/deep"))?;
            fs::write(dir.path().join("src/a.rs"), "one")?;
            fs::write(dir.path().join("src/deep/b.rs"), "two")?;
            let mut inputs = Inputs::default();
            inputs.tree(dir.path(), "src", |_| true)?;
            keys.push(inputs.key());
            let script = dir.path().join("src/a.rs");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
            let mut executable = Inputs::default();
            executable.tree(dir.path(), "src", |_| true)?;
            assert_eq!(executable.changes_since(&inputs), ["src/a.rs changed"]);
        }
        assert_eq!(keys[0], keys[1]);
        Ok(())
    }

    #[test]
    fn unwanted_files_are_no_inputs() -> Result<()> {
        let dir = tempfile::tempdir()?;
        fs::create_dir(dir.path().join("src"))?;
        fs::write(dir.path().join("src/a.rs"), "one")?;
        fs::write(dir.path().join("src/notes.md"), "two")?;
        let mut all = Inputs::default();
        all.tree(dir.path(), "src", |_| true)?;
        let mut some = Inputs::default();
        some.tree(dir.path(), "src", |name| {
            name.extension().is_some_and(|e| e == "rs")
        })?;
        assert_eq!(all.changes_since(&some), ["src/notes.md is new"]);
        Ok(())
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = Inputs::default()
            .file(Path::new("/nonexistent"), Path::new("a.rs"))
            .expect_err("the file is not there");
        assert!(format!("{error:#}").contains("/nonexistent/a.rs"));
    }
}
