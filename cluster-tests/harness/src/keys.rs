// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cluster keys of nodes, in files that QEMU reads and hands to the guest
//! by its firmware configuration device: in no command line and in no log.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};
use crate::image::Images;
use crate::topology::{node_name, NodeKey, Topology};

/// The file's name in the guest's firmware configuration.
pub(crate) const NAME: &str = "opt/podos/cluster-key";

/// What the file of a node without a key says: QEMU gives no empty file.
const NONE: &str = "none\n";

/// Bytes of a key.
const LENGTH: usize = 32;

/// The file with the key of a node: that of its image, if the image has one, or one in the folder
/// of all keys.
pub(crate) fn file(
    folder: &Path,
    images: &Images,
    topology: &Topology,
    node: u32,
) -> Option<PathBuf> {
    match topology.key_of(node) {
        NodeKey::Image => images.of(node).key.clone(),
        _ => Some(folder.join(name(topology, node))),
    }
}

fn name(topology: &Topology, node: u32) -> String {
    match topology.key_of(node) {
        NodeKey::Cluster => "cluster".into(),
        _ => node_name(node),
    }
}

/// Makes the folder and the files of all nodes.
pub(crate) fn make(folder: &Path, topology: &Topology) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .context(|| format!("make the folder {}", folder.display()))?;
    for node in &topology.nodes {
        if topology.key_of(*node) == &NodeKey::Image {
            continue;
        }
        let path = folder.join(name(topology, *node));
        if path.exists() {
            // The nodes' common one.
            continue;
        }
        let text = match topology.key_of(*node) {
            NodeKey::None => NONE.to_owned(),
            NodeKey::File(given) => {
                read(given).context(|| format!("read the key in {}", given.display()))?
            }
            NodeKey::Cluster | NodeKey::Own | NodeKey::Image => {
                random().context(|| "draw a cluster key".into())?
            }
        };
        write(&path, &text).context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    let key = text.trim_end();
    if key.len() == 2 * LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(format!("{key}\n"));
    }
    // Without its content: it may be a key with a slip.
    Err(io::Error::other("64 hexadecimal digits are wanted"))
}

fn random() -> io::Result<String> {
    let mut key = [0; LENGTH];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let digits = key.iter().map(|byte| format!("{byte:02x}"));
    Ok(digits.chain(["\n".into()]).collect())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::images;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_node_gets_the_key_that_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("given");
        fs::write(&given, "ab".repeat(32)).unwrap();
        let topology = Topology::nodes(6)
            .key(3, NodeKey::Own)
            .key(4, NodeKey::None)
            .key(5, NodeKey::Image)
            .key(6, NodeKey::File(given));
        let folder = dir.path().join("keys");
        make(&folder, &topology).unwrap();
        let images = images(None);
        let key = |node| fs::read_to_string(file(&folder, &images, &topology, node)?).ok();
        assert_eq!(key(1), key(2));
        assert_eq!(key(1).unwrap().len(), 65);
        assert_ne!(key(1), key(3));
        assert_eq!(key(4).unwrap(), "none\n");
        assert_eq!(key(5), None);
        assert_eq!(key(6).unwrap(), format!("{}\n", "ab".repeat(32)));
        let own = Some("/i/cluster.key".into());
        let images = crate::image::tests::images(own.clone());
        assert_eq!(file(&folder, &images, &topology, 5), own);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("cluster")), 0o600);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("given");
        fs::write(&given, "beef").unwrap();
        let topology = Topology::nodes(1).key(1, NodeKey::File(given));
        let error = make(&dir.path().join("keys"), &topology).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("64 hexadecimal digits") && !text.contains("beef"),
            "{text}"
        );
    }
}
