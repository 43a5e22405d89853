// SPDX-License-Identifier: MIT OR Apache-2.0

//! The image that a node boots.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::topology::Topology;

/// The service that a node can be asked through.
const AGENT: &str = "agent";

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
    /// Whether its nodes can be asked anything.
    pub has_agent: bool,
}

/// The images of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Images {
    /// That of most nodes.
    pub usual: Image,
    /// Those of nodes with another one, by host id.
    pub other: BTreeMap<u32, Image>,
}

/// What `cargo xtask image` says of an image, as far as it matters here.
#[derive(Deserialize)]
struct Manifest {
    services: Vec<String>,
}

impl Image {
    /// The image in this folder, as `cargo xtask image` writes it.
    fn find(folder: &Path, profile: &str) -> Result<Self> {
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
        let manifest = file("manifest.toml")?;
        let text = fs::read_to_string(&manifest);
        let manifest = text
            .and_then(|text| toml::from_str::<Manifest>(&text).map_err(std::io::Error::other))
            .context(|| format!("read {}", manifest.display()))?;
        Ok(Self {
            kernel: file("bzImage")?,
            initramfs: file("initramfs.cpio.zst")?,
            key: folder.join("cluster.key").canonicalize().ok(),
            has_agent: manifest.services.iter().any(|name| name == AGENT),
        })
    }
}

impl Images {
    /// The images of a cluster; most nodes boot that in `folder`, those of other profiles are
    /// beside it.
    pub(crate) fn find(folder: &Path, topology: &Topology) -> Result<Self> {
        let other = topology.nodes.iter().filter_map(|node| {
            let name = topology.own_image(*node)?;
            let beside = folder.join("..").join(name);
            Some(Image::find(&beside, name).map(|image| (*node, image)))
        });
        Ok(Self {
            usual: Image::find(folder, &topology.image())?,
            other: other.collect::<Result<_>>()?,
        })
    }

    /// That of a node.
    pub(crate) fn of(&self, node: u32) -> &Image {
        self.other.get(&node).unwrap_or(&self.usual)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The images of a cluster whose nodes are all alike.
    pub(crate) fn images(key: Option<PathBuf>) -> Images {
        Images {
            usual: Image {
                kernel: "/i/bzImage".into(),
                initramfs: "/i/initramfs".into(),
                key,
                has_agent: true,
            },
            other: BTreeMap::new(),
        }
    }

    #[test]
    fn a_missing_file_names_itself_and_the_verb_that_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        fs::write(folder.join("bzImage"), "x").unwrap();
        fs::write(folder.join("manifest.toml"), "services = []").unwrap();
        let error = Images::find(folder, &Topology::nodes(1)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("initramfs.cpio.zst is missing"), "{error}");
        assert!(error.contains("cargo xtask image --profile lab"), "{error}");
    }

    #[test]
    fn images_of_other_profiles_lie_beside() {
        let dir = tempfile::tempdir().unwrap();
        for (name, services) in [("mine", "[\"agent\"]"), ("node", "[]")] {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            for file in ["bzImage", "initramfs.cpio.zst"] {
                fs::write(folder.join(file), "x").unwrap();
            }
            let manifest = format!("profile = \"{name}\"\nservices = {services}\n");
            fs::write(folder.join("manifest.toml"), manifest).unwrap();
        }
        let mine = dir.path().join("mine");
        let topology = Topology::nodes(3).profile_of(2, "node");
        let images = Images::find(&mine, &topology).unwrap();
        assert!(images.of(1).has_agent && images.of(3).has_agent);
        assert!(!images.of(2).has_agent);
        assert!(images.of(2).kernel.ends_with("node/bzImage"));
        let error = Images::find(&mine, &topology.profile_of(1, "none")).unwrap_err();
        assert!(error.to_string().contains("--profile none"), "{error}");
    }
}
