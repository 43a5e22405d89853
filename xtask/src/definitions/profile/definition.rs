// SPDX-License-Identifier: MIT OR Apache-2.0

//! One file of `images/`, which may leave out what the one that it includes says.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, Context as _, Result};
use podos::Mode;
use podos_init::config::{Config, Network, Service};
use serde::{de, Deserialize, Deserializer};

use super::Profile;
use crate::definitions;

/// A file of `images/`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Definition {
    description: Option<String>,
    /// The profile that this one adds to.
    pub include: Option<String>,
    #[serde(default, deserialize_with = "mode")]
    cm_mode: Option<Mode>,
    host_folder: Option<String>,
    #[serde(default)]
    kernel: Kernel,
    #[serde(default)]
    modules: Modules,
    network: Option<Network>,
    #[serde(default)]
    rootfs: Rootfs,
    #[serde(default)]
    userspace: BTreeMap<String, String>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Kernel {
    #[serde(default)]
    fragments: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Modules {
    directory: Option<String>,
    #[serde(default)]
    load: Vec<String>,
    #[serde(default)]
    ship: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rootfs {
    #[serde(default)]
    overlays: Vec<String>,
    busybox: Option<String>,
    applets: Option<String>,
    #[serde(default)]
    directories: Vec<String>,
    #[serde(default)]
    symlinks: BTreeMap<String, String>,
}

impl Definition {
    /// Parses the `text` of `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let definition: Self = definitions::parse(file, text)?;
        for (key, place) in definition.places() {
            if !is_image_path(place) {
                bail!(
                    "{file}:{}: {key}: `{place}` is no absolute path without `.` and `..`",
                    definitions::line_of(text, &format!("\"{place}\""))
                );
            }
        }
        for (name, service) in &definition.services {
            if !service
                .command
                .first()
                .is_some_and(|program| is_image_path(program))
            {
                bail!(
                    "{file}:{}: services.{name}: its command begins with no absolute path",
                    definitions::line_of(text, &format!("services.{name}"))
                );
            }
        }
        Ok(definition)
    }

    /// Every key whose value is a place in the image.
    fn places(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let of = |key, places: Vec<_>| places.into_iter().map(move |place| (key, place));
        let rootfs = &self.rootfs;
        of("host-folder", self.host_folder.iter().collect())
            .chain(of(
                "modules.directory",
                self.modules.directory.iter().collect(),
            ))
            .chain(of("rootfs.busybox", rootfs.busybox.iter().collect()))
            .chain(of("rootfs.applets", rootfs.applets.iter().collect()))
            .chain(of(
                "rootfs.directories",
                rootfs.directories.iter().collect(),
            ))
            .chain(of("rootfs.symlinks", rootfs.symlinks.keys().collect()))
            .chain(of("userspace", self.userspace.values().collect()))
    }

    /// Looks for the files of the checkout `root` that it names.
    pub fn check_files(&self, root: &Path, file: &str, text: &str) -> Result<()> {
        let line = |name: &str| definitions::line_of(text, &format!("\"{name}\""));
        for name in &self.kernel.fragments {
            let path = fragment(name);
            if !root.join(&path).is_file() {
                bail!(
                    "{file}:{}: kernel.fragments: there is no {path}",
                    line(name)
                );
            }
        }
        for name in &self.rootfs.overlays {
            let path = overlay(name);
            if !root.join(&path).is_dir() {
                bail!(
                    "{file}:{}: rootfs.overlays: there is no folder {path}",
                    line(name)
                );
            }
        }
        Ok(())
    }

    /// This definition over another: lists are joined, `base`'s first; of two values of one key
    /// this one's counts.
    pub fn over(self, base: Self) -> Self {
        Self {
            description: self.description.or(base.description),
            include: base.include,
            cm_mode: self.cm_mode.or(base.cm_mode),
            host_folder: self.host_folder.or(base.host_folder),
            kernel: Kernel {
                fragments: joined(base.kernel.fragments, self.kernel.fragments),
            },
            modules: Modules {
                directory: self.modules.directory.or(base.modules.directory),
                load: joined(base.modules.load, self.modules.load),
                ship: joined(base.modules.ship, self.modules.ship),
            },
            network: self.network.or(base.network),
            rootfs: Rootfs {
                overlays: joined(base.rootfs.overlays, self.rootfs.overlays),
                busybox: self.rootfs.busybox.or(base.rootfs.busybox),
                applets: self.rootfs.applets.or(base.rootfs.applets),
                directories: joined(base.rootfs.directories, self.rootfs.directories),
                symlinks: joined(base.rootfs.symlinks, self.rootfs.symlinks),
            },
            userspace: joined(base.userspace, self.userspace),
            services: joined(base.services, self.services),
        }
    }

    /// The profile `name` that this is the whole of.
    pub fn finish(self, name: &str) -> Result<Profile> {
        let missing = |key: &str| format!("{}: `{key}` is missing", super::file(name));
        let wanted = |value: Option<String>, key| value.with_context(|| missing(key));
        Ok(Profile {
            name: name.to_owned(),
            description: wanted(self.description, "description")?,
            cm_mode: self.cm_mode.unwrap_or(Mode::Aead),
            fragments: self.kernel.fragments,
            modules: super::Modules {
                directory: wanted(self.modules.directory, "modules.directory")?,
                load: self.modules.load,
                ship: self.modules.ship,
            },
            rootfs: super::Rootfs {
                overlays: self.rootfs.overlays,
                busybox: wanted(self.rootfs.busybox, "rootfs.busybox")?,
                applets: wanted(self.rootfs.applets, "rootfs.applets")?,
                directories: self.rootfs.directories,
                symlinks: self.rootfs.symlinks,
            },
            userspace: self.userspace,
            init: Config {
                host_folder: self.host_folder,
                network: self.network,
                services: self.services,
                ..Config::default()
            },
        })
    }
}

/// What `base` has, then what `own` has; of the same key `own`'s.
fn joined<T, C: Extend<T> + IntoIterator<Item = T>>(mut base: C, own: C) -> C {
    base.extend(own);
    base
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mode>, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map(Some).map_err(de::Error::custom)
}

/// Where the checkout has a config fragment.
pub(super) fn fragment(name: &str) -> String {
    format!("linux-patches/config/{name}.config")
}

/// Where the checkout has an overlay.
pub(super) fn overlay(name: &str) -> String {
    format!("rootfs/{name}")
}

/// An absolute path that stays below the root.
fn is_image_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub const GOOD: &str = r#"description = "a trial"
[kernel]
fragments = ["base"]
[modules]
directory = "/lib/modules/podos"
load = ["podos_cm"]
[rootfs]
overlays = ["one"]
busybox = "/bin/busybox"
applets = "/bin"
[userspace]
podos = "/usr/bin/podos"
[services.shell]
command = ["/bin/sh"]
start = "at-once"
"#;

    fn message(text: &str) -> String {
        Profile::for_test("trial", text)
            .expect_err("the profile is wrong")
            .to_string()
    }

    #[test]
    fn a_good_profile_is_read() -> Result<()> {
        let profile = Profile::for_test("trial", GOOD)?;
        assert_eq!(profile.fragments(), ["linux-patches/config/base.config"]);
        assert_eq!(profile.overlays().collect::<Vec<_>>(), ["rootfs/one"]);
        Ok(())
    }

    #[test]
    fn frames_are_sealed_unless_the_profile_says_otherwise() -> Result<()> {
        let mode = |text: &str| Profile::for_test("trial", text).map(|p| p.cm_mode);
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
    fn a_key_that_is_missing_is_named() {
        let message = message(&GOOD.replace("applets = \"/bin\"\n", ""));
        assert_eq!(message, "images/trial.toml: `rootfs.applets` is missing");
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
    fn a_service_without_a_program_is_refused_with_its_line() {
        for bad in ["command = []", "command = [\"sh\"]"] {
            let message = message(&GOOD.replace("command = [\"/bin/sh\"]", bad));
            assert!(
                message.starts_with("images/trial.toml:13: services.shell:"),
                "{message}"
            );
        }
    }
}
