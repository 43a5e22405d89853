// SPDX-License-Identifier: MIT OR Apache-2.0

//! `patches export`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{bail, Context as _, Result};
use xshell::cmd;

use super::git::{self, BASE};
use crate::context::Context;
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

/// The commits of `dir` above the base, as files.
fn format(dir: &Path) -> Result<BTreeMap<String, String>> {
    let sh = git::shell(dir)?;
    let dirty = cmd!(sh, "git status --porcelain --untracked-files=no")
        .quiet()
        .read()?;
    if !dirty.is_empty() {
        bail!(
            "{} has changes that are not committed:\n{dirty}",
            dir.display()
        );
    }
    let out = tempfile::tempdir()?;
    let to = out.path();
    // Nothing of the commit's hash or git's version may stand in a file, or two exports differ.
    cmd!(sh, "git format-patch -q -N --zero-commit --no-signature --abbrev=12 --stat=72 --summary -p -o {to} {BASE}..HEAD")
        .quiet()
        .run()
        .with_context(|| format!("{} was not made by `patches checkout`", dir.display()))?;
    let mut patches = BTreeMap::new();
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        patches.insert(name, fs::read_to_string(entry.path())?);
    }
    Ok(patches)
}

/// Brings the files of the series to `patches`; tells what changed.
fn write(root: &Path, patches: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let dir = root.join(DIR);
    let mut changes = Vec::new();
    for (name, text) in patches {
        let file = dir.join(name);
        if fs::read_to_string(&file).ok().as_deref() != Some(text) {
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
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
        fs::write(root.join(SERIES), new).with_context(|| format!("cannot write {SERIES}"))?;
        changes.push(format!("wrote {SERIES}"));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::checkout::make_repository;
    use super::*;
    use crate::series;

    /// A checkout with a series of two patches, made by export itself from two commits.
    fn checkout_with_series(lab: &Path) -> Result<()> {
        let tree = lab.join("first");
        fs::create_dir_all(&tree)?;
        fs::write(tree.join("file"), "one\ntwo\nthree\n")?;
        make_repository(&tree, lab, &[])?;
        let sh = git::shell(&tree)?;
        for (line, subject) in [("zwei", "fs: say zwei"), ("deux", "fs: say deux")] {
            fs::write(tree.join("file"), format!("one\n{line}\nthree\n"))?;
            cmd!(sh, "git commit -q -a -s -m {subject} -m")
                .arg("A reason.")
                .quiet()
                .run()?;
        }
        fs::create_dir_all(lab.join(DIR))?;
        fs::write(
            lab.join(SERIES),
            "# SPDX-License-Identifier: GPL-2.0-only\n\n",
        )?;
        write(lab, &format(&tree)?)?;
        Ok(())
    }

    #[test]
    fn checkout_and_export_change_nothing() -> Result<()> {
        let lab = tempfile::tempdir()?;
        checkout_with_series(lab.path())?;
        let patches = series::load(lab.path())?;
        let names: Vec<_> = patches.iter().map(|patch| patch.file.as_str()).collect();
        assert_eq!(names, ["0001-fs-say-zwei.patch", "0002-fs-say-deux.patch"]);
        assert_eq!(
            patches
                .iter()
                .flat_map(|p| p.message_faults())
                .collect::<Vec<_>>(),
            [""; 0]
        );
        let again = lab.path().join("again");
        fs::create_dir(&again)?;
        fs::write(again.join("file"), "one\ntwo\nthree\n")?;
        make_repository(&again, lab.path(), &patches)?;
        assert_eq!(
            fs::read_to_string(again.join("file"))?,
            "one\ndeux\nthree\n"
        );
        assert_eq!(write(lab.path(), &format(&again)?)?, [""; 0]);
        Ok(())
    }

    #[test]
    fn a_dropped_commit_drops_its_patch_and_a_dirty_tree_is_refused() -> Result<()> {
        let lab = tempfile::tempdir()?;
        checkout_with_series(lab.path())?;
        let tree = lab.path().join("first");
        let sh = git::shell(&tree)?;
        cmd!(sh, "git reset -q --hard HEAD^").quiet().run()?;
        assert_eq!(
            write(lab.path(), &format(&tree)?)?,
            [
                "removed linux-patches/0002-fs-say-deux.patch",
                "wrote linux-patches/series"
            ]
        );
        assert_eq!(series::load(lab.path())?.len(), 1);
        fs::write(tree.join("file"), "not committed\n")?;
        let error = format(&tree).expect_err("the tree is dirty").to_string();
        assert!(
            error.contains("not committed") && error.contains("file"),
            "{error}"
        );
        Ok(())
    }
}
