// SPDX-License-Identifier: MIT OR Apache-2.0

//! The Communication Manager's files: its mode and keys, and what it shows of itself.

mod circuit;
mod namesake;
mod rail;
mod table;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{ClusterKey, Fingerprint};
use table::Table;

pub use circuit::CircuitState;
pub use namesake::Namesake;
pub use rail::{OwnRail, PeerRail};

/// Where the kernel shows CM.
pub const CM_DIRECTORY: &str = "/sys/kernel/podos/cm";

/// Where it shows what does not fit there.
pub const DEBUG_DIRECTORY: &str = "/sys/kernel/debug/podos";

/// What CM does to frames (docs/wire-protocol.md, section 11). All nodes of a cluster agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing: whoever is on the network belongs to the cluster, and reads it.
    Open,
    /// Authenticates them: only who has the key belongs to the cluster, but others may read.
    Mac,
    /// Authenticates and encrypts them.
    Aead,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 3] = [Mode::Open, Mode::Mac, Mode::Aead];

    /// Whether it needs a cluster key.
    pub fn is_keyed(self) -> bool {
        self != Mode::Open
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Open => "open",
            Mode::Mac => "mac",
            Mode::Aead => "aead",
        })
    }
}

/// Text that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mode of CM: there are open, mac and aead")]
pub struct ParseModeError(String);

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, ParseModeError> {
        Mode::ALL
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| ParseModeError(text.to_owned()))
    }
}

/// A key that CM knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its name.
    pub fingerprint: Fingerprint,
    /// Whether this node sends with it; frames made with the others are accepted.
    pub used: bool,
}

/// Why CM could not be asked, or did not obey. No message has a key in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CmError {
    /// A file can't be read.
    #[error("cannot read {path} (is the podos_cm module loaded?)")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}:{line}: `{text}` is not {expected}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What should.
        expected: String,
    },
    /// A table lacks a column.
    #[error(
        "{path} has no column `{column}`: the podos_cm module is not of this program's version"
    )]
    Column {
        /// Which file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// The mode is set for this boot, to another one.
    #[error("CM works in mode `{set}`, and can't change to `{wanted}` before it is loaded anew")]
    ModeIsSet {
        /// The mode that it works in.
        set: Mode,
        /// The mode that was asked for.
        wanted: Mode,
    },
    /// No key has this fingerprint.
    #[error("this node has no key {0}: `podos key list` shows which it has")]
    NoSuchKey(Fingerprint),
    /// There is no room for another key.
    #[error(
        "no room for key {0}: a node knows at most {max} keys; `podos key drop` one",
        max = crate::KEYS_MAX
    )]
    RingFull(Fingerprint),
    /// What the rails' devices are to be is not said in the right way.
    #[error(
        "cannot set the rails' devices: the kernel's log (`dmesg`) names the line and says why"
    )]
    RailDevices,
    /// A key that is in use can't be dropped.
    #[error("key {0} is in use: `podos key use` another one first")]
    KeyInUse(Fingerprint),
    /// The kernel refused for another reason.
    #[error("cannot write {what} to {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What was written, in words.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

type Result<T, E = CmError> = std::result::Result<T, E>;

/// The Communication Manager of this node.
#[derive(Clone, Debug)]
pub struct Cm {
    directory: PathBuf,
    debug: PathBuf,
}

impl Default for Cm {
    fn default() -> Self {
        Self::at(CM_DIRECTORY, DEBUG_DIRECTORY)
    }
}

