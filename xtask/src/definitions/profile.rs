// SPDX-License-Identifier: MIT OR Apache-2.0

//! `images/PROFILE.toml`: what an image is made of.

mod definition;

use std::collections::BTreeMap;

use anyhow::{bail, Result};
use podos::Mode;
use podos_init::config::{self, Config};

use crate::context::Context;
use crate::fs;
use definition::Definition;

/// The profile that users boot.
pub const NODE: &str = "node";

/// An image profile, with all that it includes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The profile's name: that of its file.
    pub name: String,
    /// What it is for, in a few words.
    pub description: String,
    /// What its nodes' Communication Manager does to frames.
    pub cm_mode: Mode,
    /// Names of fragments in `linux-patches/config`, later ones over earlier ones.
    pub fragments: Vec<String>,
    /// Its kernel modules.
    pub modules: Modules,
    /// Its base system.
    pub rootfs: Rootfs,
    /// Cargo packages and where the program of each goes.
    pub userspace: BTreeMap<String, String>,
    /// What init does, beside loading modules.
    init: Config,
}

/// The modules of a profile.
#[derive(Clone, Debug)]
pub struct Modules {
    /// Where they go in the image.
    pub directory: String,
    /// Those that init loads, in this order.
    pub load: Vec<String>,
    /// Those that are there, and that nobody loads by himself.
    pub ship: Vec<String>,
}

/// The base system of a profile.
#[derive(Clone, Debug)]
pub struct Rootfs {
    /// Folders in `rootfs/` whose files are copied, later ones over earlier ones.
    pub overlays: Vec<String>,
    /// Where the build root's static busybox goes.
    pub busybox: String,
    /// Folder that gets a symbolic link to busybox for each of its applets.
    pub applets: String,
    /// Empty folders.
    pub directories: Vec<String>,
    /// Symbolic links: place and target.
    pub symlinks: BTreeMap<String, String>,
}

impl Profile {
    /// Reads the profile `name` of the checkout, and what it includes.
    pub fn load(ctx: &Context, name: &str) -> Result<Self> {
        let mut read = Vec::new();
        let definition = read_with_included(ctx, name, &mut read)?;
        definition.finish(name)
    }

