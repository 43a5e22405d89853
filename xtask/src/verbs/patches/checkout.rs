// SPDX-License-Identifier: MIT OR Apache-2.0

//! `patches checkout`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use super::BASE;
use crate::children;
use crate::context::Context;
use crate::fs;
use crate::git::Git;
use crate::series::{self, Patch, PROJECT_EMAIL, PROJECT_NAME};

/// Makes a git tree at `dir`: the pristine source, and one commit per patch.
pub fn checkout(ctx: &Context, dir: &Path) -> Result<()> {
    if dir.exists() {
        bail!(
            "{} is there already; remove it, or name another place",
            dir.display()
        );
    }
    let patches = series::load(ctx.root())?;
    let source = super::pristine(ctx)?;
    let parent = dir.parent().context("the place has no parent directory")?;
    fs::create_dir_all(parent)?;
    let temp = fs::tempdir_in(parent)?;
    let tree = temp.path().join("linux");
    eprintln!("making {}: this takes a minute", dir.display());
    let copy = duct::cmd!("cp", "-a", "--reflink=auto", source.path("tree"), &tree);
    children::succeed("cp", &copy).context("cannot copy the kernel source")?;
    make_repository(&tree, ctx.root(), &patches)?;
    fs::rename(&tree, dir)?;
    println!("{}: {} commits on {BASE}", dir.display(), patches.len());
    Ok(())
}

/// Makes `tree` a git repository with the series on top.
pub(super) fn make_repository(tree: &Path, root: &Path, patches: &[Patch]) -> Result<()> {
    let git = Git::at(tree);
    // Hooks that the machine's administrator has new repositories get are for people.
    git.run(["init", "-q", "--template=", "--initial-branch=podos"])?;
    git.run(["config", "user.name", PROJECT_NAME])?;
    git.run(["config", "user.email", PROJECT_EMAIL])?;
    git.run(["config", "maintenance.auto", "false"])?;
    // Also what the kernel's .gitignore names: the tree is to be the source to the last file.
    git.run(["add", "--all", "--force"])?;
    git.run(["commit", "-q", "-m", "linux: the source below the series"])?;
    git.run(["tag", BASE])?;
    for patch in patches {
        let file = root.join(patch.name());
        let options = [
            "am",
            "-q",
            "--keep-cr",
            "--whitespace=nowarn",
            "--committer-date-is-author-date",
        ];
        git.run(
            options
                .map(OsStr::new)
                .into_iter()
                .chain([file.as_os_str()]),
        )
        .with_context(|| format!("cannot apply {}", patch.name()))?;
    }
    Ok(())
}
