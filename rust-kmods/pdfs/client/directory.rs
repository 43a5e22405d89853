// SPDX-License-Identifier: GPL-2.0-only

//! An open remote directory: its entries, fetched many at a time.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_proto::pdfs::{FsyncArgs, Op, ReaddirArgs, ReaddirReply, Reply};
use podos_proto::{Gpid, HostId};

use super::{Dentry, Inode};
use crate::convert;
use crate::sys::DirEmitter;

/// Bytes of entries that are asked for at once: all of most directories, so that a program which
/// removes what it reads does not disturb its own reading.
const BATCH: u32 = 128 * 1024;

/// An open remote directory.
#[pin_data]
pub(crate) struct RemoteDirectory {
    /// The boot of the node in which it was opened, or its loss was last told; `None` if unknown.
    #[pin]
    boot: Mutex<Option<Gpid>>,
    #[pin]
    batch: Mutex<Option<Batch>>,
}

/// Some entries, as they came.
struct Batch {
    message: KVVec<u8>,
    /// The position of the first entry.
    start: u64,
}

impl RemoteDirectory {
    /// A directory of `host`.
    pub(super) fn new(host: HostId) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                boot <- new_mutex!(podos_cm::peer(host), "pdfs_boot"),
                batch <- new_mutex!(None, "pdfs_batch"),
            }),
            GFP_KERNEL,
        )
    }

    /// See [`crate::sys::FileSystem::read_directory`].
    pub(super) fn read(
        &self,
        dentry: &Dentry,
        inode: &Inode,
        emitter: &mut DirEmitter<'_>,
    ) -> Result {
        let mut batch = self.batch.lock();
        if emitter.position() == 0 {
            *batch = None;
        }
        loop {
            let at = emitter.position();
            let known = match batch.take().filter(|known| known.has(at)) {
                Some(known) => known,
                None => Batch::fetch(dentry, at)?,
            };
            let going_on = known.emit(inode, emitter)?;
            *batch = Some(known);
            // Without progress there is no entry that would fit, or none left.
            if !going_on || emitter.position() == at {
                return Ok(());
            }
        }
    }

    /// See [`crate::sys::FileSystem::fsync_directory`].
    ///
    /// # Errors
    ///
    /// `EIO`, once, if the node has booted since the open: what it had not brought to its disk is lost.
    pub(super) fn sync(&self, dentry: &Dentry, data_only: bool) -> Result {
        let args = FsyncArgs {
            datasync: u32::from(data_only).into(),
        };
        let path = dentry.path()?;
        let volume = dentry.super_block().volume();
        let sessions = volume.sessions();
        sessions.ask(Op::Fsyncdir, &args, path.as_bytes(), &[])?;
        let Some(now) = podos_cm::peer(volume.host()) else {
            return Err(EHOSTDOWN);
        };
        match self.boot.lock().replace(now) {
            Some(boot) if boot != now => Err(EIO),
            _ => Ok(()),
        }
    }
}

impl Batch {
    fn fetch(dentry: &Dentry, at: u64) -> Result<Self> {
        let args = ReaddirArgs {
            cursor: at.into(),
            max: BATCH.into(),
            reserved: 0.into(),
        };
        let path = dentry.path()?;
        let sessions = dentry.super_block().volume().sessions();
        let answer = sessions.ask(Op::Readdir, &args, path.as_bytes(), &[])?;
        Ok(Self {
            message: answer.into_message(),
            start: at,
        })
    }

    /// Whether an entry begins at the position, and is not the end of what there is.
    fn has(&self, at: u64) -> bool {
        let Ok((reply, entries)) = Reply::decode_readdir(&self.message) else {
            return false;
        };
        let mut start = self.start;
        for entry in entries.flatten() {
            if start == at {
                return true;
            }
            start = entry.next;
        }
        start == at && reply.flags.get() & ReaddirReply::EOF != 0
    }

    /// Hands over the entries from the emitter's position on; true if there may be more of them
    /// and room.
    fn emit(&self, inode: &Inode, emitter: &mut DirEmitter<'_>) -> Result<bool> {
        let (reply, entries) =
            Reply::decode_readdir(&self.message).map_err(convert::reply_error)?;
        let mut start = self.start;
        for entry in entries {
            let entry = entry.map_err(convert::malformed)?;
            if start == emitter.position() {
                let ino = inode.node().shown().ino(entry.ino);
                if !emitter.emit(entry.name, ino, entry.kind, entry.next) {
                    return Ok(false);
                }
            }
            start = entry.next;
        }
        Ok(reply.flags.get() & ReaddirReply::EOF == 0)
    }
}
