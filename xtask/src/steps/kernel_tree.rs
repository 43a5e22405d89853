// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tree that kernels are built in: kept between builds, so that a changed patch rebuilds only
//! what depends on the files it touches.
//!
//! It is no output: what is published is copied out of it. A tree whose last user did not end by
//! itself may hold files that only look finished; they are recognised and removed first.

mod unfinished;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::engine::store::{lock_file, remove_tree, StepLock};
use crate::engine::{Job, Output, Sandbox};
use crate::fs;

/// What is in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct State {
    source: String,
    build_root: String,
    /// Files that are not as in the source.
    touched: BTreeSet<String>,
    /// Set while someone builds in the tree.
    busy: bool,
}

/// A kernel tree, patched, in the hands of one user.
#[derive(Debug)]
pub struct KernelTree {
    place: Place,
    state: State,
}

/// Where a tree is kept, locked.
#[derive(Debug)]
struct Place {
    tree: PathBuf,
    state_file: PathBuf,
    _lock: StepLock,
}

impl Place {
    fn lock(job: &Job<'_>, name: &str) -> Result<Self> {
        let dir = job.store().work_dir(name)?;
        let lock = lock_file(&dir.join(".lock"), || {
            eprintln!(
                "waiting for another run that uses the kernel tree {}",
                dir.display()
            );
        })?;
        Ok(Self {
            tree: dir.join("linux"),
            state_file: dir.join("state.toml"),
            _lock: lock,
        })
    }

    /// What is there, if it is of that source and toolchain.
    fn state(&self, root: &Output, source: &Output) -> Option<State> {
        let text = fs::read_to_string(&self.state_file).ok()?;
        toml::from_str::<State>(&text)
            .ok()
            .filter(|state| state.source == source.identity && state.build_root == root.identity)
    }

    /// Makes the tree a copy of `from`, times and all; it has no state then.
    fn fill(&self, job: &mut Job<'_>, what: &str, from: &Path) -> Result<()> {
        // The state goes first: without it the tree counts for nothing.
        if self.state_file.exists() {
            fs::remove_file(&self.state_file)?;
        }
        if self.tree.exists() {
            remove_tree(&self.tree)?;
        }
        job.run(
            what,
            &duct::cmd!("cp", "-a", "--reflink=auto", from, &self.tree),
        )
    }

    fn save(&self, state: &State) -> Result<()> {
        let new = self.state_file.with_extension("new");
        fs::write(&new, toml::to_string(state)?)?;
        Ok(fs::rename(&new, &self.state_file)?)
    }
}

impl KernelTree {
    /// Makes the tree `name` a copy of the tree `like`, with what is built there; leaves all as it is
    /// if there is a tree `name` already, or none `like` it that can be gone on with.
    pub fn begin(
        job: &mut Job<'_>,
        name: &str,
        like: &str,
        root: &Output,
        source: &Output,
    ) -> Result<()> {
        let place = Place::lock(job, name)?;
        if place.state(root, source).is_some() {
            return Ok(());
        }
        // Nobody who has that one's lock asks for another.
        let like = Place::lock(job, like)?;
        match like.state(root, source) {
            Some(state) if !state.busy => {
                place.fill(job, "cp of a kernel tree", &like.tree)?;
                place.save(&state)
            }
            _ => Ok(()),
        }
    }

    /// Takes the tree `name` and makes its sources those of `source` with the patched files of
    /// `patched` (a directory with `files/` and `touched`).
    pub fn take(
        job: &mut Job<'_>,
        name: &str,
        root: &Output,
        source: &Output,
        patched: &Path,
    ) -> Result<Self> {
        let place = Place::lock(job, name)?;
        let kept = place.state(root, source);
        let state = match kept {
            Some(state) => {
                if state.busy {
                    job.say("the last build in the tree was killed");
                    for path in unfinished::remove(&place.tree)? {
                        job.say(&format!("not finished: {}", path.display()));
                    }
                }
                state
            }
            None => {
                job.say(&format!("making the kernel tree {}", place.tree.display()));
                place.fill(job, "cp of the kernel source", &source.path("tree"))?;
                State {
                    source: source.identity.clone(),
                    build_root: root.identity.clone(),
                    ..State::default()
                }
            }
        };
        let mut this = KernelTree { place, state };
        this.state.busy = true;
        this.patch(job, &source.path("tree"), patched)?;
        Ok(this)
    }

