// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares what is in an image with what may be: `images/PROFILE.files`.

use std::collections::BTreeSet;

use anyhow::{bail, Context as _, Result};

use crate::children;
use crate::context::Context;
use crate::fs;
use crate::steps::image::INITRAMFS;

/// Compares the built image of `profile` with its allowlist.
///
/// # Errors
///
/// What is in one and not in the other.
pub fn check(ctx: &Context, profile: &str) -> Result<()> {
    let list = format!("images/{profile}.files");
    let allowed = fs::read_to_string(ctx.path(&list))?;
    let image = ctx.image_dir(profile).join(INITRAMFS);
    // Another reader of archives than the one that wrote it.
    let options = "--options=mtree:!all,mtree:type,mtree:link";
    let archive = format!("@{}", image.display());
    let reader = duct::cmd!("bsdtar", "-cf", "-", "--format=mtree", options, archive);
    let listed = children::succeed("bsdtar", &reader.stdout_capture())
        .with_context(|| format!("cannot list {}", image.display()))?;
    let listed = String::from_utf8_lossy(&listed);
    let differences = differences(&allowed, &listed);
    if !differences.is_empty() {
        bail!(
            "the image is not as {list} says; if it is meant to be so, change the list:\n  {}",
            differences.join("\n  ")
        );
    }
    Ok(())
}

/// The lines of only one of the two, in the order of their paths.
fn differences(allowed: &str, listed: &str) -> Vec<String> {
    let (allowed, listed) = (lines(allowed), lines(listed));
    let of = |lines: &BTreeSet<&str>, what: &str| {
        let told = lines
            .iter()
            .map(|line| (line.to_string(), format!("{what}: {line}")));
        told.collect::<Vec<_>>()
    };
    let more = listed.difference(&allowed).copied().collect();
    let less = allowed.difference(&listed).copied().collect();
    let mut told = [of(&more, "not allowed"), of(&less, "missing")].concat();
    told.sort();
    told.into_iter().map(|(_, told)| told).collect()
}

/// The entries. How many applets there are is a matter of busybox.
fn lines(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| !line.ends_with(" type=link link=/bin/busybox"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_in_one_is_told() {
        let allowed = "# a comment\n\n./a type=file\n./b type=dir\n";
        let same = "#mtree\n./b type=dir\n./a type=file\n./bin/cat type=link link=/bin/busybox\n";
        assert_eq!(differences(allowed, same), [""; 0]);
        let other = "./a type=file\n./agent type=file\n";
        assert_eq!(
            differences(allowed, other),
            ["not allowed: ./agent type=file", "missing: ./b type=dir"]
        );
    }
}
