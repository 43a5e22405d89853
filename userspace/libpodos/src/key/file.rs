// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files with cluster keys: one key a line, the first one is the one to use.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{ClusterKey, Fingerprint};

/// The most keys that a node knows at a time.
pub const KEYS_MAX: usize = 4;

/// More than any key file has.
const SIZE_MAX: u64 = 4096;

/// Permissions of a secret.
const SECRET: u32 = 0o600;

/// The keys of a file: the first one is the one to use, the others are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFile {
    keys: Vec<ClusterKey>,
}

/// What is wrong with a file of keys. No message has a key in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may get at it.
    #[error(
        "{path} is open to others (mode {mode:04o}), so its keys are no secret: run `chmod 600 \
         {path}`, and take new keys if somebody may have read it"
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It belongs to somebody else, who could put another key there.
    #[error("{path} belongs to user {uid}, not to root or to who runs this: `chown` it")]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A line is no key.
    #[error("{path}:{line}: {problem}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is there already.
    #[error("{path} is there already, and is not written over: move it away first")]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// It can't be written.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, KeyFileError>;

impl KeyFile {
    /// A file with this key only.
    pub fn of(key: ClusterKey) -> Self {
        Self { keys: vec![key] }
    }

    /// Reads the file at `path`, which must be its owner's secret.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Read`], [`KeyFileError::Exposed`], [`KeyFileError::Owner`] or
    /// [`KeyFileError::Content`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_text(&read_secret(path)?, path)
    }

    /// Reads keys from an open stream, which errors call `name`.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Read`] or [`KeyFileError::Content`].
    pub fn read_from(stream: impl Read, name: &Path) -> Result<Self> {
        let text = read_stream(stream).map_err(|source| KeyFileError::Read {
            path: name.to_owned(),
            source,
        })?;
        Self::of_text(&text, name)
    }

    pub(super) fn of_text(text: &[u8], name: &Path) -> Result<Self> {
        Self::parse(text).map_err(|(line, problem)| KeyFileError::Content {
            path: name.to_owned(),
            line,
            problem,
        })
    }

    fn parse(text: &[u8]) -> std::result::Result<Self, (usize, &'static str)> {
        const NO_KEY: &str = "not a key, which is a line of 64 hexadecimal digits";
        let text = std::str::from_utf8(text).map_err(|_| (1, NO_KEY))?;
        let mut file = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let key: ClusterKey = line.trim().parse().map_err(|_| (number, NO_KEY))?;
            if file.position(key.fingerprint()).is_some() {
                return Err((number, "this key is there twice"));
            }
            if file.keys.len() == KEYS_MAX {
                return Err((number, "more keys than the four that a node can know"));
            }
            file.keys.push(key);
        }
        match file.keys.is_empty() {
            true => Err((1, NO_KEY)),
            false => Ok(file),
        }
    }

    /// Writes a file that is not there yet, for its owner only.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Exists`] or [`KeyFileError::Write`].
    pub fn create(&self, path: &Path) -> Result<()> {
        self.write_new(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists {
                path: path.to_owned(),
            },
            _ => KeyFileError::Write {
                path: path.to_owned(),
                source,
            },
        })
    }

    /// Writes the file, for its owner only, in place of the one that may be there: at no time is
    /// there half a file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Write`].
    pub fn replace(&self, path: &Path) -> Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let replace = || {
            match fs::remove_file(&new) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            self.write_new(Path::new(&new))?;
            fs::rename(&new, path)?;
            let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        };
        replace().map_err(|source| KeyFileError::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn write_new(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(SECRET)
            .open(path)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }

    /// The file's text. This is the secret itself.
    pub fn text(&self) -> String {
        self.keys.iter().map(|key| key.reveal() + "\n").collect()
    }

    /// The keys; the first is the one to use.
    pub fn keys(&self) -> &[ClusterKey] {
        &self.keys
    }

    /// Adds a key, to be accepted; one that is there stays as it is. Whether it was new.
    pub fn add(&mut self, key: &ClusterKey) -> bool {
        let new = self.position(key.fingerprint()).is_none();
        if new {
            self.keys.push(key.clone());
        }
        new
    }

    /// Makes a key the one to use; whether it is there.
    pub fn promote(&mut self, name: Fingerprint) -> bool {
        let position = self.position(name);
        if let Some(position) = position {
            self.keys[..=position].rotate_right(1);
        }
        position.is_some()
    }

    /// Takes a key away; whether it was there.
    pub fn remove(&mut self, name: Fingerprint) -> bool {
        let position = self.position(name);
        if let Some(position) = position {
            self.keys.remove(position);
        }
        position.is_some()
    }

    fn position(&self, name: Fingerprint) -> Option<usize> {
        self.keys.iter().position(|key| key.fingerprint() == name)
    }
}

