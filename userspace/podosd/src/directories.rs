// SPDX-License-Identifier: MIT OR Apache-2.0

//! The node directories: `/linusN` for every node that was ever seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use podos::Node;
use rustix::mount::{unmount, UnmountFlags};

use crate::log;

/// The kernel's side of the matter.
pub struct KernelFiles {
    /// The system state table.
    pub sst: PathBuf,
    /// Where `HOST PATH` makes PATH the directory of that node; read, it lists them.
    pub attach: PathBuf,
    /// Where `PATH` makes it an ordinary directory again.
    pub detach: PathBuf,
}

impl KernelFiles {
    /// As the modules make them.
    pub fn in_sysfs() -> Self {
        Self {
            sst: podos::SST_DIRECTORY.into(),
            attach: "/sys/kernel/podos/pdfs/attach".into(),
            detach: "/sys/kernel/podos/pdfs/detach".into(),
        }
    }
}

/// The node directories under one root.
pub struct Directories {
    own: Node,
    root: PathBuf,
    kernel: KernelFiles,
    nodes: BTreeSet<Node>,
    /// Those that could not be made, and why, as it was told.
    missing: BTreeMap<Node, String>,
}

impl Directories {
    /// None yet; `own` is this node.
    pub fn new(own: Node, root: PathBuf, kernel: KernelFiles) -> Self {
        Self {
            own,
            root,
            kernel,
            nodes: BTreeSet::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Adds what is missing for the nodes of the system state table and for the own one. Whether
    /// all are there now.
    ///
    /// A directory that can't be made is told of, once for each reason, and may be tried again: by
    /// hand, modules are loaded one by one. Only a table that can't be read is an error.
    pub fn update(&mut self) -> Result<bool> {
        let seen = podos::system_state(&self.kernel.sst)?;
        let seen = seen.into_iter().map(|state| state.node);
        for node in seen.chain([self.own]) {
            if self.nodes.contains(&node) {
                continue;
            }
            match self.add(node) {
                Ok(()) => {
                    self.nodes.insert(node);
                    self.missing.remove(&node);
                    log::info(&format!("{node} is at {}", self.path(node).display()));
                }
                Err(error) => {
                    let reason = format!("{error:#}");
                    if self.missing.get(&node) != Some(&reason) {
                        log::warning(&format!("{node} has no directory: {reason}"));
                        self.missing.insert(node, reason);
                    }
                }
            }
        }
        Ok(self.missing.is_empty())
    }

    /// Takes all of them away again.
    pub fn remove(self) {
        for &node in &self.nodes {
            if let Err(error) = self.take_away(node) {
                log::warning(&format!("{node} keeps its directory: {error:#}"));
            }
        }
    }

    fn path(&self, node: Node) -> PathBuf {
        self.root.join(node.to_string())
    }

    /// Makes the directory of a node, or takes over what a daemon that was killed has left.
    fn add(&self, node: Node) -> Result<()> {
        let path = self.path(node);
        if node == self.own {
            // `/linusN/...` names the same file on every node, N itself included.
            let is_ours = || fs::read_link(&path).is_ok_and(|target| target == Path::new("/"));
            return made(symlink("/", &path), &path, is_ours);
        }
        made(fs::create_dir(&path), &path, || is_directory(&path))?;
        let line = format!("{} {}\n", node.host(), path.display());
        let attached = write(&self.kernel.attach, &line);
        match attached {
            // This very path is attached already.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let host = self.attached(&path)?;
                ensure!(
                    host == Some(node.host()),
                    "{} is attached to host {}; write it to {} to give it free",
                    path.display(),
                    host.unwrap_or(0),
                    self.kernel.detach.display()
                );
                Ok(())
            }
            other => other.with_context(|| {
                let attach = self.kernel.attach.display();
                format!("cannot write `{}` to {attach}", line.trim_end())
            }),
        }
    }

    /// The host id to which the kernel has attached `path`.
    fn attached(&self, path: &Path) -> Result<Option<u32>> {
        let list = fs::read_to_string(&self.kernel.attach)
            .with_context(|| format!("cannot read {}", self.kernel.attach.display()))?;
        let mut hosts = list.lines().filter_map(|line| {
            let (host, at) = line.split_once(' ')?;
            (Path::new(at) == path).then(|| host.parse().ok())?
        });
        Ok(hosts.next_back())
    }

    fn take_away(&self, node: Node) -> Result<()> {
        let path = self.path(node);
        let cannot_remove = || format!("cannot remove {}", path.display());
        if node == self.own {
            return fs::remove_file(&path).with_context(cannot_remove);
        }
        match write(&self.kernel.detach, &format!("{}\n", path.display())) {
            // Somebody has done it, or the module has given it back as it went.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.with_context(|| {
                let detach = self.kernel.detach.display();
                format!("cannot write `{}` to {detach}", path.display())
            })?,
        }
        // The node's tree stays mounted for a moment after it was used. One that is in use stays,
        // and the directory under it; one that is not mounted is as wanted.
        let _ = unmount(&path, UnmountFlags::NOFOLLOW);
        fs::remove_dir(&path).with_context(cannot_remove)
    }
}

