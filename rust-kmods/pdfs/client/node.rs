// SPDX-License-Identifier: GPL-2.0-only

//! A remote file that is known here: what belongs to an inode.

use core::time::Duration;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::time::{Instant, Monotonic};
use podos_proto::pdfs::Attr;

use super::file::RemoteFile;
use super::{Inode, InodeRef, SuperBlock};
use crate::convert;
use crate::sys::attributes::{Attributes, Time, S_IFDIR};

/// How long attributes count as up to date: long enough that a `stat`, which has just looked the
/// name up, does not ask again, and too short to be noticed.
const FRESH: Duration = Duration::from_millis(4);

/// What tells two files of a node apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    device: u32,
    ino: u64,
    generation: u32,
    /// The type bits of the mode: an inode keeps its type as long as it lives.
    kind: u16,
}

impl Key {
    /// The device number, at its node, of the file system that the file is in.
    pub(crate) fn device(&self) -> u32 {
        self.device
    }

    fn of(attributes: &Attributes) -> Self {
        Self {
            device: attributes.dev,
            ino: attributes.ino,
            generation: attributes.generation,
            kind: attributes.kind(),
        }
    }
}

/// A remote file.
#[pin_data]
pub(crate) struct Node {
    key: Key,
    #[pin]
    known: Mutex<Known>,
    /// By whom the file is open here.
    #[pin]
    open: Mutex<KVec<Arc<RemoteFile>>>,
}

/// What was last heard of the file.
struct Known {
    heard: Option<Instant<Monotonic>>,
    size: u64,
    mtime: Time,
    ctime: Time,
}

impl Node {
    fn new(key: Key) -> Result<Pin<KBox<Self>>> {
        let known = Known {
            heard: None,
            size: 0,
            mtime: Time::default(),
            ctime: Time::default(),
        };
        KBox::pin_init(
            pin_init!(Self {
                key,
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
        Ok(self.open.lock().push(file, GFP_KERNEL)?)
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
pub(crate) fn inode(sb: &SuperBlock, attr: &Attr) -> Result<InodeRef> {
    let heard = convert::attributes_from_wire(attr)?;
    let node = Node::new(Key::of(&heard))?;
    let mut shown = heard;
    shown.ino = sb.volume().inode_number(heard.dev.into(), heard.ino);
    // A directory may be in several places of the tree, by bind mounts of its node. VFS can't have
    // that within one superblock, so that each place has an inode of its own.
    let inode = if heard.kind() == S_IFDIR {
        sb.private_inode(&shown, node)?
    } else {
        sb.inode(&shown, node)?
    };
    learn(&inode, &heard);
    Ok(inode)
}

/// Takes over what was heard of the file, if it still is the same one.
///
/// # Errors
///
/// `ESTALE` if it is another one; `EPROTO` for attributes that can't be.
pub(crate) fn update(inode: &Inode, attr: &Attr) -> Result {
    let heard = convert::attributes_from_wire(attr)?;
    if Key::of(&heard) != inode.node().key {
        return Err(ESTALE);
    }
    learn(inode, &heard);
    Ok(())
}

/// Whether these are attributes of that inode.
pub(crate) fn is_same(inode: &Inode, attr: &Attr) -> bool {
    convert::attributes_from_wire(attr).is_ok_and(|heard| Key::of(&heard) == inode.node().key)
}

fn learn(inode: &Inode, heard: &Attributes) {
    let mut known = inode.node().known.lock();
    let changed =
        known.size != heard.size || known.mtime != heard.mtime || known.ctime != heard.ctime;
    known.size = heard.size;
    known.mtime = heard.mtime;
    known.ctime = heard.ctime;
    known.heard = Some(Instant::now());
    inode.set_attributes(heard);
    drop(known);
    if changed {
        inode.node().forget_ahead();
        // A page that is being read just now stays; it is new enough.
        let _ = inode.forget_pages(0, i64::MAX as u64);
    }
}

/// Takes over what a write told, which is not all there is to know.
pub(crate) fn wrote(inode: &Inode, size: u64) {
    let mut known = inode.node().known.lock();
    known.heard = None;
    inode.set_size(size);
    known.size = size;
    drop(known);
    inode.node().forget_ahead();
}
