// SPDX-License-Identifier: MIT OR Apache-2.0

//! The patch series: `linux-patches/series` and the patches it names, in order.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use crate::fs;
use crate::git::Git;

/// The folder of the series in the checkout.
pub const DIR: &str = "linux-patches";
/// The file that names the patches.
pub const SERIES: &str = "linux-patches/series";
/// Author and signer of every patch.
pub const PROJECT_NAME: &str = "The PODOS Project";
/// The project's address in patches.
pub const PROJECT_EMAIL: &str = "dev@podos.invalid";

/// One patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// File name in `linux-patches`.
    pub file: String,
    /// The whole file.
    pub text: String,
}

/// What a series makes of a tree: the files it touches, with their new contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Paths in the tree. One that is not among the patched files was deleted.
    pub paths: BTreeSet<String>,
}

/// Reads the series of the checkout `root`.
pub fn load(root: &Path) -> Result<Vec<Patch>> {
    let list = fs::read_to_string(root.join(SERIES))?;
    let mut patches: Vec<Patch> = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let file = line.trim();
        if file.is_empty() || file.starts_with('#') {
            continue;
        }
        let place = format!("{SERIES}:{}", index + 1);
        if patches.iter().any(|patch| patch.file == file) {
            bail!("{place}: {file} is named twice");
        }
        let text = fs::read_to_string(root.join(DIR).join(file)).with_context(|| place.clone())?;
        patches.push(Patch {
            file: file.to_owned(),
            text,
        });
    }
    for entry in fs::read_dir(root.join(DIR))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".patch") && !patches.iter().any(|patch| patch.file == name) {
            bail!("{DIR}/{name} is not named in {SERIES}; add it there or remove it");
        }
    }
    Ok(patches)
}

impl Patch {
    /// The name for messages: a path in the checkout.
    pub fn name(&self) -> String {
        format!("{DIR}/{}", self.file)
    }

    /// The paths that the patch touches.
    pub fn touched(&self) -> BTreeSet<String> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix("diff --git a/"))
            .filter_map(|paths| paths.split_once(" b/"))
            .flat_map(|(old, new)| [old.to_owned(), new.to_owned()])
            .collect()
    }

    /// The value of a mail header, unfolded.
    fn header(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}: ");
        let mut lines = self.text.lines().take_while(|line| !line.is_empty());
        let mut value = lines
            .find_map(|line| line.strip_prefix(&prefix))?
            .to_owned();
        for line in lines.take_while(|line| line.starts_with(' ')) {
            value.push(' ');
            value.push_str(line.trim());
        }
        Some(value)
    }

    /// The subject without its `[PATCH n/m]`.
    pub fn subject(&self) -> Option<String> {
        let subject = self.header("Subject")?;
        let subject = match subject
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
        {
            Some((_, subject)) => subject.to_owned(),
            None => subject,
        };
        Some(subject)
    }

    /// The message's text between the headers and the diff.
    fn body(&self) -> &str {
        let start = self.text.find("\n\n").map_or(self.text.len(), |at| at + 2);
        let rest = &self.text[start..];
        rest.split("\n---\n").next().unwrap_or(rest)
    }

    /// What is wrong with the message: subject, reason, sign-off. Each finding names file and line.
    pub fn message_faults(&self) -> Vec<String> {
        let name = self.name();
        let mut faults = Vec::new();
        let line_of = |needle: &str| {
            self.text
                .lines()
                .position(|line| line.starts_with(needle))
                .map_or(1, |at| at + 1)
        };
        match self.subject() {
            None => faults.push(format!(
                "{name}:1: no Subject header; is it from `git format-patch`?"
            )),
            Some(subject) => {
                let at = line_of("Subject:");
                if !subject.split_once(": ").is_some_and(|(area, rest)| {
                    !area.is_empty() && !area.contains(' ') && !rest.is_empty()
                }) {
                    faults.push(format!(
                        "{name}:{at}: the subject `{subject}` has no `area: ` first"
                    ));
                }
                if subject.len() > 75 || subject.ends_with('.') {
                    faults.push(format!(
                        "{name}:{at}: the subject is longer than 75 characters or ends with a full stop"
                    ));
                }
            }
        }
        let author = format!("{PROJECT_NAME} <{PROJECT_EMAIL}>");
        if self.header("From").as_deref() != Some(author.as_str()) {
            faults.push(format!(
                "{name}:{}: the author is not {author}",
                line_of("From:")
            ));
        }
        let (trailers, reason): (Vec<_>, Vec<_>) = self
            .body()
            .lines()
            .partition(|line| line.starts_with("Signed-off-by: "));
        if reason.iter().all(|line| line.trim().is_empty()) {
            faults.push(format!(
                "{name}: the message gives no reason below its subject"
            ));
        }
        let sign_off = format!("Signed-off-by: {author}");
        if !trailers.contains(&sign_off.as_str()) {
            faults.push(format!("{name}: no line `{sign_off}`"));
        }
        faults
    }
}

