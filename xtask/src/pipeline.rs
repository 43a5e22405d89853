// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pipeline: which step follows which, from the build root to the image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{renameat_with, RenameFlags, CWD};

use crate::cluster_key;
use crate::context::Context;
use crate::definitions::{BuildRootDefinition, Profile};
use crate::engine::store::lock_file;
use crate::engine::{Output, Run};
use crate::fs;
use crate::lock::{self, Lock, Locked};
use crate::series;
use crate::steps::build_root::BuildRoot;
use crate::steps::config::Config;
use crate::steps::image::{Image, INITRAMFS, KERNEL, MANIFEST};
use crate::steps::kernel::Kernel;
use crate::steps::modules::{Modules, ModulesClippy};
use crate::steps::patched::Patched;
use crate::steps::rootfs::Rootfs;
use crate::steps::rust_project::RustProject;
use crate::steps::source::Source;
use crate::steps::userspace::Userspace;

/// The part that all profiles share, and that podos.lock speaks of. A step that is stale in a pass
/// that only looks is `None`.
#[derive(Debug)]
pub struct Base {
    /// The definition of the build root and the kernel's package.
    pub definition: BuildRootDefinition,
    /// The toolchain.
    pub root: Option<Locked>,
    /// The kernel's source.
    pub source: Option<Locked>,
}

impl Base {
    /// That something differs from the lock, in a line.
    pub fn warning(&self) -> Option<String> {
        let parts = [&self.root, &self.source].into_iter().flatten();
        match parts.map(|part| part.warnings.len()).sum::<usize>() {
            0 => None,
            count => Some(lock::summary_of(count)),
        }
    }
}

/// Build root and kernel source, compared with `lock`.
pub fn base(run: &mut Run<'_>, lock: Lock) -> Result<Base> {
    let ctx = run.ctx;
    let definition = BuildRootDefinition::load(ctx)?;
    let step = BuildRoot {
        definition: &definition,
        lock: &lock,
    };
    let root = run.step(Some(BuildRoot { ..step }))?;
    let root = match root {
        Some(output) => Some(step.unlocked(output)?.admit(ctx.flags.locked)?),
        None => None,
    };
    let source = |root| Source {
        root,
        package: &definition.kernel_source,
        lock: &lock,
        local: ctx.flags.kernel_source.as_deref(),
    };
    let fetched = run.step(root.as_ref().map(|root| source(root.output())))?;
    let source = match root.as_ref().zip(fetched) {
        Some((root, output)) => Some(
            source(root.output())
                .unlocked(output)?
                .admit(ctx.flags.locked)?,
        ),
        None => None,
    };
    Ok(Base {
        definition,
        root,
        source,
    })
}

/// Everything before the kernel of a profile.
#[derive(Debug)]
pub struct Configured {
    /// Build root and source.
    pub base: Base,
    /// The patched files.
    pub patched: Option<Output>,
    /// The configuration.
    pub config: Option<Output>,
}

/// Everything up to the configuration.
pub fn configured(run: &mut Run<'_>, profile: &Profile) -> Result<Configured> {
    let base = base(run, Lock::load(run.ctx.root())?)?;
    let root = base.root.as_ref().map(Locked::output);
    let source = base.source.as_ref().map(Locked::output);
    let series = series::load(run.ctx.root())?;
    let patched = run.step(source.map(|source| Patched {
        source,
        series: &series,
    }))?;
    let sources = root.zip(source).zip(patched.as_ref());
    let config = run.step(sources.map(|((root, source), patched)| Config {
        root,
        source,
        patched,
        checkout: run.ctx.root(),
        fragments: profile.fragments(),
        tree: tree_name(profile),
    }))?;
    Ok(Configured {
        base,
        patched,
        config,
    })
}

/// Everything up to the kernel.
fn kernel(run: &mut Run<'_>, profile: &Profile) -> Result<(Base, Option<Output>)> {
    let Configured {
        base,
        patched,
        config,
    } = configured(run, profile)?;
    let root = base.root.as_ref().map(Locked::output);
    let source = base.source.as_ref().map(Locked::output);
    let sources = root.zip(source).zip(patched.as_ref());
    let kernel = run.step(sources.zip(config.as_ref()).map(
        |(((root, source), patched), config)| Kernel {
            root,
            source,
            patched,
            config,
            tree: tree_name(profile),
        },
    ))?;
    Ok((base, kernel))
}

/// Profiles with the same options share a kernel tree.
pub fn tree_name(profile: &Profile) -> String {
    format!("kernel-{}", profile.fragments.join("+"))
}

/// Runs clippy over the modules, for the kernel of a profile.
pub fn modules_clippy(run: &mut Run<'_>, profile: &Profile) -> Result<()> {
    let (base, kernel) = self::kernel(run, profile)?;
    let root = base.root.as_ref().map(Locked::output);
    run.step(root.zip(kernel.as_ref()).map(|(root, kernel)| {
        ModulesClippy(Modules {
            root,
            kernel,
            checkout: run.ctx.root(),
        })
    }))?;
    Ok(())
}

