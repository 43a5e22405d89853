// SPDX-License-Identifier: MIT OR Apache-2.0

//! `images/PROFILE.toml`: what an image is made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{bail, Context as _, Result};
use podos::Mode;
use serde::{de, Deserialize, Deserializer};

use crate::context::Context;

/// An image profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// The profile's name: that of its file.
    #[serde(skip)]
    pub name: String,
    /// What it is for, in a few words.
    pub description: String,
    /// What its nodes' Communication Manager does to frames.
    #[serde(default = "default_mode", deserialize_with = "mode")]
    pub cm_mode: Mode,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its kernel modules.
    pub modules: Modules,
    /// Its base system.
    pub rootfs: Rootfs,
    /// Cargo packages and where the program of each goes.
    pub userspace: BTreeMap<String, String>,
}

/// The kernel of a profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kernel {
    /// Names of fragments in `linux-patches/config`, later ones over earlier ones.
    pub fragments: Vec<String>,
}

/// The modules of a profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Modules {
    /// Where they go in the image.
    pub directory: String,
    /// Names without `.ko`.
    pub names: Vec<String>,
}

/// The base system of a profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rootfs {
    /// Folder in `rootfs/` whose files are copied.
    pub overlay: String,
    /// Where the build root's static busybox goes.
    pub busybox: String,
    /// Folder that gets a symbolic link to busybox for each of its applets.
    pub applets: String,
    /// Empty folders.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Symbolic links: place and target.
    #[serde(default)]
    pub symlinks: BTreeMap<String, String>,
}

impl Profile {
    /// Reads the profile `name` of the checkout.
    pub fn load(ctx: &Context, name: &str) -> Result<Self> {
        let file = format!("images/{name}.toml");
        let path = ctx.path(&file);
        let known = Profile::names(ctx)?;
        if !known.iter().any(|known| known == name) {
            bail!(
                "there is no profile `{name}` (images/{name}.toml); there are: {}",
                known.join(", ")
            );
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut profile = Profile::parse(&file, &text)?;
        profile.name = name.to_owned();
        profile.check_files(ctx.root(), &file, &text)?;
        Ok(profile)
    }

    /// The names of all profiles.
    pub fn names(ctx: &Context) -> Result<Vec<String>> {
        let dir = ctx.path("images");
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(stem) = name.strip_suffix(".toml") {
                names.push(stem.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn parse(file: &str, text: &str) -> Result<Self> {
        let profile: Profile = super::parse(file, text)?;
        let rootfs = &profile.rootfs;
        let places = [
            ("modules.directory", &profile.modules.directory),
            ("rootfs.busybox", &rootfs.busybox),
            ("rootfs.applets", &rootfs.applets),
        ]
        .into_iter()
        .chain(
            rootfs
                .directories
                .iter()
                .map(|place| ("rootfs.directories", place)),
        )
        .chain(
            rootfs
                .symlinks
                .keys()
                .map(|place| ("rootfs.symlinks", place)),
        )
        .chain(profile.userspace.values().map(|place| ("userspace", place)));
        for (key, place) in places {
            if !is_image_path(place) {
                bail!(
                    "{file}:{}: {key}: `{place}` is no absolute path without `.` and `..`",
                    super::line_of(text, &format!("\"{place}\""))
                );
            }
        }
        Ok(profile)
    }

    fn check_files(&self, root: &Path, file: &str, text: &str) -> Result<()> {
        for fragment in &self.kernel.fragments {
            let path = self::fragment(fragment);
            if !root.join(&path).is_file() {
                let line = super::line_of(text, &format!("\"{fragment}\""));
                bail!("{file}:{line}: kernel.fragments: there is no {path}");
            }
        }
        let overlay = self.overlay();
        if !root.join(&overlay).is_dir() {
            let line = super::line_of(text, &format!("\"{}\"", self.rootfs.overlay));
            bail!("{file}:{line}: rootfs.overlay: there is no folder {overlay}");
        }
        Ok(())
    }

    /// The config fragments, as paths in the checkout.
    pub fn fragments(&self) -> Vec<String> {
        self.kernel
            .fragments
            .iter()
            .map(|name| fragment(name))
            .collect()
    }

    /// The overlay, as a path in the checkout.
    pub fn overlay(&self) -> String {
        format!("rootfs/{}", self.rootfs.overlay)
    }
}

fn default_mode() -> Mode {
    Mode::Aead
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(de::Error::custom)
}

fn fragment(name: &str) -> String {
    format!("linux-patches/config/{name}.config")
}

/// An absolute path that stays below the root.
fn is_image_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"description = "a trial"
[kernel]
fragments = ["base"]
[modules]
directory = "/lib/modules/podos"
names = ["podos_cm"]
[rootfs]
overlay = "minimal"
busybox = "/bin/busybox"
applets = "/bin"
[userspace]
podos = "/usr/bin/podos"
"#;

    fn message(text: &str) -> String {
        Profile::parse("images/trial.toml", text)
            .expect_err("the profile is wrong")
            .to_string()
    }

    #[test]
    fn a_good_profile_is_read() -> Result<()> {
        let profile = Profile::parse("images/trial.toml", GOOD)?;
        assert_eq!(profile.fragments(), ["linux-patches/config/base.config"]);
        assert_eq!(profile.overlay(), "rootfs/minimal");
        Ok(())
    }

    #[test]
    fn frames_are_sealed_unless_the_profile_says_otherwise() -> Result<()> {
        let mode = |text: &str| Profile::parse("images/trial.toml", text).map(|p| p.cm_mode);
        assert_eq!(mode(GOOD)?, Mode::Aead);
        assert_eq!(mode(&format!("cm-mode = \"mac\"\n{GOOD}"))?, Mode::Mac);
        assert_eq!(mode(&format!("cm-mode = \"open\"\n{GOOD}"))?, Mode::Open);
        let message = message(&format!("# a trial\ncm-mode = \"none\"\n{GOOD}"));
        assert!(
            message.starts_with("images/trial.toml:2: `none` is no mode of CM"),
            "{message}"
        );
        Ok(())
    }

    #[test]
    fn an_unknown_key_in_a_table_is_named_with_its_line() {
        let message = message(&GOOD.replace("applets =", "aplets = \"/bin\"\napplets ="));
        assert!(
            message.starts_with("images/trial.toml:10: unknown field `aplets`"),
            "{message}"
        );
    }

    #[test]
    fn a_path_that_leaves_the_image_is_refused_with_its_line() {
        for bad in ["usr/bin/podos", "/../etc", "/", "/usr//bin"] {
            let message = message(&GOOD.replace("/usr/bin/podos", bad));
            assert!(
                message.starts_with("images/trial.toml:12: userspace:"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_fragment_that_is_not_there_is_named_with_its_line() -> Result<()> {
        let root = tempfile::tempdir()?;
        let error = Profile::parse("images/trial.toml", GOOD)?
            .check_files(root.path(), "images/trial.toml", GOOD)
            .expect_err("no fragment is there");
        assert_eq!(
            error.to_string(),
            "images/trial.toml:3: kernel.fragments: there is no linux-patches/config/base.config"
        );
        Ok(())
    }
}
