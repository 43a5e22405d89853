// SPDX-License-Identifier: MIT OR Apache-2.0

//! The keys that a node knows: this node's, and another one's.

use anyhow::{anyhow, bail, Context, Result};
use podos::{ClusterKey, Cm, Fingerprint, KeyFile, KeyPlaces, KnownKey, Node};
use serde::Deserialize;

/// A node's keys. Each change may be made again: it is then done already.
pub trait Ring {
    /// The keys, and which one is in use.
    fn list(&self) -> Result<Vec<KnownKey>>;
    /// Accepts a key.
    fn add(&self, key: &ClusterKey) -> Result<()>;
    /// Sends with a key.
    fn promote(&self, name: Fingerprint) -> Result<()>;
    /// Forgets a key.
    fn remove(&self, name: Fingerprint) -> Result<()>;
}

/// This node's keys: those that the kernel knows, and the file that they come from at boot.
#[derive(Default)]
pub struct LocalRing {
    cm: Cm,
    places: KeyPlaces,
}

impl LocalRing {
    /// Makes a change to the file as well, which holds what the kernel is to know after a boot.
    ///
    /// Only a file with the keys of this cluster is changed: what was given from outside is
    /// changed there.
    fn keep(&self, change: impl FnOnce(&mut KeyFile) -> bool) -> Result<()> {
        let Some(path) = self.places.keeps_changes() else {
            return Ok(());
        };
        let mut file = self.places.keys()?.unwrap_or_default();
        if !change(&mut file) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(file.replace(path)?)
    }

    #[cfg(test)]
    fn at(dir: &std::path::Path) -> Self {
        Self {
            cm: Cm::at(dir, dir),
            places: KeyPlaces::at(dir.join("given"), dir.join("etc/cluster.key")),
        }
    }
}

impl Ring for LocalRing {
    fn list(&self) -> Result<Vec<KnownKey>> {
        if let Ok(Some(mode)) = self.cm.mode() {
            if !mode.is_keyed() {
                bail!("this cluster works in mode {mode}, without keys");
            }
        }
        Ok(self.cm.keyring()?)
    }

    fn add(&self, key: &ClusterKey) -> Result<()> {
        self.cm.add_key(key)?;
        self.keep(|file| file.add(key))
    }

    fn promote(&self, name: Fingerprint) -> Result<()> {
        self.cm.use_key(name)?;
        self.keep(|file| file.promote(name))
    }

    fn remove(&self, name: Fingerprint) -> Result<()> {
        self.cm.drop_key(name)?;
        self.keep(|file| file.remove(name))
    }
}

/// Another node's keys, through `podos key` there.
pub struct RemoteRing(pub Node);

/// The program as it is called on other nodes.
const PROGRAM: &str = "podos";

impl RemoteRing {
    fn run(&self, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
        let node = self.0;
        let verb = arguments.join(" ");
        let mut child = podos::Command::new(PROGRAM)
            .arg("key")
            .args(arguments)
            .on(node.to_string())
            .spawn()
            .with_context(|| format!("cannot reach {node}"))?;
        let context = || format!("cannot run `podos key {verb}` on {node}");
        // A program that fails at once takes no input; its own words tell more than that.
        let _ = match child.write_input(input.as_bytes()) {
            Ok(()) => child.end_input(),
            // A key that is cut off must not look like a whole one.
            Err(_) => child.fail_input(libc::EIO),
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = child.forward(&mut out, &mut err).with_context(context)?;
        if status.success() {
            return Ok(out);
        }
        let said = String::from_utf8_lossy(&err);
        let said = said.trim().trim_start_matches("podos: ");
        Err(anyhow!("{said} ({status})")).with_context(context)
    }
}

impl Ring for RemoteRing {
    fn list(&self) -> Result<Vec<KnownKey>> {
        known(&self.run(&["list", "--json"], "")?)
            .with_context(|| format!("cannot read the answer of `podos key list` on {}", self.0))
    }

    fn add(&self, key: &ClusterKey) -> Result<()> {
        self.run(&["add", super::STDIN], &(key.reveal() + "\n"))
            .map(drop)
    }

    fn promote(&self, name: Fingerprint) -> Result<()> {
        self.run(&["use", &name.to_string()], "").map(drop)
    }

    fn remove(&self, name: Fingerprint) -> Result<()> {
        self.run(&["drop", &name.to_string()], "").map(drop)
    }
}

fn known(answer: &[u8]) -> Result<Vec<KnownKey>> {
    #[derive(Deserialize)]
    struct Key {
        fingerprint: String,
        used: bool,
    }
    let keys: Vec<Key> = serde_json::from_slice(answer)?;
    keys.into_iter()
        .map(|key| {
            Ok(KnownKey {
                fingerprint: key.fingerprint.parse()?,
                used: key.used,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn keys<const N: usize>() -> [ClusterKey; N] {
        std::array::from_fn(|_| ClusterKey::generate().unwrap())
    }

    #[test]
    fn the_file_is_kept_in_step() {
        let dir = tempfile::tempdir().unwrap();
        let ring = LocalRing::at(dir.path());
        let kernel = dir.path().join("keys");
        fs::write(&kernel, "").unwrap();
        let [one, two] = keys();
        let (first, second) = (one.fingerprint(), two.fingerprint());
        ring.add(&one).unwrap();
        ring.add(&two).unwrap();
        ring.promote(second).unwrap();
        let file = || KeyFile::read(&dir.path().join("etc/cluster.key")).unwrap();
        assert_eq!(file().keys(), [two.clone(), one.clone()]);
        ring.remove(first).unwrap();
        assert_eq!(file().keys().len(), 1);
        assert_eq!(file().keys()[0], two);
        let lines = format!(
            "add {}\nadd {}\nuse {second}\ndrop {first}\n",
            one.reveal(),
            two.reveal()
        );
        assert_eq!(fs::read_to_string(&kernel).unwrap(), lines);
    }

    #[test]
    fn what_the_kernel_refuses_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let ring = LocalRing::at(dir.path());
        let [key] = keys();
        assert!(ring.add(&key).is_err());
        assert!(!dir.path().join("etc").exists());
    }

    #[test]
    fn keys_that_were_given_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let ring = LocalRing::at(dir.path());
        fs::write(dir.path().join("keys"), "").unwrap();
        fs::write(dir.path().join("given"), "none\n").unwrap();
        let [key] = keys();
        ring.add(&key).unwrap();
        assert!(!dir.path().join("etc").exists());
    }

    #[test]
    fn an_open_cluster_has_no_keys_to_list() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mode"), "open\n").unwrap();
        let error = LocalRing::at(dir.path()).list().unwrap_err().to_string();
        assert!(error.contains("mode open, without keys"), "{error}");
    }

    #[test]
    fn a_remote_list_is_understood() {
        let answer = br#"[{"fingerprint": "00ff00ff", "used": true}]"#;
        let keys = known(answer).unwrap();
        assert_eq!((keys.len(), keys[0].used), (1, true));
        assert!(known(b"no JSON").is_err());
        assert!(known(br#"[{"fingerprint": "x", "used": true}]"#).is_err());
    }
}
