// SPDX-License-Identifier: GPL-2.0-only

//! The cluster keys that a node has.

use super::{schedule, Fingerprint, Key, KeyError, Prf};

/// How many a node can have.
const MAX_KEYS: usize = 4;

/// Up to four cluster keys: frames of members that use any of them are accepted, own ones are made
/// with the one in use. So a cluster changes its key while it works: the new one is added on every
/// node, then used on every node, then the old one dropped on every node.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub struct KeyRing {
    keys: [Option<(Fingerprint, Key)>; MAX_KEYS],
    used: Option<Fingerprint>,
}

impl KeyRing {
    /// A ring without keys.
    pub const fn new() -> Self {
        Self {
            keys: [const { None }; MAX_KEYS],
            used: None,
        }
    }

    /// The fingerprints of all keys, and whether it is the one in use.
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, bool)> + use<'_> {
        let names = self.keys.iter().flatten().map(|(name, _)| *name);
        names.map(|name| (name, self.used == Some(name)))
    }

    /// The key with this fingerprint.
    pub fn get(&self, name: Fingerprint) -> Option<&Key> {
        let mut keys = self.keys.iter().flatten();
        keys.find(|(other, _)| *other == name).map(|(_, key)| key)
    }

    /// The key in use.
    pub fn used(&self) -> Option<(Fingerprint, &Key)> {
        let name = self.used?;
        Some((name, self.get(name)?))
    }

    pub(super) fn add<P: Prf>(&mut self, key: Key) -> Result<Fingerprint, KeyError> {
        let name = schedule::fingerprint::<P>(&key);
        if self.get(name).is_some() {
            return Err(KeyError::Exists);
        }
        let free = self.keys.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(KeyError::Full)? = Some((name, key));
        Ok(name)
    }

    pub(super) fn take_into_use(&mut self, name: Fingerprint) -> Result<(), KeyError> {
        self.get(name).ok_or(KeyError::Unknown)?;
        self.used = Some(name);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: Fingerprint) -> Result<(), KeyError> {
        self.get(name).ok_or(KeyError::Unknown)?;
        if self.used == Some(name) {
            return Err(KeyError::InUse);
        }
        for slot in &mut self.keys {
            if slot.as_ref().is_some_and(|(other, _)| *other == name) {
                *slot = None;
            }
        }
        Ok(())
    }
}
