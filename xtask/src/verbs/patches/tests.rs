// SPDX-License-Identifier: MIT OR Apache-2.0

//! The verbs on a tree of one file.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::checkout::make_repository;
use super::export::{format, write};
use crate::engine::key::list_files;
use crate::fs;
use crate::git::Git;
use crate::series::{self, DIR, SERIES};

/// A checkout with a series of two patches, made by export itself from two commits.
fn checkout_with_series(lab: &Path) -> Result<()> {
    let tree = lab.join("first");
    fs::create_dir_all(&tree)?;
    fs::write(tree.join("file"), "one\ntwo\nthree\n")?;
    make_repository(&tree, lab, &[])?;
    for (line, subject) in [("zwei", "fs: say zwei"), ("deux", "fs: say deux")] {
        fs::write(tree.join("file"), format!("one\n{line}\nthree\n"))?;
        let message = ["-m", subject, "-m", "A reason."];
        Git::at(&tree).run(["commit", "-q", "-a", "-s"].into_iter().chain(message))?;
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
fn a_tree_is_named_from_where_the_caller_stands() -> Result<()> {
    let lab = tempfile::tempdir()?;
    let ctx = crate::context::Context::for_test(lab.path());
    let here = env::current_dir()?;
    assert_eq!(super::tree(&ctx, Some("here".into()))?, here.join("here"));
    assert_eq!(
        super::tree(&ctx, Some("/there".into()))?,
        Path::new("/there")
    );
    assert_eq!(super::tree(&ctx, None)?, ctx.path("target/linux"));
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
    Git::at(&tree).run(["reset", "-q", "--hard", "HEAD^"])?;
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

#[test]
fn a_trees_own_settings_are_not_in_its_patches() -> Result<()> {
    let lab = tempfile::tempdir()?;
    checkout_with_series(lab.path())?;
    let tree = lab.path().join("first");
    let before = format(&tree)?;
    for (name, value) in SETTINGS {
        Git::at(&tree).run(["config", name, value])?;
    }
    assert_eq!(format(&tree)?, before);
    Ok(())
}

/// What people set for themselves, and what must not be seen in a patch or in a key.
const SETTINGS: &[(&str, &str)] = &[
    ("commit.gpgSign", "true"),
    ("core.autocrlf", "true"),
    ("core.hooksPath", "/nonexistent/hooks"),
    ("diff.context", "1"),
    ("diff.mnemonicPrefix", "true"),
    ("diff.noprefix", "true"),
    ("format.attach", "part"),
    ("format.coverLetter", "true"),
    ("format.from", "Somebody <somebody@example.org>"),
    ("format.headers", "Organization: None"),
    ("format.noprefix", "true"),
    ("format.numbered", "true"),
    ("format.signature", "sent by somebody"),
    ("format.signOff", "true"),
    ("format.subjectPrefix", "PATCH somebody"),
    ("format.suffix", ".txt"),
    ("format.thread", "true"),
    ("format.to", "somebody@example.org"),
    ("gpg.program", "/nonexistent/gpg"),
    ("user.signingKey", "none"),
];

/// Names the folder in which the test below works when it is run as the program of a hook.
const LAB: &str = "PODOS_TEST_OF_PATCHES_IN";

/// All files below `dir`, with their contents.
fn contents(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(contents(&path)?),
            false => drop(found.insert(path.clone(), fs::read(&path)?)),
        }
    }
    Ok(found)
}

/// What the verbs do with git: the tree, its patches, the patched files and the names of inputs.
fn work(lab: &Path) -> Result<()> {
    checkout_with_series(lab)?;
    let patches = series::load(lab)?;
    let (plain, patched) = (lab.join("plain"), lab.join("patched"));
    fs::create_dir(&plain)?;
    fs::create_dir(&patched)?;
    fs::write(plain.join("file"), "one\ntwo\nthree\n")?;
    series::apply(&plain, &patches, &patched)?;
    fs::write(lab.join("first/ignored.swp"), "")?;
    let names = list_files(&lab.join("first"), ".")?;
    fs::write(lab.join("names"), format!("{names:?}"))?;
    Ok(())
}

/// A hook of git is run with variables that name the caller's repository, and the caller may have
/// any settings: this program is started as his hook would be.
#[test]
fn a_callers_repository_and_settings_take_no_part() -> Result<()> {
    if let Some(lab) = env::var_os(LAB) {
        return work(Path::new(&lab));
    }
    let dir = tempfile::tempdir()?;
    let home = dir.path().join("home");
    fs::create_dir_all(home.join("git"))?;
    fs::write(home.join("git/ignore"), "*.swp\n")?;
    fs::write(home.join("git/attributes"), "file -text -diff\n")?;
    let caller = dir.path().join("caller");
    fs::create_dir(&caller)?;
    fs::write(caller.join("file"), "the caller's\n")?;
    make_repository(&caller, dir.path(), &[])?;
    let hostile = dir.path().join("hostile");
    let settings = hostile.join("settings");
    fs::create_dir(&hostile)?;
    fs::write(&settings, "")?;
    for (name, value) in SETTINGS {
        Git::at(dir.path()).run([
            "config".as_ref(),
            "--file".as_ref(),
            settings.as_os_str(),
            name.as_ref(),
            value.as_ref(),
        ])?;
    }
    let before = contents(&caller)?;

    let plain = dir.path().join("plain");
    fs::create_dir(&plain)?;
    work(&plain)?;
    let git = caller.join(".git");
    let output = Command::new(env::current_exe()?)
        .args([
            "--exact",
            "verbs::patches::tests::a_callers_repository_and_settings_take_no_part",
        ])
        .current_dir(&caller)
        .env(LAB, &hostile)
        .env("GIT_DIR", &git)
        .env("GIT_WORK_TREE", &caller)
        .env("GIT_INDEX_FILE", git.join("index"))
        .env("GIT_OBJECT_DIRECTORY", git.join("objects"))
        .env("GIT_COMMON_DIR", &git)
        .env("GIT_PREFIX", "deep/")
        .env("GIT_CONFIG_GLOBAL", &settings)
        .env("GIT_CONFIG_PARAMETERS", "'user.name'='Somebody'")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "diff.noprefix")
        .env("GIT_CONFIG_VALUE_0", "true")
        .env("GIT_AUTHOR_NAME", "Somebody")
        .env("GIT_COMMITTER_NAME", "Somebody")
        .env("GIT_EXTERNAL_DIFF", "/nonexistent/diff")
        .env("GIT_DIFF_OPTS", "-u1")
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", &home)
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TZ", "Asia/Kathmandu")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );

    assert!(
        contents(&caller)? == before,
        "the caller's repository has changed"
    );
    let names = fs::read_to_string(plain.join("names"))?;
    assert_eq!(names, "[\"file\", \"ignored.swp\"]");
    assert_eq!(fs::read_to_string(hostile.join("names"))?, names);
    assert_eq!(
        fs::read(hostile.join("patched/file"))?,
        b"one\ndeux\nthree\n"
    );
    // Dates apart: the two trees were made one after the other.
    let undated = |lab: &Path| -> Result<Vec<String>> {
        let text = |patch: series::Patch| {
            let lines = patch
                .text
                .lines()
                .filter(|line| !line.starts_with("Date: "));
            format!("{}\n{}", patch.file, lines.collect::<Vec<_>>().join("\n"))
        };
        Ok(series::load(lab)?.into_iter().map(text).collect())
    };
    assert_eq!(undated(&hostile)?, undated(&plain)?);
    let date = |lab: &Path| -> Result<bool> {
        Ok(series::load(lab)?
            .iter()
            .all(|patch| patch.text.contains(" +0000\n")))
    };
    assert!(
        date(&hostile)? && date(&plain)?,
        "a local time is in a patch"
    );
    Ok(())
}