/// The build root, the kernel, and what it says to rust-analyzer.
pub fn rust_project(
    run: &mut Run<'_>,
    profile: &Profile,
) -> Result<Option<(Output, Output, Output)>> {
    let (base, kernel) = self::kernel(run, profile)?;
    let Some((root, kernel)) = base.root.as_ref().map(Locked::output).zip(kernel) else {
        return Ok(None);
    };
    let project = run.step(Some(RustProject {
        root,
        kernel: &kernel,
    }))?;
    Ok(project.map(|project| (root.clone(), kernel, project)))
}

/// Everything: the image of a profile.
pub fn image(run: &mut Run<'_>, profile: &Profile) -> Result<(Base, Option<Output>)> {
    let (base, kernel) = self::kernel(run, profile)?;
    let checkout = run.ctx.root();
    let root = base.root.as_ref().map(Locked::output);
    let modules = run.step(root.zip(kernel.as_ref()).map(|(root, kernel)| Modules {
        root,
        kernel,
        checkout,
    }))?;
    let userspace = run.step(Some(Userspace {
        checkout,
        packages: &profile.userspace,
    }))?;
    let rootfs = run.step(root.map(|root| Rootfs {
        root,
        checkout,
        profile,
    }))?;
    let locked = base.root.as_ref().zip(base.source.as_ref());
    let built = kernel.as_ref().zip(modules.as_ref());
    let system = userspace.as_ref().zip(rootfs.as_ref());
    let step = locked.zip(built).zip(system).map(
        |(((root, source), (kernel, modules)), (userspace, rootfs))| Image {
            profile,
            root,
            source,
            kernel,
            modules,
            userspace,
            rootfs,
        },
    );
    let image = run.step(step)?;
    Ok((base, image))
}

/// Puts a finished image where the user finds it, with its cluster key, all files at once. Tells
/// whether it was not there already.
pub fn deploy(ctx: &Context, profile: &Profile, image: &Output) -> Result<bool> {
    let dir = ctx.image_dir(&profile.name);
    if is_deployed(&dir, image) {
        return Ok(false);
    }
    let parent = dir.parent().context("the image directory has no parent")?;
    fs::create_dir_all(parent)?;
    let _lock = lock_file(&parent.join(".lock"), || {})?;
    let new = fs::tempdir_in(parent)?;
    for name in [KERNEL, INITRAMFS, MANIFEST] {
        fs::copy(image.path(name), new.path().join(name))?;
    }
    if let Some(fingerprint) = cluster_key::hand_over(&dir, new.path())? {
        let place = dir.join(cluster_key::KEY);
        eprintln!(
            "image: new cluster key {fingerprint} in {}",
            place.display()
        );
    }
    rustix::fs::syncfs(fs::open(new.path())?).context("cannot sync the image to the disk")?;
    if dir.exists() {
        // The old image goes where the new one was, and away with it.
        renameat_with(CWD, new.path(), CWD, &dir, RenameFlags::EXCHANGE)
            .with_context(|| format!("cannot put the image at {}", dir.display()))?;
    } else {
        fs::rename(new.keep(), &dir)?;
    }
    Ok(true)
}

/// The manifest has the digests of the other files, so its equality and their sizes tell enough.
fn is_deployed(dir: &Path, image: &Output) -> bool {
    let size = |path: PathBuf| fs::metadata(path).map(|meta| meta.len()).ok();
    let manifest = |path: PathBuf| fs::read(path).ok();
    manifest(dir.join(MANIFEST)).is_some_and(|have| Some(have) == manifest(image.path(MANIFEST)))
        && [KERNEL, INITRAMFS].into_iter().all(|name| {
            size(dir.join(name)).is_some() && size(dir.join(name)) == size(image.path(name))
        })
        && cluster_key::is_there(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_put_in_place_whole_and_once() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        let profile = Profile::for_test(
            "trial",
            "description = \"\"\n[modules]\ndirectory = \"/m\"\n\
             [rootfs]\nbusybox = \"/b\"\napplets = \"/a\"\n",
        )?;
        let image = Output {
            step: "image",
            dir: dir.path().join("made"),
            identity: "1".into(),
        };
        fs::create_dir(&image.dir)?;
        let make = |text: &str| {
            [KERNEL, INITRAMFS, MANIFEST]
                .iter()
                .try_for_each(|name| fs::write(image.path(name), text))
        };
        make("one")?;
        assert!(deploy(&ctx, &profile, &image)?);
        assert!(!deploy(&ctx, &profile, &image)?);
        let place = ctx.image_dir(&profile.name);
        fs::write(place.join(KERNEL), "spoilt")?;
        assert!(deploy(&ctx, &profile, &image)?);
        let key = fs::read(place.join(cluster_key::KEY))?;
        make("two")?;
        assert!(deploy(&ctx, &profile, &image)?);
        assert_eq!(fs::read_to_string(place.join(INITRAMFS))?, "two");
        assert_eq!(fs::read(place.join(cluster_key::KEY))?, key);
        Ok(())
    }
}