impl Cm {
    /// The one whose files are in these directories.
    pub fn at(directory: impl Into<PathBuf>, debug: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            debug: debug.into(),
        }
    }

    /// The mode; `None` until it is set, and CM says nothing before that.
    ///
    /// # Errors
    ///
    /// [`CmError::Read`] (with `NotFound` while the module is not loaded) or [`CmError::Content`].
    pub fn mode(&self) -> Result<Option<Mode>> {
        let path = self.directory.join("mode");
        let text = read(&path)?;
        match text.trim() {
            "unset" => Ok(None),
            word => word.parse().map(Some).map_err(|_| CmError::Content {
                text: word.to_owned(),
                line: 1,
                expected: "unset, open, mac or aead".to_owned(),
                path,
            }),
        }
    }

    /// Sets the mode, which lasts until the module goes.
    ///
    /// # Errors
    ///
    /// [`CmError::ModeIsSet`] or [`CmError::Write`].
    pub fn set_mode(&self, mode: Mode) -> Result<()> {
        let path = self.directory.join("mode");
        let Err(source) = write(&path, &format!("{mode}\n")) else {
            return Ok(());
        };
        match self.mode() {
            Ok(Some(set)) if set != mode => Err(CmError::ModeIsSet { set, wanted: mode }),
            Ok(Some(_)) => Ok(()),
            _ => Err(CmError::Write {
                path,
                what: format!("mode `{mode}`"),
                source,
            }),
        }
    }

    /// The keys that CM knows.
    ///
    /// # Errors
    ///
    /// [`CmError::Read`], [`CmError::Content`] or [`CmError::Column`].
    pub fn keyring(&self) -> Result<Vec<KnownKey>> {
        let table = Table::read(self.directory.join("keyring"))?;
        let key = |row: table::Row<'_>| {
            Ok(KnownKey {
                fingerprint: row.parse("fingerprint", "a fingerprint")?,
                used: row.word("state", &[("used", true), ("accepted", false)])?,
            })
        };
        table.rows().map(key).collect()
    }

    /// Makes CM accept a key; the first one it uses as well. One that it knows stays as it is.
    ///
    /// # Errors
    ///
    /// [`CmError::RingFull`] or [`CmError::Write`].
    pub fn add_key(&self, key: &ClusterKey) -> Result<()> {
        let name = key.fingerprint();
        self.control("add", &key.reveal(), name, |errno| match errno {
            libc::EEXIST => Some(Ok(())),
            libc::ENOSPC => Some(Err(CmError::RingFull(name))),
            _ => None,
        })
    }

    /// Makes CM send with a key that it knows.
    ///
    /// # Errors
    ///
    /// [`CmError::NoSuchKey`] or [`CmError::Write`].
    pub fn use_key(&self, name: Fingerprint) -> Result<()> {
        self.control("use", &name.to_string(), name, |errno| match errno {
            libc::ENOENT => Some(Err(CmError::NoSuchKey(name))),
            _ => None,
        })
    }

    /// Makes CM forget a key that is not in use.
    ///
    /// # Errors
    ///
    /// [`CmError::NoSuchKey`], [`CmError::KeyInUse`] or [`CmError::Write`].
    pub fn drop_key(&self, name: Fingerprint) -> Result<()> {
        self.control("drop", &name.to_string(), name, |errno| match errno {
            libc::ENOENT => Some(Err(CmError::NoSuchKey(name))),
            libc::EBUSY => Some(Err(CmError::KeyInUse(name))),
            _ => None,
        })
    }

    /// One line to the kernel's file of keys; `known` explains its refusals.
    fn control(
        &self,
        verb: &str,
        argument: &str,
        name: Fingerprint,
        known: impl FnOnce(i32) -> Option<Result<()>>,
    ) -> Result<()> {
        let path = self.directory.join("keys");
        let Err(source) = write(&path, &format!("{verb} {argument}\n")) else {
            return Ok(());
        };
        let explained = source.raw_os_error().and_then(known);
        explained.unwrap_or(Err(CmError::Write {
            path,
            what: format!("`{verb}` of key {name}"),
            source,
        }))
    }

    /// The circuits of this node, by slot.
    ///
    /// # Errors
    ///
    /// [`CmError::Read`], [`CmError::Content`] or [`CmError::Column`].
    pub fn circuits(&self) -> Result<Vec<CircuitState>> {
        let table = Table::read(self.debug.join("circuits"))?;
        table.rows().map(|row| CircuitState::of(&row)).collect()
    }

    /// Says which devices the rails are, by lines such as `0 name=eth0`; all of them or none count.
    ///
    /// # Errors
    ///
    /// [`CmError::RailDevices`] or [`CmError::Write`].
    pub fn set_rail_devices(&self, lines: &str) -> Result<()> {
        let path = self.directory.join("rail_devices");
        write(&path, lines).map_err(|source| match source.raw_os_error() {
            Some(libc::EINVAL) => CmError::RailDevices,
            _ => CmError::Write {
                path,
                what: "the rails' devices".to_owned(),
                source,
            },
        })
    }

    /// The rails of this node.
    ///
    /// # Errors
    ///
    /// As [`Cm::circuits`].
    pub fn rails(&self) -> Result<Vec<OwnRail>> {
        let table = Table::read(self.directory.join("rails"))?;
        table.rows().map(|row| OwnRail::of(&row)).collect()
    }

    /// Another machine that has this node's host id, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Cm::circuits`].
    pub fn namesake(&self) -> Result<Option<Namesake>> {
        let table = Table::read(self.directory.join("namesake"))?;
        let row = table.rows().next();
        row.map(|row| Namesake::of(&row)).transpose()
    }

    /// The rails on which other nodes were heard.
    ///
    /// # Errors
    ///
    /// As [`Cm::circuits`].
    pub fn peers(&self) -> Result<Vec<PeerRail>> {
        let table = Table::read(self.directory.join("peers"))?;
        table.rows().map(|row| PeerRail::of(&row)).collect()
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| CmError::Read {
        path: path.to_owned(),
        source,
    })
}

