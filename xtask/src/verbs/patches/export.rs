// SPDX-License-Identifier: MIT OR Apache-2.0

//! `patches export`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use super::BASE;
use crate::context::Context;
use crate::fs;
use crate::git::Git;
use crate::series::{DIR, SERIES};

/// Writes the commits of the tree `dir` to the series of the checkout.
pub fn export(ctx: &Context, dir: &Path) -> Result<()> {
    if !dir.join(".git").exists() {
        bail!(
            "{} is no git tree; `cargo xtask patches checkout` makes one",
            dir.display()
        );
    }
    let patches = format(dir)?;
    if patches.is_empty() {
        bail!(
            "{} has no commit on {BASE}: that would empty the series",
            dir.display()
        );
    }
    let changes = write(ctx.root(), &patches)?;
    for change in &changes {
        println!("{change}");
    }
    println!(
        "{} patches exported, {} file(s) changed",
        patches.len(),
        changes.len()
    );
    Ok(())
}

/// How commits become files. Nothing of a commit's hash, of git's version or of the tree's settings
/// may stand in one, or two exports differ.
const FORMAT: &[&str] = &[
    "format-patch",
    "-q",
    "-N",
    "--zero-commit",
    "--no-signature",
    "--abbrev=12",
    "--stat=72",
    "--summary",
    "-p",
    "--subject-prefix=PATCH",
    "--suffix=.patch",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--no-attach",
    "--no-thread",
    "--no-cover-letter",
    "--no-base",
    "--no-from",
    "--no-notes",
    "--no-signoff",
    "--no-to",
    "--no-cc",
    "--no-add-header",
    "--encode-email-headers",
    "--no-ext-diff",
];

/// The commits of `dir` above the base, as files.
pub(super) fn format(dir: &Path) -> Result<BTreeMap<String, String>> {
    let git = Git::at(dir);
    let dirty = git.read(["status", "--porcelain", "--untracked-files=no"])?;
    if !dirty.is_empty() {
        bail!(
            "{} has changes that are not committed:\n{}",
            dir.display(),
            String::from_utf8_lossy(&dirty).trim_end()
        );
    }
    let out = fs::tempdir()?;
    let to = out.path();
    let range = format!("{BASE}..HEAD");
    let options = FORMAT.iter().map(OsStr::new);
    git.run(options.chain([OsStr::new("-o"), to.as_os_str(), OsStr::new(&range)]))
        .with_context(|| format!("cannot read the commits of {} on {BASE}", dir.display()))?;
    let mut patches = BTreeMap::new();
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        patches.insert(name, fs::read_to_string(entry.path())?);
    }
    Ok(patches)
}

/// Brings the files of the series to `patches`; tells what changed.
pub(super) fn write(root: &Path, patches: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let dir = root.join(DIR);
    let mut changes = Vec::new();
    for (name, text) in patches {
        let file = dir.join(name);
        if fs::read_to_string(&file).ok().as_deref() != Some(text) {
            fs::write(&file, text)?;
            changes.push(format!("wrote {DIR}/{name}"));
        }
    }
    for entry in fs::read_dir(&dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".patch") && !patches.contains_key(&name) {
            fs::remove_file(dir.join(&name))?;
            changes.push(format!("removed {DIR}/{name}"));
        }
    }
    let old = fs::read_to_string(root.join(SERIES)).unwrap_or_default();
    let comments = old
        .lines()
        .filter(|line| line.starts_with('#') || line.is_empty());
    let lines: Vec<_> = comments.chain(patches.keys().map(String::as_str)).collect();
    let new = lines.join("\n") + "\n";
    if new != old {
        fs::write(root.join(SERIES), new)?;
        changes.push(format!("wrote {SERIES}"));
    }
    Ok(changes)
}
