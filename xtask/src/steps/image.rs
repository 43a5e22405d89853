// SPDX-License-Identifier: MIT OR Apache-2.0

//! The image: kernel and initramfs as they boot, and a manifest that says what they are made of.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{bail, Context as _, Result};
use podos_init::config;
use serde::Serialize;

use super::{build_root, source};
use crate::cpio::{Access, Entry, Tree};
use crate::definitions::Profile;
use crate::engine::key::digest_file;
use crate::engine::sandbox::SOURCE_DATE_EPOCH;
use crate::engine::{Inputs, Job, Output, Sandbox, Step};
use crate::fs;
use crate::lock::{KernelPin, Locked};

/// The kernel's file name in an image.
pub const KERNEL: &str = "bzImage";
/// The initramfs's file name in an image.
pub const INITRAMFS: &str = "initramfs.cpio.zst";
/// The manifest's file name in an image.
pub const MANIFEST: &str = "manifest.toml";

/// Where a node finds what its Communication Manager is to do.
const CM_CONFIG: &str = "/etc/podos/cm.toml";

/// What everyone may do with an empty folder of a profile.
fn access(directory: &str) -> Access {
    match directory {
        "/tmp" | "/var/tmp" => Access::Write,
        "/root" => Access::Nothing,
        _ => Access::Read,
    }
}

/// Makes `bzImage`, `initramfs.cpio.zst` and `manifest.toml`.
#[derive(Debug)]
pub struct Image<'a> {
    /// What goes where.
    pub profile: &'a Profile,
    /// The toolchain.
    pub root: &'a Locked,
    /// The kernel's source.
    pub source: &'a Locked,
    /// The kernel.
    pub kernel: &'a Output,
    /// The modules.
    pub modules: &'a Output,
    /// The programs.
    pub userspace: &'a Output,
    /// The base system.
    pub rootfs: &'a Output,
}

/// What an image is made of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    profile: String,
    /// What is not as podos.lock says.
    warnings: Vec<String>,
    /// Programs that run for as long as a node does.
    services: Vec<String>,
    kernel: KernelPin,
    /// SHA-256 of each file of the image.
    files: BTreeMap<String, String>,
    /// Identities of the steps that made it.
    steps: BTreeMap<String, String>,
    /// Package versions of the build root.
    build_root: BTreeMap<String, String>,
}

impl Image<'_> {
    fn parts(&self) -> [&Output; 6] {
        let (root, source) = (self.root.output(), self.source.output());
        [
            root,
            source,
            self.kernel,
            self.modules,
            self.userspace,
            self.rootfs,
        ]
    }

    fn warnings(&self) -> Vec<String> {
        [&self.root.warnings[..], &self.source.warnings[..]].concat()
    }

    /// What init is told to do.
    fn init(&self) -> Result<String> {
        let config = toml::to_string(&self.profile.init())?;
        Ok(format!(
            "# Written by the build, from the image's profile.\n{config}"
        ))
    }

    /// The tree of the initramfs.
    fn tree(&self) -> Result<Tree> {
        let profile = self.profile;
        let mut tree = Tree::default();
        for directory in &profile.rootfs.directories {
            tree.insert(directory, Entry::Directory(access(directory)));
        }
        for (place, target) in &profile.rootfs.symlinks {
            tree.insert(place, Entry::Symlink(target.clone()));
        }
        // The kernel opens these before /init has mounted devtmpfs.
        tree.insert("/dev/console", Entry::Device { major: 5, minor: 1 });
        tree.insert("/dev/null", Entry::Device { major: 1, minor: 3 });

        let busybox = &profile.rootfs.busybox;
        tree.insert(busybox, program(&self.rootfs.path("busybox"))?);
        for applet in fs::read_to_string(self.rootfs.path("applets"))?.lines() {
            let place = format!("{}/{applet}", profile.rootfs.applets);
            if !tree.contains(&place) {
                tree.insert(&place, Entry::Symlink(busybox.clone()));
            }
        }
        add_folder(&mut tree, &self.rootfs.path("overlay"), "")?;
        let cm = format!(
            "# What CM does to frames: aead, mac or open. All nodes of a cluster do the same.\n\
             mode = \"{}\"\n",
            profile.cm_mode
        );
        for (place, text) in [(CM_CONFIG, cm), (config::FILE, self.init()?)] {
            let data = text.into_bytes();
            let executable = false;
            tree.insert(place, Entry::File { data, executable });
        }
        for (package, place) in &profile.userspace {
            tree.insert(place, program(&self.userspace.path(package))?);
        }
        for name in profile.modules.names() {
            let built = self.modules.path(format!("{name}.ko"));
            let data = fs::read(&built).with_context(|| {
                format!(
                    "images/{}.toml names a module {name}, and rust-kmods/Kbuild makes none",
                    profile.name
                )
            })?;
            let place = format!("{}/{name}.ko", profile.modules.directory);
            tree.insert(
                &place,
                Entry::File {
                    data,
                    executable: false,
                },
            );
        }
        if !tree.contains("/init") {
            bail!(
                "images/{}.toml puts no program at /init: nothing would start",
                profile.name
            );
        }
        Ok(tree)
    }
}

