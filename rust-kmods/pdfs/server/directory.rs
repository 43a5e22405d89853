// SPDX-License-Identifier: GPL-2.0-only

//! The entries of a directory that is served.

use kernel::prelude::*;
use podos_proto::pdfs::{Dirent, DirentWriter, ReaddirReply, MAX_NAME};
use zerocopy::IntoBytes;

use crate::sys::{OwnFile, Path};

/// An entry that waits for the next one, whose position is where to go on behind it.
struct Waiting {
    name: [u8; MAX_NAME],
    len: usize,
    ino: u64,
    kind: u8,
}

impl Waiting {
    fn new(name: &[u8], ino: u64, kind: u8) -> Option<Self> {
        let mut waiting = Self {
            name: [0; MAX_NAME],
            len: name.len(),
            ino,
            kind,
        };
        waiting.name.get_mut(..name.len())?.copy_from_slice(name);
        Some(waiting)
    }

    fn dirent(&self, next: u64) -> Dirent<'_> {
        Dirent {
            ino: self.ino,
            next,
            kind: self.kind,
            name: &self.name[..self.len],
        }
    }
}

/// The body of an answer with at most `max` bytes of the entries from the position `cursor` on.
///
/// # Errors
///
/// `ENOTDIR`, `EACCES`; `EINVAL` if not even one entry fits; `EOVERFLOW` if the name of the first one
/// is longer than the wire's.
pub(super) fn read(path: Path, cursor: u64, max: usize) -> Result<KVVec<u8>> {
    let directory = OwnFile::open_directory(path)?;
    let head = size_of::<ReaddirReply>();
    let mut answer = KVVec::from_elem(0u8, head + max, GFP_KERNEL)?;
    let mut writer = DirentWriter::new(&mut answer[head..]);
    let mut waiting = KBox::new(None::<Waiting>, GFP_KERNEL)?;
    let (mut full, mut too_long) = (false, false);

    let end = directory.entries(cursor, &mut |name, ino, kind, position| {
        if let Some(before) = waiting.take() {
            if writer.push(&before.dirent(position)).is_err() {
                full = true;
                return false;
            }
        }
        *waiting = Waiting::new(name, ino, kind);
        // Whoever goes on behind the others is told of it.
        too_long = waiting.is_none();
        !too_long
    })?;
    full |= too_long;
    if let Some(last) = waiting.take() {
        full |= writer.push(&last.dirent(end)).is_err();
    }

    let (count, used) = (writer.count(), writer.used());
    if full && count == 0 {
        return Err(if too_long { EOVERFLOW } else { EINVAL });
    }
    let reply = ReaddirReply {
        count: count.into(),
        flags: if full { 0 } else { ReaddirReply::EOF }.into(),
    };
    answer[..head].copy_from_slice(reply.as_bytes());
    answer.truncate(head + used);
    Ok(answer)
}