    /// Gives every file that the old or the new series touches its new contents; one that is right
    /// already keeps its time, and all that depends on it stays built.
    fn patch(&mut self, job: &mut Job<'_>, source: &Path, patched: &Path) -> Result<()> {
        let list = patched.join("touched");
        let list = fs::read_to_string(&list)?;
        let now: BTreeSet<String> = list.lines().map(str::to_owned).collect();
        let all: BTreeSet<String> = self.state.touched.union(&now).cloned().collect();
        // A run that is killed from here on may have left any of them half-way.
        self.state.touched.clone_from(&all);
        self.save()?;
        for path in &all {
            let from = if now.contains(path) {
                patched.join("files")
            } else {
                source.to_owned()
            };
            if update(&from.join(path), &self.path(path))? {
                job.say(&format!("updated {path}"));
            }
        }
        self.state.touched = now;
        self.save()
    }

    /// The build root with the tree in its place.
    pub fn sandbox(&self, root: &Output) -> Sandbox {
        Sandbox::new(root).writable(&self.place.tree, super::LINUX)
    }

    /// A file of the tree.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.tree.join(name)
    }

    /// Gives the file `name` of the tree the contents of `from`, unless it has them.
    pub fn install(&self, from: &Path, name: &str) -> Result<()> {
        update(from, &self.path(name)).map(drop)
    }

    /// Gives the tree back. Only a command that ended by itself, in success or not, has left a
    /// tree that make can go on with, so this is not done on dropping.
    pub fn give_back(mut self) -> Result<()> {
        self.state.busy = false;
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.place.save(&self.state)
    }
}

