// SPDX-License-Identifier: MIT OR Apache-2.0

//! Mode and cluster key of the Communication Manager, which says nothing before it has them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, Context, Result};
use podos::{Cm, KeyPlaces, Mode};
use serde::Deserialize;

use crate::{log, rails};

/// The word of the kernel command line that outranks the configuration.
const MODE_WORD: &str = "podos.cm-mode=";

/// Where a node's mode and keys come from.
pub struct Sources {
    /// The configuration: `mode = "aead"`.
    config: PathBuf,
    /// The kernel's command line.
    command_line: PathBuf,
    /// The keys.
    keys: KeyPlaces,
}

/// The configuration file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    #[serde(default)]
    mode: Option<String>,
}

/// What CM has now.
#[derive(Debug, PartialEq, Eq)]
struct Loaded {
    mode: Mode,
    keys: usize,
}

/// Gives CM its mode and its keys, as far as it has none.
///
/// A node that needs a key and has none gets its mode all the same: it then says nothing, as
/// opposed to saying everything in the clear.
///
/// Before all that it gets its rails: it is not to say a word on a network that is no rail.
pub fn load() -> Result<()> {
    rails::load()?;
    match Sources::of_this_node().load(&Cm::default())? {
        Loaded { mode, keys: 0 } if mode.is_keyed() => log::warning(&no_key(mode)),
        Loaded { mode, keys } => log::info(&format!("CM works in mode {mode}, keys: {keys}")),
    }
    Ok(())
}

/// The same for a module that was loaded since; one that has its mode is left as it is.
pub fn load_anew() -> Result<()> {
    match Cm::default().mode()? {
        None => load(),
        Some(_) => Ok(()),
    }
}

fn no_key(mode: Mode) -> String {
    let place = podos::KEY_FILE;
    format!(
        "no cluster key for CM's mode {mode}, so this node stays alone: put the key of the cluster \
         into {place}, for root only (mode 0600), and run `podosd --load-keys`; where there is no \
         cluster yet, make one by `podos key generate`"
    )
}

impl Sources {
    fn of_this_node() -> Self {
        Self {
            config: "/etc/podos/cm.toml".into(),
            command_line: "/proc/cmdline".into(),
            keys: KeyPlaces::default(),
        }
    }

    fn load(&self, cm: &Cm) -> Result<Loaded> {
        let set = cm.mode()?;
        let mode = match set {
            Some(mode) => mode,
            None => self.mode()?,
        };
        // Keys before the mode, so that the node joins with its first word; and the mode even if
        // the keys are no good, so that it says no word.
        let keys = self.load_keys(cm, mode);
        if set.is_none() {
            cm.set_mode(mode)?;
        }
        Ok(Loaded { mode, keys: keys? })
    }

    /// Gives CM the keys that `mode` needs; how many it has then.
    fn load_keys(&self, cm: &Cm, mode: Mode) -> Result<usize> {
        if !mode.is_keyed() {
            return Ok(0);
        }
        let known = cm.keyring()?.len();
        if known > 0 {
            return Ok(known);
        }
        let Some(file) = self.keys.keys()? else {
            return Ok(0);
        };
        for key in file.keys() {
            cm.add_key(key)?;
        }
        Ok(file.keys().len())
    }

