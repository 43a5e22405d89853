// SPDX-License-Identifier: GPL-2.0-only

//! A remote file that is known here: what belongs to an inode.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::time::{Instant, Monotonic};
use podos_proto::pdfs::Attr;

use super::file::RemoteFile;
use super::numbers::Shown;
use super::{Inode, InodeRef, SuperBlock};
use crate::convert;
use crate::sys::attributes::{Attributes, Time, S_IFDIR, S_IFREG, S_ISETID};
use crate::sys::Refused;

/// How long attributes count as up to date: long enough that a `stat`, which has just looked the
/// name up, does not ask again, and too short to be noticed.
const FRESH: Duration = Duration::from_millis(4);

/// What tells two files of a node apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u32,
    ino: u64,
    generation: u32,
    /// The type bits of the mode: an inode keeps its type as long as it lives.
    kind: u16,
}

/// What tells two inodes apart.
///
/// A file of a node may be reached there by several mounts, of which one has programs run with their
/// file's user and another one does not. That must not be exchanged between a look and the
/// execution, and so each way to the file is an inode of its own, which stays what it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    file: Identity,
    /// Set-id bits mean nothing.
    no_suid: bool,
    /// It can't be executed.
    no_exec: bool,
}

impl Key {
    fn of(attributes: &Attributes) -> Self {
        let executable = attributes.kind() == S_IFREG;
        Self {
            file: Identity {
                device: attributes.dev,
                ino: attributes.ino,
                generation: attributes.generation,
                kind: attributes.kind(),
            },
            no_suid: executable && attributes.mount.no_suid,
            no_exec: executable && attributes.mount.no_exec,
        }
    }

    /// What VFS is to know of the attributes: `stat` shows set-id bits, execution must not find any
    /// where they mean nothing.
    fn for_vfs(&self, heard: &Attributes) -> Attributes {
        let mut known = *heard;
        if self.no_suid {
            known.mode &= !S_ISETID;
        }
        known
    }
}

/// A remote file.
#[pin_data]
pub(crate) struct Node {
    key: Key,
    shown: Shown,
    /// Nothing can be changed where it is.
    read_only: AtomicBool,
    #[pin]
    known: Mutex<Known>,
    /// By whom the file is open here.
    #[pin]
    open: Mutex<KVec<Arc<RemoteFile>>>,
}

/// What another node says of a file, and since when it may have been so.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    pub(crate) attr: Attr,
    /// When it was asked for: what this node has done later it may not tell.
    asked: Instant<Monotonic>,
}

impl Report {
    /// What `ask` gets from the other node.
    pub(crate) fn of(ask: impl FnOnce() -> Result<Attr>) -> Result<Self> {
        let asked = Instant::now();
        ask().map(|attr| Self { attr, asked })
    }

    /// When it was asked for.
    pub(super) fn asked(&self) -> Instant<Monotonic> {
        self.asked
    }
}

/// What was last heard of the file.
struct Known {
    heard: Option<Instant<Monotonic>>,
    /// What was asked for before then is older than what is known: when this node last wrote to it, or
    /// cut it, or asked for what it heard last.
    since: Option<Instant<Monotonic>>,
    mode: u16,
    size: u64,
    mtime: Time,
    ctime: Time,
}

impl Node {
    fn new(key: Key, shown: Shown) -> Result<Pin<KBox<Self>>> {
        let known = Known {
            heard: None,
            since: None,
            mode: 0,
            size: 0,
            mtime: Time::default(),
            ctime: Time::default(),
        };
        KBox::pin_init(
            pin_init!(Self {
                key,
                shown,
                read_only: AtomicBool::new(false),
                known <- new_mutex!(known, "pdfs_known"),
                open <- new_mutex!(KVec::new(), "pdfs_open"),
            }),
            GFP_KERNEL,
        )
    }

    /// What tells it apart.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// How its numbers are shown, and those of what is in the directory that it is.
    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    /// Its permissions, with set-id bits that mean nothing.
    pub(crate) fn mode(&self) -> u16 {
        self.known.lock().mode
    }

    /// What is refused to everybody, because it is at its node. Does not sleep.
    pub(crate) fn refused(&self) -> Refused {
        Refused {
            changes: self.read_only.load(Ordering::Relaxed),
            execution: self.key.no_exec,
        }
    }

    /// Whether what is known is up to date enough.
    pub(crate) fn is_fresh(&self) -> bool {
        let known = self.known.lock();
        known
            .heard
            .is_some_and(|at| at.elapsed().as_nanos() < FRESH.as_nanos() as i64)
    }

    /// What is known is not to be trusted any more.
    pub(crate) fn expire(&self) {
        self.known.lock().heard = None;
    }

    /// Notes that the file is open.
    pub(crate) fn opened(&self, file: Arc<RemoteFile>) -> Result {
        self.open.lock().push(file.clone(), GFP_KERNEL)?;
        // Who wrote in between has not found it.
        let since = self.known.lock().since;
        if since.is_some_and(|since| (file.asked() - since).as_nanos() < 0) {
            file.forget_ahead();
        }
        Ok(())
    }

