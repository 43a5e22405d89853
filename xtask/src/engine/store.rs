// SPDX-License-Identifier: MIT OR Apache-2.0

//! The store of finished outputs: `CACHE/store/STEP/KEY/`, each with a stamp.
//!
//! An output is made in a temporary directory beside its place and renamed there with its stamp
//! already inside, so a kill, an interrupt or a full disk leaves either all of it or nothing that
//! could be taken for it. A lock per step keeps concurrent runs from doing the same work twice.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rustix::fs::{flock, FlockOperation};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::key::{Inputs, Key};
use crate::children;
use crate::fs::{self, TEMP_PREFIX};

const STAMP: &str = ".stamp.toml";
/// An output used this recently may be in the hands of another run, and is kept.
const IN_USE: Duration = Duration::from_secs(6 * 3600);

/// A finished output.
#[derive(Clone, Debug)]
pub struct Output {
    /// The step that made it.
    pub step: &'static str,
    /// Where its files are; never written to.
    pub dir: PathBuf,
    /// What later steps see of it: equal identities mean equal outputs.
    pub identity: String,
}

impl Output {
    /// A file of the output.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    key: Key,
    identity: String,
    inputs: Inputs,
}

/// The store; a handle without state.
#[derive(Clone, Debug)]
pub struct Store {
    cache: PathBuf,
    /// What this checkout used last is kept apart from what others did.
    history: PathBuf,
}

/// The exclusive right to make outputs of one step; ends with the value, or with the process.
#[derive(Debug)]
pub struct StepLock {
    _file: File,
}

impl Store {
    /// The store in the cache directory `cache`, for the checkout that keeps its history in
    /// `history`.
    pub fn new(cache: &Path, history: &Path) -> Self {
        Store {
            cache: cache.to_owned(),
            history: history.to_owned(),
        }
    }

