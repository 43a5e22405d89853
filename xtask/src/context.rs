// SPDX-License-Identifier: MIT OR Apache-2.0

//! The context of every verb: the checkout, the cache directory and the global flags.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context as _, Result};
use podos_lab_options::image_dir;

/// Flags that every verb accepts.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct GlobalFlags {
    /// Use caches only; never touch the network
    #[arg(long, global = true)]
    pub offline: bool,
    /// Refuse anything newer than what podos.lock records
    #[arg(long, global = true)]
    pub locked: bool,
    /// Build this kernel (a clean source directory, a git checkout or an upstream tarball) in place
    /// of the Debian package
    #[arg(long, global = true, value_name = "PATH")]
    pub kernel_source: Option<PathBuf>,
}

impl GlobalFlags {
    /// For a run of this program that is to go by the same.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        words.extend(self.offline.then(|| "--offline".into()));
        words.extend(self.locked.then(|| "--locked".into()));
        if let Some(path) = &self.kernel_source {
            words.extend(["--kernel-source".into(), path.into()]);
        }
        words
    }
}

/// The surroundings of one run.
#[derive(Debug)]
pub struct Context {
    root: PathBuf,
    cache: PathBuf,
    /// The flags given on the command line.
    pub flags: GlobalFlags,
}

impl Context {
    /// Finds the checkout and the cache directory; creates nothing.
    pub fn new(mut flags: GlobalFlags) -> Result<Self> {
        if let Some(path) = &flags.kernel_source {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot find {}", path.display()))?;
            flags.kernel_source = Some(path);
        }
        Ok(Context {
            root: find_root()?,
            cache: find_cache()?,
            flags,
        })
    }

    /// A context whose checkout and cache are in `dir`.
    #[cfg(test)]
    pub fn for_test(dir: &Path) -> Self {
        let (root, cache) = (dir.join("checkout"), dir.join("cache"));
        Context {
            root,
            cache,
            flags: GlobalFlags::default(),
        }
    }

    /// The top directory of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cache directory of this project, shared by all checkouts of the user.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// `path` in the checkout.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Where the image of a profile is put for the user.
    pub fn image_dir(&self, profile: &str) -> PathBuf {
        image_dir(&self.root, profile)
    }
}

/// The checkout: cargo names the manifest at run time, which stays right when two checkouts share
/// one target directory.
fn find_root() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest
        .parent()
        .context("xtask has no parent directory")?
        .to_path_buf();
    if !root.join("linux-patches").is_dir() {
        bail!(
            "{} is not a PODOS checkout (no linux-patches); run `cargo xtask` inside one",
            root.display()
        );
    }
    Ok(root)
}

/// `$XDG_CACHE_HOME/podos`, by default `~/.cache/podos`. A relative XDG_CACHE_HOME is ignored, as
/// the XDG base directory specification wants.
fn find_cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        if dir.is_absolute() {
            return Ok(dir.join("podos"));
        }
    }
    let home = env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .context("neither XDG_CACHE_HOME nor HOME is set: there is no place for the cache")?;
    Ok(PathBuf::from(home).join(".cache/podos"))
}