/// The content of a file that is its owner's secret.
pub(super) fn read_secret(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    // Of the open file: what is at the path may be another one by now.
    let meta = file.metadata().map_err(failed)?;
    if meta.mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed {
            path: path.to_owned(),
            mode: meta.mode() & 0o7777,
        });
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid()) {
        return Err(KeyFileError::Owner {
            path: path.to_owned(),
            uid: meta.uid(),
        });
    }
    read_stream(file).map_err(failed)
}

fn read_stream(stream: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    stream.take(SIZE_MAX).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn keys<const N: usize>() -> [ClusterKey; N] {
        std::array::from_fn(|_| ClusterKey::generate().unwrap())
    }

    fn permissions(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_is_written_is_a_secret_and_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cluster.key");
        let [first, second] = keys();
        let mut file = KeyFile::of(first.clone());
        file.create(&path).unwrap();
        assert_eq!(permissions(&path), 0o600);
        assert_eq!(KeyFile::read(&path).unwrap(), file);
        let error = KeyFile::of(second.clone()).create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists { .. }), "{error}");
        assert!(file.add(&second) && !file.add(&second));
        fs::write(dir.path().join("cluster.key.new"), "left by a crash").unwrap();
        file.replace(&path).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().keys(), [first, second]);
        assert_eq!(permissions(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_first_is_the_one_to_use() {
        let [a, b, c] = keys();
        let mut file = KeyFile::of(a.clone());
        assert!(file.add(&b) && file.add(&c));
        assert!(file.promote(c.fingerprint()));
        assert_eq!(file.keys(), [c.clone(), a.clone(), b.clone()]);
        assert!(file.remove(a.fingerprint()) && !file.remove(a.fingerprint()));
        assert!(!file.promote(a.fingerprint()));
        assert_eq!(file.keys(), [c, b]);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let [key] = keys();
        KeyFile::of(key.clone()).create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = KeyFile::read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("{mode:04o}")), "{error}");
            assert!(error.contains("chmod 600"), "{error}");
            assert!(!error.contains(&key.reveal()), "{error}");
        }
    }

    #[test]
    fn broken_files_name_the_line_and_keep_the_secret() {
        let [one, two] = keys().map(|key| key.reveal());
        let five = keys::<5>().map(|key| key.reveal()).join("\n");
        for (text, line) in [
            (String::new(), 1),
            (format!("{one}\n\n{two}\n"), 2),
            (format!("{one}\n{two}0\n"), 2),
            (format!("{one}\n{one}\n"), 2),
            (format!("key = {one}\n"), 1),
            (five, 5),
        ] {
            let name = Path::new("standard input");
            let error = KeyFile::read_from(text.as_bytes(), name).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&format!("input:{line}:")), "{error}");
            assert!(!error.contains(&one[..16]), "{error}");
        }
        let crlf = format!("{one}\r\n{two}");
        assert_eq!(KeyFile::parse(crlf.as_bytes()).unwrap().keys().len(), 2);
        assert!(KeyFile::parse(b"\xff\xfe").is_err());
    }
}
