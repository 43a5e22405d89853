// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cargo workspace: which folders a package is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::de::IgnoredAny;
use serde::Deserialize;

use crate::definitions;

/// The manifest of the workspace, as far as it matters here.
#[derive(Deserialize)]
struct Root {
    workspace: Members,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<String>,
}

/// A package's manifest, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    build_dependencies: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

/// The folders of `packages` and of all workspace members that they depend on.
///
/// A member is found by its package name, so a dependency that is renamed in a manifest would be
/// missed; the workspace renames none.
pub fn folders_of<'a>(
    root: &Path,
    packages: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeSet<PathBuf>> {
    let workspace: Root = definitions::read(root, "Cargo.toml")?;
    let mut members = BTreeMap::new();
    for folder in workspace.workspace.members {
        let manifest: Manifest = definitions::read(root, &format!("{folder}/Cargo.toml"))?;
        members.insert(
            manifest.package.name.clone(),
            (PathBuf::from(folder), manifest),
        );
    }
    let mut folders = BTreeSet::new();
    let mut open = Vec::new();
    for package in packages {
        members
            .get(package)
            .with_context(|| format!("the workspace has no package `{package}`"))?;
        open.push(package.as_str());
    }
    while let Some(name) = open.pop() {
        let Some((folder, manifest)) = members.get(name) else {
            continue;
        };
        if folders.insert(folder.clone()) {
            open.extend(manifest.dependencies.keys().map(String::as_str));
            open.extend(manifest.build_dependencies.keys().map(String::as_str));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn dependencies_inside_the_workspace_are_followed() -> Result<()> {
        let root = tempfile::tempdir()?;
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(root.path()))?;
            fs::write(path, text)
        };
        write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"init\", \"proto\", \"lib\", \"other\"]\n",
        )?;
        let package = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\n{rest}");
        write(
            "init/Cargo.toml",
            &package(
                "podos-init",
                "[dependencies]\nlib.workspace = true\nserde = \"1\"\n",
            ),
        )?;
        write(
            "lib/Cargo.toml",
            &package("lib", "[dependencies]\nproto = { path = \"../proto\" }\n"),
        )?;
        write(
            "proto/Cargo.toml",
            &package("proto", "[dev-dependencies]\nother = \"1\"\n"),
        )?;
        write("other/Cargo.toml", &package("other", ""))?;
        let folders = folders_of(root.path(), [&"podos-init".to_owned()])?;
        assert_eq!(folders, ["init", "lib", "proto"].map(PathBuf::from).into());
        let error = folders_of(root.path(), [&"absent".to_owned()]).expect_err("no such package");
        assert!(error.to_string().contains("no package `absent`"));
        Ok(())
    }
}