    /// The directory of a step's outputs, created when it is not there.
    fn step_dir(&self, step: &str) -> Result<PathBuf> {
        let dir = self.cache.join("store").join(step);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The log file of a step; the log before it is kept with the ending `.old`.
    pub fn new_log(&self, step: &str) -> Result<(PathBuf, File)> {
        let dir = self.cache.join("log");
        fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{step}.log"));
        match fs::rename(&path, dir.join(format!("{step}.log.old"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let file = fs::create(&path)?;
        Ok((path, file))
    }

    /// A directory for trees that stay between builds and are no finished outputs.
    pub fn work_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.cache.join("work").join(name);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The finished output of `step` for `key`, if there is one.
    pub fn find(&self, step: &'static str, key: &Key) -> Result<Option<Output>> {
        let dir = self.step_dir(step)?.join(key.dir_name());
        Ok(read_stamp(&dir)
            .filter(|stamp| stamp.key == *key)
            .map(|stamp| Output {
                step,
                dir,
                identity: stamp.identity,
            }))
    }

    /// Marks an output as just used, so that it outlives others, and as what the next change is
    /// compared with.
    pub fn used(&self, step: &'static str, variant: &str, inputs: &Inputs, out: &Output) {
        // Only advice for later runs: that a read-only cache cannot take it is no failure.
        let _ = fs::open(out.path(STAMP)).and_then(|file| file.set_modified(SystemTime::now()));
        let text = toml::to_string(inputs).unwrap_or_default();
        for last in self.last_files(step, variant) {
            if fs::read_to_string(&last).ok().as_deref() != Some(&text) {
                let _ = last.parent().map(fs::create_dir_all);
                let _ = fs::write(&last, &text);
            }
        }
    }

    /// The inputs of the last output of this step that was used, for telling what changed: by this
    /// checkout, or in a fresh one by any.
    pub fn last_inputs(&self, step: &str, variant: &str) -> Option<Inputs> {
        let text = self
            .last_files(step, variant)
            .iter()
            .find_map(|file| fs::read_to_string(file).ok())?;
        toml::from_str(&text).ok()
    }

    fn last_files(&self, step: &str, variant: &str) -> [PathBuf; 2] {
        let shared = self.cache.join("store").join(step);
        [
            self.history.join(format!("{step}-{variant}.toml")),
            shared.join(format!("last-{variant}.toml")),
        ]
    }

    /// Takes the lock of `step`; calls `waiting` once when another run has it.
    pub fn lock(&self, step: &str, waiting: impl FnOnce()) -> Result<StepLock> {
        let path = self.step_dir(step)?.join(".lock");
        lock_file(&path, waiting)
    }

    /// A directory to make an output in, after removing what killed runs have left. Only for the
    /// holder of the step's lock.
    pub fn scratch(&self, step: &str, _lock: &StepLock) -> Result<TempDir> {
        let dir = self.step_dir(step)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX) {
                remove_tree(&entry.path())?;
            }
        }
        Ok(fs::tempdir_in(&dir)?)
    }

    /// Makes the contents of `made` the finished output for `inputs`.
    pub fn publish(
        &self,
        step: &'static str,
        inputs: &Inputs,
        identity: String,
        made: TempDir,
        _lock: &StepLock,
    ) -> Result<Output> {
        let key = inputs.key();
        let dir = self.step_dir(step)?.join(key.dir_name());
        let stamp = Stamp {
            key,
            identity: identity.clone(),
            inputs: inputs.clone(),
        };
        let text = toml::to_string(&stamp).context("cannot encode the stamp")?;
        fs::write(made.path().join(STAMP), text)?;
        // All of it must be on the disk before the name says so, or a power cut could leave a
        // complete-looking output with holes.
        let handle = fs::open(made.path())?;
        rustix::fs::syncfs(&handle).context("cannot sync the cache to the disk")?;
        if fs::symlink_metadata(&dir).is_ok() {
            remove_output(&dir)?;
        }
        fs::rename(made.path(), &dir)?;
        // The directory is no longer temporary.
        let _ = made.keep();
        Ok(Output {
            step,
            dir,
            identity,
        })
    }

    /// Gives the output `out` a new name: that of `inputs`. For inputs that are known to lead to
    /// the same output.
    pub fn rekey(&self, out: &Output, inputs: &Inputs, _lock: &StepLock) -> Result<()> {
        let key = inputs.key();
        let dir = self.step_dir(out.step)?.join(key.dir_name());
        if dir == out.dir || self.find(out.step, &key)?.is_some() {
            return Ok(());
        }
        let stamp = Stamp {
            key,
            identity: out.identity.clone(),
            inputs: inputs.clone(),
        };
        let text = toml::to_string(&stamp).context("cannot encode the stamp")?;
        // Between the rename and the new stamp the stamp's key is not that of the name, and
        // `find` takes it for no output.
        fs::rename(&out.dir, &dir)?;
        let fresh = dir.join(".stamp.new");
        fs::write(&fresh, text)?;
        fs::rename(fresh, dir.join(STAMP))?;
        Ok(())
    }

    /// Removes all but the `keep` outputs that were used last, and none that may be in use.
    pub fn prune(&self, step: &str, keep: usize, _lock: &StepLock) -> Result<()> {
        let now = SystemTime::now();
        let mut outputs = Vec::new();
        for entry in fs::read_dir(self.step_dir(step)?)? {
            let path = entry?.path();
            if let Ok(used) = fs::metadata(path.join(STAMP)).and_then(|meta| meta.modified()) {
                outputs.push((used, path));
            }
        }
        outputs.sort();
        let excess = outputs.len().saturating_sub(keep);
        for (used, path) in outputs.into_iter().take(excess) {
            if now.duration_since(used).is_ok_and(|age| age > IN_USE) {
                remove_output(&path)?;
            }
        }
        Ok(())
    }
}

/// Takes an exclusive lock on `path`; calls `waiting` once when another process has it.
pub fn lock_file(path: &Path, waiting: impl FnOnce()) -> Result<StepLock> {
    let file = fs::create(path)?;
    match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(StepLock { _file: file }),
        Err(rustix::io::Errno::WOULDBLOCK) => waiting(),
        Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
    loop {
        match flock(file.as_fd(), FlockOperation::LockExclusive) {
            Ok(()) => return Ok(StepLock { _file: file }),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

fn read_stamp(dir: &Path) -> Option<Stamp> {
    toml::from_str(&fs::read_to_string(dir.join(STAMP)).ok()?).ok()
}

/// Takes an output out of the store: under a temporary name first, so that one which is half
/// removed is never found.
fn remove_output(dir: &Path) -> Result<()> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let doomed = dir.with_file_name(format!("{TEMP_PREFIX}{name}"));
    if fs::symlink_metadata(&doomed).is_ok() {
        remove_tree(&doomed)?;
    }
    fs::rename(dir, &doomed)?;
    remove_tree(&doomed)
}

/// Removes a tree; one of a build root can have directories without write permission.
pub fn remove_tree(dir: &Path) -> Result<()> {
    if fs::remove_dir_all(dir).is_ok() {
        return Ok(());
    }
    children::output(&duct::cmd!("chmod", "-R", "u+rwX", dir)).context("cannot start chmod")?;
    Ok(fs::remove_dir_all(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = "trial";

    fn inputs(value: &str) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.value("input", value);
        inputs
    }

    fn make(store: &Store, value: &str) -> Result<Output> {
        let lock = store.lock(STEP, || {})?;
        let made = store.scratch(STEP, &lock)?;
        fs::write(made.path().join("file"), value)?;
        let inputs = inputs(value);
        store.publish(STEP, &inputs, format!("id-{value}"), made, &lock)
    }

    #[test]
    fn a_published_output_is_found_by_its_key_alone() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        assert!(store.find(STEP, &inputs("a").key())?.is_none());
        let out = make(&store, "a")?;
        assert_eq!(fs::read_to_string(out.path("file"))?, "a");
        let found = store.find(STEP, &inputs("a").key())?.context("not found")?;
        assert_eq!(found.identity, "id-a");
        assert!(store.find(STEP, &inputs("b").key())?.is_none());
        Ok(())
    }

    #[test]
    fn what_a_killed_run_leaves_is_neither_found_nor_kept() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let lock = store.lock(STEP, || {})?;
        // A kill runs no destructor: keep the directory as the killed run would leave it.
        let left = store.scratch(STEP, &lock)?.keep();
        fs::write(left.join("file"), "half")?;
        drop(lock);
        // Also an output whose stamp was cut short by a full disk.
        let cut = store.step_dir(STEP)?.join(inputs("a").key().dir_name());
        fs::create_dir(&cut)?;
        fs::write(cut.join(STAMP), "key = \"0123")?;
        assert!(store.find(STEP, &inputs("a").key())?.is_none());
        make(&store, "a")?;
        assert!(!left.exists());
        assert!(store.find(STEP, &inputs("a").key())?.is_some());
        Ok(())
    }

    #[test]
    fn a_failed_build_leaves_nothing() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let lock = store.lock(STEP, || {})?;
        let made = store.scratch(STEP, &lock)?;
        let path = made.path().to_owned();
        drop(made);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn a_second_run_waits_for_the_lock() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let lock = store.lock(STEP, || {})?;
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let other = store.clone();
            let thread = scope.spawn(move || other.lock(STEP, || told.send(()).unwrap_or(())));
            heard
                .recv()
                .context("the second run did not have to wait")?;
            assert!(!thread.is_finished());
            drop(lock);
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("the thread panicked"))?
                .map(drop)
        })
    }

    #[test]
    fn a_rekeyed_output_answers_to_its_new_inputs_only() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let out = make(&store, "a")?;
        let lock = store.lock(STEP, || {})?;
        store.rekey(&out, &inputs("b"), &lock)?;
        assert!(store.find(STEP, &inputs("a").key())?.is_none());
        let found = store.find(STEP, &inputs("b").key())?.context("not found")?;
        assert_eq!(
            (found.identity.as_str(), out.identity.as_str()),
            ("id-a", "id-a")
        );
        Ok(())
    }

    #[test]
    fn pruning_takes_the_oldest_unused_outputs() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let old = SystemTime::now() - 2 * IN_USE;
        for (index, value) in ["a", "b", "c"].iter().enumerate() {
            let out = make(&store, value)?;
            let when = old + Duration::from_secs(index as u64);
            fs::open(out.path(STAMP))?.set_modified(when)?;
        }
        make(&store, "recent")?;
        let lock = store.lock(STEP, || {})?;
        store.prune(STEP, 2, &lock)?;
        let there =
            |value: &str| Ok::<_, anyhow::Error>(store.find(STEP, &inputs(value).key())?.is_some());
        assert_eq!(
            (there("a")?, there("b")?, there("c")?, there("recent")?),
            (false, false, true, true)
        );
        store.prune(STEP, 0, &lock)?;
        assert!(there("recent")?, "an output that may be in use was removed");
        Ok(())
    }

    #[test]
    fn the_last_inputs_are_remembered_per_variant() -> Result<()> {
        let cache = tempfile::tempdir()?;
        let store = Store::new(cache.path(), &cache.path().join("checkout"));
        let out = make(&store, "a")?;
        store.used(STEP, "minimal", &inputs("a"), &out);
        assert_eq!(store.last_inputs(STEP, "minimal"), Some(inputs("a")));
        assert_eq!(store.last_inputs(STEP, "debug"), None);
        // Another checkout has a history of its own; a fresh one takes the common one.
        let other = Store::new(cache.path(), &cache.path().join("other"));
        assert_eq!(other.last_inputs(STEP, "minimal"), Some(inputs("a")));
        other.used(STEP, "minimal", &inputs("b"), &out);
        assert_eq!(store.last_inputs(STEP, "minimal"), Some(inputs("a")));
        Ok(())
    }
}