/// One write, which is one request to the kernel. Nothing is made that is not there.
fn write(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cm(files: &[(&str, &str)]) -> (tempfile::TempDir, Cm) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let cm = Cm::at(dir.path(), dir.path());
        (dir, cm)
    }

    #[test]
    fn modes_by_name() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            let (_dir, cm) = cm(&[("mode", &format!("{mode}\n"))]);
            assert_eq!(cm.mode().unwrap(), Some(mode));
        }
        let error = "AEAD".parse::<Mode>().unwrap_err().to_string();
        assert!(error.contains("open, mac and aead"), "{error}");
        let (_dir, cm) = cm(&[("mode", "unset\n")]);
        assert_eq!(cm.mode().unwrap(), None);
    }

    #[test]
    fn what_is_written_is_one_line_each() {
        let (dir, cm) = cm(&[("mode", ""), ("keys", "")]);
        let key = ClusterKey::generate().unwrap();
        let name = key.fingerprint();
        cm.set_mode(Mode::Mac).unwrap();
        cm.add_key(&key).unwrap();
        cm.use_key(name).unwrap();
        cm.drop_key(name).unwrap();
        let text = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("mode"), "mac\n");
        let lines = format!("add {}\nuse {name}\ndrop {name}\n", key.reveal());
        assert_eq!(text("keys"), lines);
    }

    #[test]
    fn refusals_keep_the_secret() {
        let (_dir, cm) = cm(&[]);
        let key = ClusterKey::generate().unwrap();
        let error = cm.add_key(&key).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(&key.fingerprint().to_string()), "{text}");
        assert!(!text.contains(&key.reveal()), "{text}");
        assert!(cm.mode().unwrap_err().to_string().contains("podos_cm"));
        assert!(cm.set_mode(Mode::Open).is_err());
    }

    #[test]
    fn the_keyring_by_column() {
        let ring = "fingerprint state since\n00ff00ff used 12\n0a0b0c0d accepted 0\n";
        let (dir, cm) = cm(&[("keyring", ring)]);
        let keys = cm.keyring().unwrap();
        let of = |key: &KnownKey| (key.fingerprint.to_string(), key.used);
        assert_eq!(of(&keys[0]), ("00ff00ff".to_owned(), true));
        assert_eq!(of(&keys[1]), ("0a0b0c0d".to_owned(), false));
        fs::write(
            dir.path().join("keyring"),
            "fingerprint state\n00ff00ff half\n",
        )
        .unwrap();
        let error = cm.keyring().unwrap_err().to_string();
        assert!(
            error.contains("keyring:2: `half` is not used or accepted"),
            "{error}"
        );
    }
}
