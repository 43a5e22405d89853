// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node boots.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Kernel and root of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    #[serde(with = "crate::paths")]
    pub kernel: PathBuf,
    #[serde(with = "crate::paths")]
    pub initramfs: PathBuf,
    /// The cluster key that was made with it, if there is one.
    #[serde(with = "crate::paths::optional", default)]
    pub key: Option<PathBuf>,
}

impl Image {
    /// The image in this folder, as `cargo xtask image` writes it.
    pub(crate) fn find(folder: &Path, profile: &str) -> Result<Self> {
        let file = |name: &str| {
            let path = folder.join(name);
            match path.canonicalize() {
                Ok(path) => Ok(path),
                Err(_) => Err(Error::NoImage {
                    path,
                    profile: profile.into(),
                }),
            }
        };
        Ok(Self {
            kernel: file("bzImage")?,
            initramfs: file("initramfs.cpio.zst")?,
            key: folder.join("cluster.key").canonicalize().ok(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_itself_and_the_verb_that_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bzImage"), "x").unwrap();
        let error = Image::find(dir.path(), "minimal").unwrap_err().to_string();
        assert!(error.contains("initramfs.cpio.zst is missing"), "{error}");
        assert!(
            error.contains("cargo xtask image --profile minimal"),
            "{error}"
        );
    }
}