/// Makes `to` what `from` is: the same contents, or not there. Tells whether it was different.
fn update(from: &Path, to: &Path) -> Result<bool> {
    let wanted = read_if_there(from)?;
    if wanted == read_if_there(to)? {
        return Ok(false);
    }
    match wanted {
        Some(data) => {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(to, data)?;
            fs::set_permissions(to, fs::metadata(from)?.permissions())?;
        }
        None => fs::remove_file(to)?,
    }
    Ok(true)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::engine::progress::Task;
    use crate::engine::store::Store;

    struct Lab {
        dir: tempfile::TempDir,
        store: Store,
        root: Output,
        source: Output,
    }

    impl Lab {
        fn new() -> Result<Self> {
            let dir = tempfile::tempdir()?;
            let output = |step: &'static str| Output {
                step,
                dir: dir.path().join(step),
                identity: format!("{step} 1"),
            };
            let (root, source) = (output("root"), output("source"));
            fs::create_dir_all(source.path("tree/fs"))?;
            fs::write(source.path("tree/fs/namei.c"), "walk\n")?;
            fs::write(source.path("tree/fs/open.c"), "open\n")?;
            let store = Store::new(&dir.path().join("cache"), dir.path());
            Ok(Lab {
                dir,
                store,
                root,
                source,
            })
        }

        /// A series by the files it makes; `None` deletes one.
        fn patched(&self, files: &[(&str, Option<&str>)]) -> Result<PathBuf> {
            let dir = tempfile::Builder::new().tempdir_in(self.dir.path())?.keep();
            let mut touched = String::new();
            for (path, contents) in files {
                touched.push_str(&format!("{path}\n"));
                if let Some(contents) = contents {
                    let file = dir.join("files").join(path);
                    fs::create_dir_all(file.parent().context("no parent")?)?;
                    fs::write(file, contents)?;
                }
            }
            fs::write(dir.join("touched"), touched)?;
            Ok(dir)
        }

        fn take(&self, files: &[(&str, Option<&str>)]) -> Result<KernelTree> {
            let scratch = tempfile::tempdir()?;
            let log = fs::create(self.dir.path().join("log"))?;
            let mut task = Task::start("trial", "a test");
            let mut job = Job::new(self.dir.path(), scratch, log, &mut task, &self.store, true);
            KernelTree::take(
                &mut job,
                "kernel",
                &self.root,
                &self.source,
                &self.patched(files)?,
            )
        }
    }

    #[test]
    fn sources_follow_the_series_and_objects_stay() -> Result<()> {
        let lab = Lab::new()?;
        let tree = lab.take(&[
            ("fs/namei.c", Some("walk and cross\n")),
            ("fs/new.c", Some("new\n")),
        ])?;
        let (namei, new, open, object) = (
            tree.path("fs/namei.c"),
            tree.path("fs/new.c"),
            tree.path("fs/open.c"),
            tree.path("x.o"),
        );
        assert_eq!(fs::read_to_string(&namei)?, "walk and cross\n");
        fs::write(&object, "built")?;
        let built = fs::metadata(&open)?.modified()?;
        tree.give_back()?;
        // The series changes: one file is reverted, one is gone, one is deleted by it.
        lab.take(&[("fs/open.c", None)])?.give_back()?;
        assert_eq!(fs::read_to_string(&namei)?, "walk\n");
        assert!(!new.exists() && !open.exists() && object.exists());
        lab.take(&[])?.give_back()?;
        assert_eq!(fs::read_to_string(&open)?, "open\n");
        assert!(
            fs::metadata(&open)?.modified()? > built,
            "make must see that the file is new"
        );
        Ok(())
    }

    #[test]
    fn a_file_that_is_right_keeps_its_time() -> Result<()> {
        let lab = Lab::new()?;
        let series = [("fs/namei.c", Some("walk and cross\n"))];
        let tree = lab.take(&series)?;
        let file = tree.path("fs/namei.c");
        let before = fs::metadata(&file)?.modified()?;
        tree.give_back()?;
        lab.take(&series)?.give_back()?;
        assert_eq!(fs::metadata(&file)?.modified()?, before);
        Ok(())
    }

    #[test]
    fn a_tree_begins_as_another_one_that_is_whole() -> Result<()> {
        let lab = Lab::new()?;
        let begin = || -> Result<()> {
            let scratch = tempfile::tempdir()?;
            let log = fs::create(lab.dir.path().join("log"))?;
            let mut task = Task::start("trial", "a test");
            let mut job = Job::new(lab.dir.path(), scratch, log, &mut task, &lab.store, true);
            KernelTree::begin(&mut job, "other", "kernel", &lab.root, &lab.source)
        };
        let other = lab.dir.path().join("cache/work/other");
        begin()?;
        assert!(!other.join("linux").exists(), "there is none to begin as");
        let series = [("fs/namei.c", Some("walk and cross\n"))];
        drop(lab.take(&series)?);
        begin()?;
        assert!(!other.join("linux").exists(), "it was not given back");
        let tree = lab.take(&series)?;
        fs::write(tree.path("x.o"), "built")?;
        tree.give_back()?;
        begin()?;
        let state = fs::read_to_string(other.join("state.toml"))?;
        assert!(other.join("linux/x.o").exists() && state.contains("fs/namei.c"));
        fs::remove_file(other.join("linux/x.o"))?;
        begin()?;
        assert!(!other.join("linux/x.o").exists(), "there is one already");
        Ok(())
    }

    #[test]
    fn a_tree_that_was_not_given_back_loses_what_only_looks_finished() -> Result<()> {
        let lab = Lab::new()?;
        let tree = lab.take(&[])?;
        let (half, whole) = (tree.path("half.o"), tree.path("whole.o"));
        fs::write(&half, "ha")?;
        fs::write(&whole, "built")?;
        fs::write(tree.path(".whole.o.cmd"), "savedcmd_whole.o := clang\n")?;
        drop(tree);
        lab.take(&[])?.give_back()?;
        assert!(!half.exists() && whole.exists());
        Ok(())
    }

    #[test]
    fn a_kill_while_the_sources_change_loses_no_file() -> Result<()> {
        let lab = Lab::new()?;
        lab.take(&[("fs/namei.c", Some("walk and cross\n"))])?
            .give_back()?;
        let mut tree = lab.take(&[])?;
        let namei = tree.path("fs/namei.c");
        // As a kill between saving the state and the first file would leave it.
        tree.state.touched = ["fs/namei.c".to_owned()].into();
        tree.save()?;
        fs::write(&namei, "walk and")?;
        drop(tree);
        lab.take(&[])?.give_back()?;
        assert_eq!(fs::read_to_string(&namei)?, "walk\n");
        Ok(())
    }

    #[test]
    fn another_source_or_toolchain_makes_it_anew() -> Result<()> {
        let mut lab = Lab::new()?;
        for change in [
            |lab: &mut Lab| lab.root.identity.push('2'),
            |lab: &mut Lab| lab.source.identity.push('2'),
        ] {
            let tree = lab.take(&[])?;
            let object = tree.path("x.o");
            fs::write(&object, "built by the old one")?;
            tree.give_back()?;
            change(&mut lab);
            lab.take(&[])?.give_back()?;
            assert!(!object.exists());
        }
        Ok(())
    }
}
