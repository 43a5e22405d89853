// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a node's keys are.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{read_secret, KeyFile, KeyFileError};

/// The node's own file of keys.
pub const KEY_FILE: &str = "/etc/podos/cluster.key";

/// The file that a virtual machine's host gives it, in place of [`KEY_FILE`]: QEMU's
/// `-fw_cfg name=opt/podos/cluster-key,file=...`. The word `none` in it means no key at all.
pub const GIVEN_KEY_FILE: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/podos/cluster-key/raw";

const NO_KEY: &[u8] = b"none";

/// Where a node's keys are looked for.
#[derive(Clone, Debug)]
pub struct KeyPlaces {
    given: PathBuf,
    own: PathBuf,
}

impl Default for KeyPlaces {
    fn default() -> Self {
        Self::at(GIVEN_KEY_FILE, KEY_FILE)
    }
}

impl KeyPlaces {
    /// These in place of [`GIVEN_KEY_FILE`] and [`KEY_FILE`].
    pub fn at(given: impl Into<PathBuf>, own: impl Into<PathBuf>) -> Self {
        Self {
            given: given.into(),
            own: own.into(),
        }
    }

    /// The keys that the node starts with; `None` if it has none.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::read`].
    pub fn keys(&self) -> Result<Option<KeyFile>, KeyFileError> {
        if let Some(text) = there(read_secret(&self.given))? {
            return match text.trim_ascii() {
                NO_KEY => Ok(None),
                _ => KeyFile::of_text(&text, &self.given).map(Some),
            };
        }
        there(KeyFile::read(&self.own))
    }

    /// The file that keeps changes over a boot; `None` where the keys are given from outside.
    pub fn keeps_changes(&self) -> Option<&Path> {
        (!self.given.exists()).then_some(&self.own)
    }
}

/// `None` for a file that is not there.
fn there<T>(read: Result<T, KeyFileError>) -> Result<Option<T>, KeyFileError> {
    match read {
        Err(KeyFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterKey;

    #[test]
    fn what_is_given_outranks_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (given, own) = (dir.path().join("raw"), dir.path().join("cluster.key"));
        let places = KeyPlaces::at(&given, &own);
        assert_eq!(places.keys().unwrap(), None);
        assert_eq!(places.keeps_changes(), Some(own.as_path()));
        let files = [(); 2].map(|()| KeyFile::of(ClusterKey::generate().unwrap()));
        files[0].create(&own).unwrap();
        assert_eq!(places.keys().unwrap().as_ref(), Some(&files[0]));
        files[1].create(&given).unwrap();
        assert_eq!(places.keys().unwrap().as_ref(), Some(&files[1]));
        assert_eq!(places.keeps_changes(), None);
        std::fs::write(&given, "none\n").unwrap();
        assert_eq!(places.keys().unwrap(), None);
        std::fs::write(&given, "nothing\n").unwrap();
        let error = places.keys().unwrap_err().to_string();
        assert!(error.contains("raw:1: not a key"), "{error}");
    }
}