impl Step for Image<'_> {
    const NAME: &'static str = "image";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.value("recipe", 4);
        for part in self.parts() {
            inputs.output(part);
        }
        inputs.value(
            "podos.lock",
            match self.warnings().as_slice() {
                [] => "as locked".to_owned(),
                warnings => warnings.join("; "),
            },
        );
        let rootfs = &self.profile.rootfs;
        inputs
            .value("busybox", &rootfs.busybox)
            .value("applets", &rootfs.applets);
        inputs
            .value("cm-mode", self.profile.cm_mode)
            .value("init", self.init()?);
        for name in self.profile.modules.names() {
            inputs.value(format!("module {name}"), &self.profile.modules.directory);
        }
        for directory in &rootfs.directories {
            inputs.value(format!("directory {directory}"), "wanted");
        }
        for (place, target) in &rootfs.symlinks {
            inputs.value(format!("symlink {place}"), target);
        }
        for (package, place) in &self.profile.userspace {
            inputs.value(format!("place of {package}"), place);
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let mut archive = Vec::new();
        self.tree()?.write(&mut archive, SOURCE_DATE_EPOCH)?;
        let scratch = job.scratch();
        fs::write(scratch.join("initramfs.cpio"), archive)?;
        // The build root's zstd, one thread: the same bytes on every machine.
        let zstd = Sandbox::new(self.root.output())
            .read_only(&scratch, "/build/in")
            .writable(job.out(), "/build/out")
            .command([
                "zstd",
                "-q",
                "-19",
                "--single-thread",
                "/build/in/initramfs.cpio",
                "-o",
                "/build/out/initramfs.cpio.zst",
            ]);
        job.run("zstd -19 initramfs.cpio", &zstd)?;
        fs::copy(self.kernel.path(KERNEL), job.out().join(KERNEL))?;

        let mut files = BTreeMap::new();
        for name in [KERNEL, INITRAMFS] {
            files.insert(name.to_owned(), digest_file(&job.out().join(name))?);
        }
        let manifest = Manifest {
            profile: self.profile.name.clone(),
            warnings: self.warnings(),
            services: self.profile.init().services.into_keys().collect(),
            kernel: source::pin(&self.source.output().dir)?,
            files,
            steps: self
                .parts()
                .iter()
                .map(|p| (p.step.to_owned(), p.identity.clone()))
                .collect(),
            build_root: build_root::packages(&self.root.output().dir)?,
        };
        fs::write(job.out().join(MANIFEST), toml::to_string(&manifest)?)?;
        Ok(())
    }

    fn advice(&self) -> String {
        let overlays: Vec<_> = self.profile.overlays().collect();
        format!(
            "see images/{}.toml and {}",
            self.profile.name,
            overlays.join(", ")
        )
    }
}

fn program(path: &Path) -> Result<Entry> {
    Ok(Entry::File {
        data: fs::read(path)?,
        executable: true,
    })
}

/// Adds everything below the folder `dir` at `place` of the tree.
fn add_folder(tree: &mut Tree, dir: &Path, place: &str) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let place = format!("{place}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add_folder(tree, &path, &place)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?.to_string_lossy().into_owned();
            tree.insert(&place, Entry::Symlink(target));
        } else {
            let executable = fs::symlink_metadata(&path)?.permissions().mode() & 0o111 != 0;
            tree.insert(
                &place,
                Entry::File {
                    data: fs::read(&path)?,
                    executable,
                },
            );
        }
    }
    Ok(())
}
