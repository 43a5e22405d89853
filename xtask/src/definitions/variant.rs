// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which kernel an image boots.

use clap::ValueEnum;

use super::Profile;

/// A kernel of a profile: its own, or one that watches itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KernelVariant {
    /// The profile's own kernel
    #[default]
    Base,
    /// The same with KASAN, lockdep, kmemleak and fault injection: slow, but it tells what is wrong
    Debug,
}

impl KernelVariant {
    /// Its name, on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Debug => "debug",
        }
    }

    /// The name of a profile's image with this kernel: that of its folder in target/images.
    pub fn image_name(self, profile: &str) -> String {
        match self {
            Self::Base => profile.to_owned(),
            Self::Debug => format!("{profile}-debug"),
        }
    }
}

impl Profile {
    /// The profile with another kernel; its image has a name of its own.
    #[must_use]
    pub fn with_kernel(mut self, variant: KernelVariant) -> Self {
        self.name = variant.image_name(&self.name);
        if variant == KernelVariant::Debug {
            self.kernel.fragments.push("debug".to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_image_stands_beside_the_other() {
        let profile: Profile = crate::definitions::parse(
            "images/trial.toml",
            "description = \"\"\nuserspace = {}\n[kernel]\nfragments = [\"base\"]\n[modules]\ndirectory = \"/m\"\n\
             names = []\n[rootfs]\noverlay = \"o\"\nbusybox = \"/b\"\napplets = \"/a\"\n",
        )
        .unwrap();
        let profile = Profile {
            name: "trial".into(),
            ..profile
        };
        let base = profile.clone().with_kernel(KernelVariant::Base);
        assert_eq!(
            (base.name, base.kernel.fragments.len()),
            ("trial".into(), 1)
        );
        let debug = profile.with_kernel(KernelVariant::Debug);
        assert_eq!(debug.name, "trial-debug");
        assert_eq!(debug.kernel.fragments, ["base", "debug"]);
    }
}