    /// Notes that the file is not open any more by this.
    pub(crate) fn closed(&self, file: &Arc<RemoteFile>) {
        let mut open = self.open.lock();
        let found = open.iter().position(|other| Arc::ptr_eq(other, file));
        let gone = found.and_then(|at| open.remove(at).ok());
        drop(open);
        drop(gone);
    }

    /// What was read ahead is not what the file has now.
    fn forget_ahead(&self) {
        for file in self.open.lock().iter() {
            file.forget_ahead();
        }
    }

    /// An open file of it: the way to a file whose name is gone.
    pub(crate) fn any_open(&self) -> Option<Arc<RemoteFile>> {
        self.open.lock().last().cloned()
    }
}

/// The inode of the file with these attributes.
///
/// # Errors
///
/// `EPROTO` for attributes that can't be; `ENOMEM`.
pub(crate) fn inode(sb: &SuperBlock, report: &Report) -> Result<InodeRef> {
    // A directory may be in several places of the tree, by bind mounts of its node. VFS can't have
    // that within one superblock, so that each place has an inode of its own.
    let private = convert::attributes_from_wire(&report.attr)?.kind() == S_IFDIR;
    make(sb, report, private)
}

/// An inode that no other name will find.
///
/// # Errors
///
/// As [`inode`].
pub(crate) fn inode_of_its_own(sb: &SuperBlock, report: &Report) -> Result<InodeRef> {
    make(sb, report, true)
}

fn make(sb: &SuperBlock, report: &Report, private: bool) -> Result<InodeRef> {
    let heard = convert::attributes_from_wire(&report.attr)?;
    let key = Key::of(&heard);
    let numbers = sb.volume().numbers().shown(heard.dev.into())?;
    let mut known = key.for_vfs(&heard);
    known.ino = numbers.ino(heard.ino);
    let node = Node::new(key, numbers)?;
    let inode = if private {
        sb.private_inode(&known, node)?
    } else {
        sb.inode(&known, node)?
    };
    learn(&inode, &heard, report.asked);
    Ok(inode)
}

/// Takes over what was heard of the file, if it still is the same one; whether that is newer than what
/// was known, or nothing new.
///
/// # Errors
///
/// `ESTALE` if it is another one; `EPROTO` for attributes that can't be.
pub(crate) fn update(inode: &Inode, report: &Report) -> Result<bool> {
    let heard = convert::attributes_from_wire(&report.attr)?;
    if Key::of(&heard) != inode.node().key {
        return Err(ESTALE);
    }
    Ok(learn(inode, &heard, report.asked))
}

/// Takes over what was heard of the file by an open file of it, if it is of this one. The mount that
/// it was opened by may forbid other things by now; for what is open that changes nothing.
///
/// # Errors
///
/// As [`update`].
pub(crate) fn update_open(inode: &Inode, report: &Report) -> Result<bool> {
    let heard = convert::attributes_from_wire(&report.attr)?;
    if Key::of(&heard).file != inode.node().key.file {
        return Err(ESTALE);
    }
    Ok(learn(inode, &heard, report.asked))
}

/// Whether these are attributes of that inode.
pub(crate) fn is_same(inode: &Inode, attr: &Attr) -> bool {
    convert::attributes_from_wire(attr).is_ok_and(|heard| Key::of(&heard) == inode.node().key)
}

/// Takes over what was heard, and asked for at that moment; whether it is newer than what was known.
fn learn(inode: &Inode, heard: &Attributes, asked: Instant<Monotonic>) -> bool {
    let mut known = inode.node().known.lock();
    let mut heard = *heard;
    let newer = known
        .since
        .is_none_or(|since| (asked - since).as_nanos() >= 0);
    if newer {
        known.since = Some(asked);
    } else {
        // It may be of the time before this node's last write: a size that is too small would cut the
        // file for its readers.
        heard.size = known.size;
    }
    let changed =
        known.size != heard.size || known.mtime != heard.mtime || known.ctime != heard.ctime;
    known.size = heard.size;
    known.mtime = heard.mtime;
    known.ctime = heard.ctime;
    known.heard = newer.then(Instant::now);
    known.mode = heard.mode;
    let node = inode.node();
    node.read_only
        .store(heard.mount.read_only, Ordering::Relaxed);
    inode.set_attributes(&node.key.for_vfs(&heard));
    drop(known);
    if changed {
        inode.node().forget_ahead();
        // A page that is being read just now stays; it is new enough.
        let _ = inode.forget_pages(0, i64::MAX as u64);
    }
    newer
}

/// Takes over what a write or a cut told, which is not all there is to know.
pub(crate) fn wrote(inode: &Inode, size: u64) {
    let mut known = inode.node().known.lock();
    known.heard = None;
    known.since = Some(Instant::now());
    inode.set_size(size);
    known.size = size;
    drop(known);
    inode.node().forget_ahead();
}
