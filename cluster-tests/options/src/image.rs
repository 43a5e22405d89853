// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which image is meant.

use std::path::{Path, PathBuf};

use podos_harness::{Kernel, LAB};

/// An image's profile. Whoever has a usual one gives the option a default.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Profile {
    /// Profile of the image: a file of images/, without its ending
    #[arg(long, value_name = "P")]
    pub profile: Option<String>,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        self.profile.as_deref().unwrap_or(LAB)
    }
}

/// An image's profile and kernel.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Image {
    /// The profile.
    #[command(flatten)]
    pub profile: Profile,
    /// Kernel of the image, base if nothing says so; debug checks itself, takes more of everything,
    /// and makes it the image of PROFILE-debug
    #[arg(long, value_name = "base|debug")]
    pub kernel: Option<Kernel>,
}

impl Image {
    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        self.kernel.unwrap_or_default()
    }

    /// Name of the image.
    pub fn name(&self) -> String {
        self.kernel().image(self.profile.name())
    }
}

/// An image that is there already.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Folder {
    /// Boot the image in this folder, and build none
    #[arg(long, value_name = "DIR")]
    pub image_dir: Option<PathBuf>,
}

impl Folder {
    /// The folder; that of the image `name` in the checkout `root` if none was given.
    pub fn or_of(&self, root: &Path, name: &str) -> PathBuf {
        let given = self.image_dir.clone();
        given.unwrap_or_else(|| image_dir(root, name))
    }
}

/// Where the checkout `root` has the image `name`.
pub fn image_dir(root: &Path, name: &str) -> PathBuf {
    root.join("target/images").join(name)
}
