// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cluster key that goes with an image.
//!
//! It lies beside the image, not in it. The image has the same bytes wherever it is built and is
//! kept in a cache; neither may be true of a key. It is made once, and later builds leave it alone,
//! so that a new image joins the nodes that run the old one.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context as _, Result};
use podos::{ClusterKey, Fingerprint, KeyFile};

use crate::cpio::{Entry, Tree};
use crate::engine::sandbox::SOURCE_DATE_EPOCH;
use crate::fs;

/// The key's file name beside an image.
pub const KEY: &str = "cluster.key";
/// The file name of an initramfs that has the key and nothing else, for boot loaders to hand to
/// the kernel behind the image's.
pub const ARCHIVE: &str = "cluster-key.cpio";

/// Puts the key of the image in `old` beside the one in `new`, or a fresh key where there is none;
/// the fresh one's fingerprint.
pub fn hand_over(old: &Path, new: &Path) -> Result<Option<Fingerprint>> {
    let place = old.join(KEY);
    let (keys, fresh) = if place.exists() {
        (KeyFile::read(&place)?, None)
    } else {
        let key = ClusterKey::generate().context("cannot generate a cluster key")?;
        let fingerprint = key.fingerprint();
        (KeyFile::of(key), Some(fingerprint))
    };
    keys.create(&new.join(KEY))?;
    let path = new.join(ARCHIVE);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(&archive(&keys)?))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fresh)
}

/// Whether the image in `dir` has its key, in both forms.
pub fn is_there(dir: &Path) -> bool {
    let Ok(keys) = KeyFile::read(&dir.join(KEY)) else {
        return false;
    };
    let wanted = archive(&keys);
    fs::read(dir.join(ARCHIVE)).is_ok_and(|have| wanted.is_ok_and(|wanted| have == wanted))
}

fn archive(keys: &KeyFile) -> std::io::Result<Vec<u8>> {
    let mut tree = Tree::default();
    tree.insert(podos::KEY_FILE, Entry::Secret(keys.text().into_bytes()));
    let mut bytes = Vec::new();
    tree.write(&mut bytes, SOURCE_DATE_EPOCH)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn folders() -> Result<(tempfile::TempDir, [std::path::PathBuf; 3])> {
        let dir = tempfile::tempdir()?;
        let folders = ["a", "b", "c"].map(|name| dir.path().join(name));
        folders.iter().try_for_each(fs::create_dir)?;
        Ok((dir, folders))
    }

    #[test]
    fn the_first_build_makes_the_key_and_later_ones_keep_it() -> Result<()> {
        let (_dir, [none, first, second]) = folders()?;
        assert!(!is_there(&first));
        let made = hand_over(&none, &first)?;
        assert_eq!(hand_over(&first, &second)?, None);
        let key = KeyFile::read(&first.join(KEY))?.keys()[0].fingerprint();
        assert_eq!(made, Some(key));
        assert!(is_there(&first) && is_there(&second));
        for name in [KEY, ARCHIVE] {
            let file = second.join(name);
            assert_eq!(fs::read(&file)?, fs::read(first.join(name))?);
            assert_eq!(fs::metadata(&file)?.mode() & 0o7777, 0o600);
        }
        let text = fs::read_to_string(second.join(KEY))?;
        let archive = fs::read(second.join(ARCHIVE))?;
        let has = |part: &[u8]| archive.windows(part.len()).any(|window| window == part);
        assert!(has(text.as_bytes()) && has(b"etc/podos/cluster.key\0"));
        Ok(())
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() -> Result<()> {
        let (_dir, [none, first, second]) = folders()?;
        hand_over(&none, &first)?;
        fs::set_permissions(first.join(KEY), fs::Permissions::from_mode(0o644))?;
        assert!(!is_there(&first));
        let error = hand_over(&first, &second).expect_err("it is no secret");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        Ok(())
    }

    #[test]
    fn a_spoilt_archive_is_made_again() -> Result<()> {
        let (_dir, [none, first, _]) = folders()?;
        hand_over(&none, &first)?;
        fs::write(first.join(ARCHIVE), "spoilt")?;
        assert!(!is_there(&first));
        Ok(())
    }
}
