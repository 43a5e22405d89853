// SPDX-License-Identifier: MIT OR Apache-2.0

//! The folder of a running cluster, and who owns it.
//!
//! A cluster is up exactly while its supervisor holds the lock on the folder.
//! A folder without that lock is what a killed supervisor left, and goes with
//! the next `up` or `down` of its name.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{flock, FlockOperation};

use crate::error::{Error, IoContext, Result};

/// Name of the cluster that is meant when none is named.
pub const DEFAULT_NAME: &str = "podos";

/// The folder of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateDir {
    name: String,
    path: PathBuf,
}

impl StateDir {
    /// The folder for this name, whether it is there or not.
    pub(crate) fn of(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self {
            name: name.into(),
            path: base()?.join(name),
        })
    }

    /// The folder at this path, as the supervisor is told it.
    pub(crate) fn at(path: PathBuf) -> Self {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self { name, path }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The supervisor's own messages, and QEMU's.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("supervisor.log")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.path.join("events.log")
    }

    pub(crate) fn console(&self, node: &str) -> PathBuf {
        self.path.join(format!("{node}.console.log"))
    }

    /// Where a node's executed instructions are counted.
    pub(crate) fn counts(&self, node: &str) -> PathBuf {
        self.path.join(format!("{node}.counts"))
    }

    /// Folder of the nodes' cluster keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    pub(crate) fn pid(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// Makes the folder and takes its lock; what a killed supervisor left there goes.
    pub(crate) fn create(&self) -> Result<File> {
        let base = base()?;
        make_private(&base)?;
        loop {
            match DirBuilder::new().mode(0o700).create(&self.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match self.lock()? {
                        Lock::Held => return Err(Error::AlreadyUp(self.name.clone())),
                        Lock::Gone => {}
                        Lock::Taken(stale) => self.remove(stale)?,
                    }
                    continue;
                }
                Err(error) => {
                    return Err(error)
                        .context(|| format!("make the folder {}", self.path.display()))
                }
            }
            // Another `up` may have seen the folder before it was locked, and taken it for stale.
            if let Lock::Taken(lock) = self.lock()? {
                return Ok(lock);
            }
        }
    }

    /// Tries to take the lock, without waiting.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let what = || format!("lock {}", self.path.display());
        let dir = match File::open(&self.path) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Gone),
            Err(error) => return Err(error).context(what),
        };
        match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Lock::Held),
            Err(error) => return Err(error).context(what),
        }
        // The lock is worth something only on the folder that has this name now.
        let same = fs::metadata(&self.path).and_then(|now| Ok(now.ino() == dir.metadata()?.ino()));
        Ok(if same.unwrap_or(false) {
            Lock::Taken(dir)
        } else {
            Lock::Gone
        })
    }

    /// Removes the folder; the lock says that it is ours to remove.
    pub(crate) fn remove(&self, lock: File) -> Result<()> {
        fs::remove_dir_all(&self.path).context(|| format!("remove {}", self.path.display()))?;
        drop(lock);
        // The last cluster takes the base with it; until then this fails, as it should.
        let _ = self.path.parent().map(fs::remove_dir);
        Ok(())
    }
}

/// What became of a try to take a folder's lock.
#[derive(Debug)]
pub(crate) enum Lock {
    /// It is ours: nobody supervises the cluster.
    Taken(File),
    /// A supervisor holds it.
    Held,
    /// There is no such folder.
    Gone,
}

/// Names of the clusters that are up, of this user.
pub fn list() -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(base()?) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries.filter_map(|entry| entry.ok()) {
        if let Ok(state) = StateDir::of(&entry.file_name().to_string_lossy()) {
            if matches!(state.lock()?, Lock::Held) {
                names.push(state.name);
            }
        }
    }
    names.sort();
    Ok(names)
}

fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if (1..=32).contains(&name.len()) && name.chars().all(good) {
        return Ok(());
    }
    let reason = format!("`{name}` is no cluster name: 1 to 32 of a-z, 0-9, `-` and `_`");
    Err(Error::Topology {
        flag: "--name",
        reason,
    })
}

/// Folder of all clusters of this user. Short, for a socket's path has room
/// for 108 bytes.
fn base() -> Result<PathBuf> {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(run) if run.is_absolute() && run.is_dir() && run.as_os_str().len() < 50 => {
            Ok(run.join("podos"))
        }
        _ => Ok(PathBuf::from(format!(
            "/tmp/podos-{}",
            rustix::process::getuid().as_raw()
        ))),
    }
}

/// Makes a folder that only we can enter; one that someone else made is refused.
fn make_private(path: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).context(|| format!("make the folder {}", path.display()));
        }
        _ => {}
    }
    let meta = fs::symlink_metadata(path).context(|| format!("look at {}", path.display()))?;
    if meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw() && meta.mode() & 0o077 == 0
    {
        return Ok(());
    }
    let error = io::Error::other("it is not a folder of our own with mode 0700; remove it");
    Err(error).context(|| format!("use {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(dir.path().join("c"));
        (dir, state)
    }

    #[test]
    fn names_are_checked() {
        for bad in ["", "a/b", "..", "A", "a b", &"x".repeat(33)] {
            let error = StateDir::of(bad).unwrap_err().to_string();
            assert!(error.starts_with("--name: `"), "{error}");
        }
        assert_eq!(StateDir::of("ci-2_x").unwrap().name(), "ci-2_x");
    }

    #[test]
    fn the_lock_tells_who_lives() {
        let (_dir, state) = scratch();
        assert!(matches!(state.lock().unwrap(), Lock::Gone));
        fs::create_dir(state.path()).unwrap();
        let Lock::Taken(lock) = state.lock().unwrap() else {
            panic!("nobody has it")
        };
        assert!(matches!(state.lock().unwrap(), Lock::Held));
        drop(lock);
        let Lock::Taken(lock) = state.lock().unwrap() else {
            panic!("it was given back")
        };
        state.remove(lock).unwrap();
        assert!(matches!(state.lock().unwrap(), Lock::Gone));
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        make_private(&path).unwrap();
        make_private(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(make_private(&path)
            .unwrap_err()
            .to_string()
            .contains("mode 0700"));
    }
}