    /// The names of all profiles.
    pub fn names(ctx: &Context) -> Result<Vec<String>> {
        let dir = ctx.path("images");
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(stem) = name.strip_suffix(".toml") {
                names.push(stem.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The config fragments, as paths in the checkout.
    pub fn fragments(&self) -> Vec<String> {
        let names = self.fragments.iter();
        names.map(|name| definition::fragment(name)).collect()
    }

    /// The overlays, as paths in the checkout.
    pub fn overlays(&self) -> impl Iterator<Item = String> + '_ {
        let names = self.rootfs.overlays.iter();
        names.map(|name| definition::overlay(name))
    }

    /// What init does on its nodes.
    pub fn init(&self) -> Config {
        Config {
            modules: config::Modules {
                directory: self.modules.directory.clone(),
                load: self.modules.load.clone(),
            },
            ..self.init.clone()
        }
    }

    #[cfg(test)]
    pub fn for_test(name: &str, text: &str) -> Result<Self> {
        Definition::parse(&file(name), text)?.finish(name)
    }
}

impl Modules {
    /// All that are in the image.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.load.iter().chain(&self.ship)
    }
}

fn file(name: &str) -> String {
    format!("images/{name}.toml")
}

/// Reads a definition over those that it includes; `read` are the names of those that include it.
fn read_with_included(ctx: &Context, name: &str, read: &mut Vec<String>) -> Result<Definition> {
    if read.iter().any(|read| read == name) {
        bail!(
            "{}: include: {} -> {name} has no end",
            file(name),
            read.join(" -> ")
        );
    }
    let known = Profile::names(ctx)?;
    if !known.iter().any(|known| known == name) {
        let known = known.join(", ");
        let by = match read.last() {
            Some(by) => format!("{}: include: ", file(by)),
            None => String::new(),
        };
        bail!(
            "{by}there is no profile `{name}` ({}); there are: {known}",
            file(name)
        );
    }
    let path = ctx.path(file(name));
    let text = fs::read_to_string(&path)?;
    let definition = Definition::parse(&file(name), &text)?;
    definition.check_files(ctx.root(), &file(name), &text)?;
    read.push(name.to_owned());
    match definition.include.clone() {
        None => Ok(definition),
        Some(base) => Ok(definition.over(read_with_included(ctx, &base, read)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_init::config::Start;

    /// A checkout with these files below `images`, and all that they name.
    fn checkout(files: &[(&str, &str)]) -> Result<(tempfile::TempDir, Context)> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        for folder in ["images", "rootfs/one", "rootfs/two", "linux-patches/config"] {
            fs::create_dir_all(ctx.path(folder))?;
        }
        for name in ["base", "debug"] {
            fs::write(ctx.path(definition::fragment(name)), "")?;
        }
        for (name, text) in files {
            fs::write(ctx.path(file(name)), text)?;
        }
        Ok((dir, ctx))
    }

    const MORE: &str = r#"include = "trial"
cm-mode = "mac"
[kernel]
fragments = ["debug"]
[modules]
ship = ["podos_cmtest"]
[rootfs]
overlays = ["two"]
directories = ["/mnt"]
[userspace]
podos-agent = "/usr/lib/agent"
[services.shell]
command = ["/bin/ash"]
"#;

    #[test]
    fn a_profile_adds_to_the_one_that_it_includes() -> Result<()> {
        let (_dir, ctx) = checkout(&[("trial", definition::tests::GOOD), ("more", MORE)])?;
        let profile = Profile::load(&ctx, "more")?;
        assert_eq!(profile.name, "more");
        assert_eq!(profile.description, "a trial");
        assert_eq!(profile.cm_mode, Mode::Mac);
        assert_eq!(profile.fragments, ["base", "debug"]);
        assert_eq!(
            profile.overlays().collect::<Vec<_>>(),
            ["rootfs/one", "rootfs/two"]
        );
        assert_eq!(profile.modules.load, ["podos_cm"]);
        let modules: Vec<_> = profile.modules.names().collect();
        assert_eq!(modules, ["podos_cm", "podos_cmtest"]);
        let programs: Vec<_> = profile.userspace.keys().collect();
        assert_eq!(programs, ["podos", "podos-agent"]);
        let init = profile.init();
        assert_eq!(init.modules.load, ["podos_cm"]);
        // Of the same name, it is another service as a whole.
        let shell = &init.services["shell"];
        assert_eq!(
            (&shell.command[..], shell.start),
            (&["/bin/ash".to_owned()][..], Start::Booted)
        );
        assert_eq!(Profile::load(&ctx, "trial")?.cm_mode, Mode::Aead);
        Ok(())
    }

    #[test]
    fn an_include_that_has_no_end_is_refused() -> Result<()> {
        let (_dir, ctx) = checkout(&[("a", "include = \"b\""), ("b", "include = \"a\"")])?;
        let error = Profile::load(&ctx, "a").expect_err("no end").to_string();
        assert_eq!(error, "images/a.toml: include: a -> b -> a has no end");
        Ok(())
    }

    #[test]
    fn a_profile_that_is_not_there_is_named_with_those_that_are() -> Result<()> {
        let (_dir, ctx) = checkout(&[("a", "include = \"c\"")])?;
        let error = Profile::load(&ctx, "a").expect_err("no c").to_string();
        assert_eq!(
            error,
            "images/a.toml: include: there is no profile `c` (images/c.toml); there are: a"
        );
        let error = Profile::load(&ctx, "d").expect_err("no d").to_string();
        assert_eq!(
            error,
            "there is no profile `d` (images/d.toml); there are: a"
        );
        Ok(())
    }

    #[test]
    fn a_fragment_that_is_not_there_is_named_with_its_line() -> Result<()> {
        let text = definition::tests::GOOD.replace("\"base\"", "\"bse\"");
        let (_dir, ctx) = checkout(&[("trial", &text)])?;
        let error = Profile::load(&ctx, "trial").expect_err("no fragment is there");
        assert_eq!(
            error.to_string(),
            "images/trial.toml:3: kernel.fragments: there is no linux-patches/config/bse.config"
        );
        Ok(())
    }
}
