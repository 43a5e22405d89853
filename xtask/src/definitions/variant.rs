// SPDX-License-Identifier: MIT OR Apache-2.0

//! A profile with another kernel than its own.

use podos_harness::Kernel;

use super::Profile;

impl Profile {
    /// The profile with this kernel; its image has a name of its own.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.name = kernel.image(&self.name);
        if kernel == Kernel::Debug {
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
        let base = profile.clone().with_kernel(Kernel::Base);
        assert_eq!(
            (base.name.as_str(), base.kernel.fragments.len()),
            ("trial", 1)
        );
        let debug = profile.with_kernel(Kernel::Debug);
        assert_eq!(debug.name, "trial-debug");
        assert_eq!(debug.kernel.fragments, ["base", "debug"]);
    }
}