/// That `path` was there before is as good, if it is what it would have become.
fn made(result: io::Result<()>, path: &Path, is_as_wanted: impl Fn() -> bool) -> Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_as_wanted() => Ok(()),
        other => other.with_context(|| format!("cannot make {}", path.display())),
    }
}

/// Without walking into it: that would mount the node's tree.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// One write, which is one request to sysfs.
fn write(file: &Path, line: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(file)?;
    io::Write::write_all(&mut file, line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["root", "sst"] {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            for name in ["attach", "detach"] {
                fs::write(dir.path().join(name), "").unwrap();
            }
            Self { dir }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }

        fn directories(&self) -> Directories {
            let kernel = KernelFiles {
                sst: self.path("sst"),
                attach: self.path("attach"),
                detach: self.path("detach"),
            };
            Directories::new(Node::new(1).unwrap(), self.path("root"), kernel)
        }

        fn node(&self, host: u32) {
            let entry = self.path("sst").join(host.to_string());
            fs::create_dir(&entry).unwrap();
            for (name, text) in [
                ("hostname", "x"),
                ("interfaces", ""),
                ("loadavg", "0 0 0"),
                ("alive", "1"),
            ] {
                fs::write(entry.join(name), text).unwrap();
            }
            for name in [
                "nr_running",
                "nr_tasks",
                "idle_time",
                "mem_free",
                "mem_total",
                "boot",
            ] {
                fs::write(entry.join(name), "1").unwrap();
            }
            fs::write(entry.join("age_ms"), "1").unwrap();
        }
    }

    #[test]
    fn directories_come_with_nodes_and_go_with_the_daemon() {
        let fixture = Fixture::new();
        let root = fixture.path("root");
        let mut directories = fixture.directories();
        directories.update().unwrap();
        assert_eq!(fs::read_link(root.join("linus1")).unwrap(), Path::new("/"));

        fixture.node(1);
        fixture.node(3);
        directories.update().unwrap();
        directories.update().unwrap();
        assert!(root.join("linus3").is_dir());
        let expected = format!("3 {}\n", root.join("linus3").display());
        assert_eq!(fixture.text("attach"), expected);

        directories.remove();
        let expected = format!("{}\n", root.join("linus3").display());
        assert_eq!(fixture.text("detach"), expected);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_daemon_left_is_taken_over() {
        let fixture = Fixture::new();
        fixture.node(2);
        fixture.directories().update().unwrap();
        let mut second = fixture.directories();
        second.update().unwrap();
        assert_eq!(second.nodes.len(), 2);
    }

    #[test]
    fn a_refused_directory_is_tried_again() {
        let fixture = Fixture::new();
        fixture.node(2);
        fs::remove_file(fixture.path("attach")).unwrap();
        let mut directories = fixture.directories();
        assert!(!directories.update().unwrap());
        assert_eq!(directories.nodes.len(), 1);
        fs::write(fixture.path("attach"), "").unwrap();
        assert!(directories.update().unwrap());
        assert_eq!(directories.nodes.len(), 2);
    }

    #[test]
    fn what_is_in_the_way_is_not_taken_over() {
        let fixture = Fixture::new();
        fixture.node(2);
        let root = fixture.path("root");
        symlink("/etc", root.join("linus1")).unwrap();
        fs::write(root.join("linus2"), "").unwrap();
        let mut directories = fixture.directories();
        assert!(!directories.update().unwrap());
        assert!(directories.nodes.is_empty());
        directories.remove();
        assert!(root.join("linus1").is_symlink() && root.join("linus2").is_file());
    }

    #[test]
    fn the_kernels_list_tells_whose_directory_one_is() {
        let fixture = Fixture::new();
        fs::write(
            fixture.path("attach"),
            "2 /linus2\n12 /linus2 and more\n3 /r/linus3\n",
        )
        .unwrap();
        let directories = fixture.directories();
        let attached = |path| directories.attached(Path::new(path)).unwrap();
        assert_eq!(attached("/linus2"), Some(2));
        assert_eq!(attached("/linus2 and more"), Some(12));
        assert_eq!(attached("/linus3"), None);
    }

    #[test]
    fn no_table_is_an_error() {
        let fixture = Fixture::new();
        fs::remove_dir(fixture.path("sst")).unwrap();
        assert!(fixture.directories().update().is_err());
    }
}