    /// The mode that this node is to work in: [`Mode::Aead`] if nobody says anything.
    fn mode(&self) -> Result<Mode> {
        let line = read(&self.command_line)?;
        let words = line.split_ascii_whitespace();
        if let Some(word) = words.rev().find_map(|w| w.strip_prefix(MODE_WORD)) {
            return word
                .parse()
                .with_context(|| format!("kernel command line: `{MODE_WORD}{word}`"));
        }
        let place = self.config.display();
        let text = match fs::read_to_string(&self.config) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Mode::Aead),
            other => other.with_context(|| format!("cannot read {place}"))?,
        };
        let config: Config =
            toml::from_str(&text).map_err(|e| anyhow!("{place}: {}", e.message()))?;
        match config.mode {
            None => Ok(Mode::Aead),
            Some(word) => word.parse().with_context(|| format!("{place}: mode")),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos::{ClusterKey, KeyFile};
    use std::os::unix::fs::PermissionsExt;

    struct Node {
        dir: tempfile::TempDir,
        sources: Sources,
        cm: Cm,
    }

    impl Node {
        fn new(config: &str, command_line: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            fs::write(path("cm.toml"), config).unwrap();
            fs::write(path("cmdline"), command_line).unwrap();
            fs::write(path("mode"), "unset\n").unwrap();
            fs::write(path("keys"), "").unwrap();
            fs::write(path("keyring"), "fingerprint state\n").unwrap();
            let sources = Sources {
                config: path("cm.toml"),
                command_line: path("cmdline"),
                keys: KeyPlaces::at(path("given"), path("cluster.key")),
            };
            let cm = Cm::at(dir.path(), dir.path());
            Self { dir, sources, cm }
        }

        fn key(&self, name: &str) -> String {
            let key = ClusterKey::generate().unwrap();
            let file = KeyFile::of(key.clone());
            file.replace(&self.dir.path().join(name)).unwrap();
            format!("add {}\n", key.reveal())
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.dir.path().join(name)).unwrap()
        }
    }

    #[test]
    fn the_command_line_outranks_the_configuration() {
        for (config, line, mode) in [
            ("mode = \"mac\"\n", "quiet podos.node=1\n", Mode::Mac),
            ("mode = \"mac\"\n", "podos.cm-mode=open quiet\n", Mode::Open),
            ("", "podos.cm-mode=open podos.cm-mode=mac", Mode::Mac),
            ("# nothing\n", "", Mode::Aead),
        ] {
            assert_eq!(Node::new(config, line).sources.mode().unwrap(), mode);
        }
        let node = Node::new("", "");
        fs::remove_file(&node.sources.config).unwrap();
        assert_eq!(node.sources.mode().unwrap(), Mode::Aead);
    }

    #[test]
    fn a_mode_that_is_none_is_named_and_not_taken_for_open() {
        for (config, line, wrong) in [
            ("mode = \"none\"\n", "", "cm.toml: mode: `none`"),
            ("mode = 3\n", "", "cm.toml: invalid type"),
            ("key = \"x\"\n", "", "cm.toml: unknown field `key`"),
            ("", "podos.cm-mode=", "`podos.cm-mode=`"),
        ] {
            let node = Node::new(config, line);
            let error = format!("{:#}", node.sources.load(&node.cm).unwrap_err());
            assert!(error.contains(wrong), "{error}");
            assert_eq!(node.text("mode"), "unset\n");
        }
    }

    #[test]
    fn keys_come_before_the_mode_is_set() {
        let node = Node::new("mode = \"aead\"", "");
        let line = node.key("cluster.key");
        let loaded = node.sources.load(&node.cm).unwrap();
        let (mode, keys) = (Mode::Aead, 1);
        assert_eq!(loaded, Loaded { mode, keys });
        assert_eq!(node.text("keys"), line);
        assert_eq!(node.text("mode"), "unset\naead\n");
    }

    #[test]
    fn keys_that_come_later_are_taken_and_others_left_alone() {
        let node = Node::new("", "");
        let loaded = node.sources.load(&node.cm).unwrap();
        let mode = Mode::Aead;
        assert_eq!(loaded, Loaded { mode, keys: 0 });
        assert!(no_key(mode).contains("cluster.key") && no_key(mode).contains("0600"));
        fs::write(node.dir.path().join("mode"), "aead\n").unwrap();
        let line = node.key("cluster.key");
        let loaded = node.sources.load(&node.cm).unwrap();
        assert_eq!(loaded, Loaded { mode, keys: 1 });
        assert_eq!(
            (node.text("keys"), node.text("mode")),
            (line, "aead\n".into())
        );

        let ring = "fingerprint state\n00000001 accepted\n00000002 used\n";
        fs::write(node.dir.path().join("keyring"), ring).unwrap();
        fs::write(node.dir.path().join("keys"), "").unwrap();
        let loaded = node.sources.load(&node.cm).unwrap();
        assert_eq!(loaded, Loaded { mode, keys: 2 });
        assert_eq!(node.text("keys"), "");
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let node = Node::new("", "");
        let line = node.key("cluster.key");
        let path = node.dir.path().join("cluster.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = format!("{:#}", node.sources.load(&node.cm).unwrap_err());
        assert!(error.contains("chmod 600"), "{error}");
        assert!(!error.contains(line[4..].trim()), "{error}");
        assert_eq!(node.text("keys"), "");
        assert!(node.text("mode").ends_with("aead\n"));
    }

    #[test]
    fn an_open_cluster_needs_no_key() {
        let node = Node::new("mode = \"open\"", "");
        node.key("cluster.key");
        let loaded = node.sources.load(&node.cm).unwrap();
        let (mode, keys) = (Mode::Open, 0);
        assert_eq!(loaded, Loaded { mode, keys });
        assert_eq!(node.text("keys"), "");
    }

    #[test]
    fn a_module_with_a_mode_keeps_it() {
        let node = Node::new("mode = \"aead\"", "");
        fs::write(node.dir.path().join("mode"), "open\n").unwrap();
        assert_eq!(node.sources.load(&node.cm).unwrap().mode, Mode::Open);
        assert_eq!(node.text("mode"), "open\n");
    }
}
