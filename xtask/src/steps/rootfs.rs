// SPDX-License-Identifier: MIT OR Apache-2.0

//! The base system: the profile's overlays, busybox and its applets.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::definitions::Profile;
use crate::engine::key::list_files;
use crate::engine::{Inputs, Job, Output, Sandbox, Step};
use crate::fs;

/// Makes `overlay/` (files to go into the image as they are), `busybox`, and `applets`, the list of
/// its applets.
#[derive(Debug)]
pub struct Rootfs<'a> {
    /// Busybox is taken from here.
    pub root: &'a Output,
    /// The checkout.
    pub checkout: &'a Path,
    /// Names the overlays.
    pub profile: &'a Profile,
}

impl Step for Rootfs<'_> {
    const NAME: &'static str = "rootfs";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.value("recipe", 2).output(self.root);
        for (index, folder) in self.profile.overlays().enumerate() {
            inputs.value(format!("overlay {index}"), &folder);
            inputs.tree(self.checkout, &folder, |_| true)?;
        }
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let overlay = job.out().join("overlay");
        fs::create_dir(&overlay)?;
        for from in self.profile.overlays() {
            self.copy(&from, &overlay)?;
        }
        let busybox = self.root.path("root/usr/bin/busybox");
        fs::copy(&busybox, job.out().join("busybox"))
            .context("cannot copy busybox: rootfs/build-root.toml must name busybox-static")?;
        let list = Sandbox::new(self.root).command(["/usr/bin/busybox", "--list"]);
        let applets = job.read("busybox --list", &list)?;
        fs::write(job.out().join("applets"), applets)?;
        Ok(())
    }

    fn advice(&self) -> String {
        let overlays: Vec<_> = self.profile.overlays().collect();
        format!(
            "see {} and the rootfs table of images/{}.toml",
            overlays.join(", "),
            self.profile.name
        )
    }
}

impl Rootfs<'_> {
    /// Copies the files of an overlay over those that are there.
    fn copy(&self, from: &str, overlay: &Path) -> Result<()> {
        for name in list_files(self.checkout, from)? {
            let to = overlay.join(name.strip_prefix(from)?);
            fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            if fs::symlink_metadata(&to).is_ok() {
                fs::remove_file(&to)?;
            }
            let source = self.checkout.join(&name);
            if fs::symlink_metadata(&source)?.is_symlink() {
                fs::symlink(fs::read_link(&source)?, &to)?;
            } else {
                fs::copy(&source, &to)?;
            }
        }
        Ok(())
    }
}