/// Applies `patches` to the files of `source` that they touch, in the empty directory `dir`: exact
/// context or not at all.
pub fn apply(source: &Path, patches: &[Patch], dir: &Path) -> Result<Touched> {
    let paths: BTreeSet<String> = patches.iter().flat_map(Patch::touched).collect();
    for path in &paths {
        if Path::new(path)
            .components()
            .any(|c| !matches!(c, std::path::Component::Normal(_)))
        {
            bail!("a patch touches `{path}`, which is outside the kernel tree");
        }
        let from = source.join(path);
        if fs::symlink_metadata(&from).is_ok() {
            let to = dir.join(path);
            fs::create_dir_all(to.parent().unwrap_or(dir))?;
            fs::copy(&from, &to)?;
        }
    }
    let temp = fs::tempdir()?;
    for patch in patches {
        if patch.touched().is_empty() {
            bail!(
                "{}: no `diff --git` in it; is it from `git format-patch`?",
                patch.name()
            );
        }
        let file = temp.path().join(&patch.file);
        fs::write(&file, &patch.text)?;
        // No repository around the directory may take part, wherever the cache is.
        let options = ["apply", "--whitespace=nowarn", "-p1"].map(OsStr::new);
        Git::outside(dir)
            .run(options.into_iter().chain([file.as_os_str()]))
            .with_context(|| format!("cannot apply {}", patch.name()))?;
    }
    Ok(Touched { paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: The PODOS Project <dev@podos.invalid>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH] gpid: give every task a name in the
 whole cluster

It must be set at fork, so no module can do it.

Signed-off-by: The PODOS Project <dev@podos.invalid>
---
diff --git a/file b/file
index 1111111..2222222 100644
--- a/file
+++ b/file
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
";

    fn patch(text: &str) -> Patch {
        Patch {
            file: "0001-trial.patch".into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_good_message_has_no_faults() {
        let good = patch(GOOD);
        assert_eq!(good.message_faults(), Vec::<String>::new());
        assert_eq!(
            good.subject().as_deref(),
            Some("gpid: give every task a name in the whole cluster")
        );
    }

    #[test]
    fn each_fault_of_a_message_is_told() {
        let fault = |from: &str, to: &str| {
            let faults = patch(&GOOD.replace(from, to)).message_faults();
            assert_eq!(faults.len(), 1, "{faults:?}");
            faults[0].clone()
        };
        assert!(fault("gpid: give", "Give").contains("patch:4: the subject"));
        assert!(fault("Subject: ", "Sujet: ").contains("no Subject"));
        assert!(fault("whole cluster", "whole cluster.").contains("full stop"));
        assert!(fault("It must be set at fork, so no module can do it.", "").contains("no reason"));
        assert!(fault("Signed-off-by: The PODOS", "Signed-off-by: Another").contains("no line"));
        assert!(fault("\nFrom: The PODOS", "\nFrom: Another").contains("patch:2: the author"));
    }

    fn tree(contents: &str) -> Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("file"), contents)?;
        fs::write(dir.path().join("other"), "not touched")?;
        Ok(dir)
    }

    #[test]
    fn applying_takes_only_the_touched_files() -> Result<()> {
        let (source, out) = (tree("one\ntwo\nthree\n")?, tempfile::tempdir()?);
        let touched = apply(source.path(), &[patch(GOOD)], out.path())?;
        assert_eq!(touched.paths, BTreeSet::from(["file".to_owned()]));
        assert_eq!(
            fs::read_to_string(out.path().join("file"))?,
            "one\nzwei\nthree\n"
        );
        assert!(!out.path().join("other").exists());
        assert_eq!(
            fs::read_to_string(source.path().join("file"))?,
            "one\ntwo\nthree\n"
        );
        Ok(())
    }

    #[test]
    fn a_patch_whose_context_is_not_exact_is_refused_by_name() -> Result<()> {
        // patch(1) with its usual fuzz would take this.
        let (source, out) = (tree("ONE\ntwo\nthree\n")?, tempfile::tempdir()?);
        let error = apply(source.path(), &[patch(GOOD)], out.path()).expect_err("must not apply");
        let message = format!("{error:#}");
        assert!(
            message.starts_with("cannot apply linux-patches/0001-trial.patch: "),
            "{message}"
        );
        assert!(message.contains("file:1"), "{message}");
        Ok(())
    }

    #[test]
    fn a_patch_that_leaves_the_tree_is_refused() -> Result<()> {
        let (source, out) = (tree("")?, tempfile::tempdir()?);
        let evil = patch(&GOOD.replace("a/file b/file", "a/../file b/../file"));
        let error = apply(source.path(), &[evil], out.path()).expect_err("outside");
        assert!(
            error.to_string().contains("outside the kernel tree"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn series_and_folder_must_agree() -> Result<()> {
        let root = tempfile::tempdir()?;
        let dir = root.path().join(DIR);
        fs::create_dir(&dir)?;
        fs::write(dir.join("series"), "# order matters\n0001-a.patch\n")?;
        let missing = format!("{:#}", load(root.path()).expect_err("no patch"));
        assert!(
            missing.starts_with("linux-patches/series:2: cannot read "),
            "{missing}"
        );
        fs::write(dir.join("0001-a.patch"), GOOD)?;
        assert_eq!(load(root.path())?.len(), 1);
        fs::write(dir.join("0002-b.patch"), GOOD)?;
        let stray = load(root.path()).expect_err("a stray patch").to_string();
        assert!(stray.contains("0002-b.patch is not named"), "{stray}");
        Ok(())
    }
}
