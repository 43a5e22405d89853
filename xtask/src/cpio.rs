// SPDX-License-Identifier: MIT OR Apache-2.0

//! Archives for the kernel's initramfs: cpio, format `newc`, the same bytes for the same tree.
//!
//! Owner is root, times are one constant, order is that of the names, and of a file's permissions
//! only "executable" counts: a checkout's umask cannot reach the image.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Directory(Access),
    /// A file's contents.
    File {
        /// The contents.
        data: Vec<u8>,
        /// Whether everyone may run it.
        executable: bool,
    },
    /// A file's contents that only root may read.
    Secret(Vec<u8>),
    /// A symbolic link's target.
    Symlink(String),
    /// A character device.
    Device {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// What everyone may do with a folder of root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look into it.
    Read,
    /// Create files in it, and remove his own: /tmp.
    Write,
    /// Nothing: /root.
    Nothing,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Access::Read => 0o755,
            Access::Write => 0o1777,
            Access::Nothing => 0o700,
        }
    }
}

/// A tree by absolute path; folders that a path needs are made on writing.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// Puts `entry` at the absolute `path`, in place of what was there.
    pub fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/').to_owned();
        for (at, _) in path.match_indices('/') {
            self.entries
                .entry(path[..at].to_owned())
                .or_insert(Entry::Directory(Access::Read));
        }
        self.entries.insert(path, entry);
    }

    /// Whether something is at `path`.
    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path.trim_matches('/'))
    }

    /// Writes the archive; every entry gets the time `mtime` (seconds since 1970).
    ///
    /// The root comes first: the kernel unpacks over a tmpfs, whose own root everyone may write to.
    pub fn write(&self, out: &mut impl Write, mtime: u32) -> io::Result<()> {
        let mut ino = 0;
        let root = (".", &Entry::Directory(Access::Read));
        let entries = self
            .entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry));
        for (path, entry) in [root].into_iter().chain(entries) {
            ino += 1;
            let none: &[u8] = &[];
            let (mode, links, data, device) = match entry {
                Entry::Directory(access) => (0o040_000 | access.mode(), 2, none, (0, 0)),
                Entry::File {
                    data,
                    executable: false,
                } => (0o100_644, 1, data.as_slice(), (0, 0)),
                Entry::File {
                    data,
                    executable: true,
                } => (0o100_755, 1, data.as_slice(), (0, 0)),
                Entry::Secret(data) => (0o100_600, 1, data.as_slice(), (0, 0)),
                Entry::Symlink(target) => (0o120_777, 1, target.as_bytes(), (0, 0)),
                Entry::Device { major, minor } => (0o020_600, 1, none, (*major, *minor)),
            };
            write_entry(out, path, [ino, mode, links, mtime], device, data)?;
        }
        write_entry(out, "TRAILER!!!", [0, 0, 1, 0], (0, 0), &[])
    }
}

fn write_entry(
    out: &mut impl Write,
    name: &str,
    [ino, mode, links, mtime]: [u32; 4],
    (major, minor): (u32, u32),
    data: &[u8],
) -> io::Result<()> {
    let too_big = |_| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: over 4 GiB"));
    let size = u32::try_from(data.len()).map_err(too_big)?;
    let name_size = u32::try_from(name.len() + 1).map_err(too_big)?;
    // Magic, then: ino mode uid gid nlink mtime size devmajor devminor rdevmajor rdevminor
    // namesize check, each eight hex digits.
    let fields = [
        ino, mode, 0, 0, links, mtime, size, 0, 0, major, minor, name_size, 0,
    ];
    let mut header = String::from("070701");
    for field in fields {
        header.push_str(&format!("{field:08x}"));
    }
    out.write_all(header.as_bytes())?;
    out.write_all(name.as_bytes())?;
    out.write_all(&[0])?;
    pad(out, header.len() + name.len() + 1)?;
    out.write_all(data)?;
    pad(out, data.len())
}

/// Names and data end at multiples of four bytes.
fn pad(out: &mut impl Write, written: usize) -> io::Result<()> {
    out.write_all(&[0; 3][..written.next_multiple_of(4) - written])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(order: &[usize]) -> Tree {
        let entries = [
            (
                "/init",
                Entry::File {
                    data: b"#!/bin/sh\n".to_vec(),
                    executable: true,
                },
            ),
            (
                "/etc/motd",
                Entry::File {
                    data: b"hi".to_vec(),
                    executable: false,
                },
            ),
            ("/bin", Entry::Symlink("usr/bin".into())),
            ("/dev/console", Entry::Device { major: 5, minor: 1 }),
            ("/tmp", Entry::Directory(Access::Write)),
            ("/root", Entry::Directory(Access::Nothing)),
        ];
        let mut tree = Tree::default();
        for &index in order {
            let (path, entry) = &entries[index];
            tree.insert(path, entry.clone());
        }
        tree
    }

    fn bytes(tree: &Tree) -> Vec<u8> {
        let mut out = Vec::new();
        tree.write(&mut out, 1).expect("memory takes every byte");
        out
    }

    #[test]
    fn the_same_tree_gives_the_same_bytes_in_whatever_order_it_was_made() {
        assert_eq!(
            bytes(&tree(&[0, 1, 2, 3, 4, 5])),
            bytes(&tree(&[4, 2, 5, 0, 3, 1]))
        );
    }

    #[test]
    fn every_part_is_aligned_the_root_is_first_and_the_trailer_last() {
        let out = bytes(&tree(&[0, 1, 2, 3, 4, 5]));
        assert_eq!(out.len() % 4, 0);
        let mut at = 0;
        let mut entries = Vec::new();
        while at < out.len() {
            assert_eq!(&out[at..at + 6], b"070701");
            let field = |n: usize| {
                let text = std::str::from_utf8(&out[at + 6 + 8 * n..at + 14 + 8 * n]).expect("hex");
                usize::from_str_radix(text, 16).expect("hex")
            };
            let (mode, owner, size, name_size) =
                (field(1), [field(2), field(3)], field(6), field(11));
            let name = &out[at + 110..at + 110 + name_size - 1];
            let name = String::from_utf8(name.to_vec()).expect("ASCII");
            assert_eq!(owner, [0, 0], "{name}");
            entries.push(format!("{mode:o} {name}"));
            at = (at + 110 + name_size).next_multiple_of(4);
            at = (at + size).next_multiple_of(4);
        }
        assert_eq!(
            entries,
            [
                "40755 .",
                "120777 bin",
                "40755 dev",
                "20600 dev/console",
                "40755 etc",
                "100644 etc/motd",
                "100755 init",
                "40700 root",
                "41777 tmp",
                "0 TRAILER!!!"
            ]
        );
    }

    #[test]
    fn cpio_reads_it_where_there_is_one() {
        let listing = duct::cmd!("cpio", "-itv")
            .stdin_bytes(bytes(&tree(&[0, 1, 2, 3, 4, 5])))
            .stderr_null()
            .read();
        let Ok(listing) = listing else { return };
        assert!(
            listing.contains("-rwxr-xr-x") && listing.contains("bin -> usr/bin"),
            "{listing}"
        );
        assert!(
            listing.contains("drwxrwxrwt") && listing.contains("5,   1"),
            "{listing}"
        );
    }
}
