// SPDX-License-Identifier: GPL-2.0-only

//! An open file that is served: the state of its thread.

use kernel::bindings;
use kernel::prelude::*;
use podos_proto::codec::Creds;
use podos_proto::pdfs::{OpenArgs, OpenReply, Request, WriteReply};
use zerocopy::IntoBytes;

use super::request::body;
use super::session;
use crate::convert;
use crate::sys::attributes::{Time, S_IFDIR, S_IFLNK, S_IFREG};
use crate::sys::{Assumed, OpenFlags, OwnFile};

/// An open file of this node, and for whom it is open.
pub(super) struct ServedFile {
    file: OwnFile,
    /// The thread acts for the file's opener as long as the file is open.
    _acting: Assumed,
}

impl ServedFile {
    /// Opens the file, and reads the beginning that the answer is to bring along.
    pub(super) fn open(creds: &Creds, path: &[u8], args: &OpenArgs) -> Result<(Self, KVVec<u8>)> {
        let acting = convert::ids_from_wire(creds)?.assume()?;
        let flags = args.flags.get();
        let made = if flags & bindings::O_CREAT != 0 {
            let exclusive = flags & bindings::O_EXCL != 0;
            session::create(path, args.mode.get() as u16, exclusive)?
        } else {
            false
        };
        let at = session::walk(path)?;
        match at.attributes()?.kind() {
            S_IFREG => {}
            S_IFDIR => return Err(EISDIR),
            S_IFLNK => return Err(ELOOP),
            // Devices and FIFOs of another node mean the caller's own.
            _ => return Err(ENXIO),
        }
        let access = flags & bindings::O_ACCMODE;
        let flags = OpenFlags {
            read: access != bindings::O_WRONLY,
            execute: access == bindings::O_RDONLY && flags & convert::FOR_EXEC != 0,
            write: access == bindings::O_WRONLY || access == bindings::O_RDWR,
            append: flags & bindings::O_APPEND != 0,
            sync: flags & bindings::O_SYNC,
        };
        if args.flags.get() & bindings::O_TRUNC != 0 && !made {
            at.truncate(0)?;
        }
        let file = OwnFile::open(at, flags, made)?;
        let first = if flags.read {
            args.first.get() as usize
        } else {
            0
        };
        let reply = OpenReply {
            attr: convert::attributes_to_wire(&file.attributes()?),
            flags: if made { OpenReply::CREATED } else { 0 }.into(),
            reserved: 0.into(),
        };
        let mut answer = body(&reply)?;
        if first > 0 {
            let head = answer.len();
            answer.resize(head + first, 0, GFP_KERNEL)?;
            // Without them the caller reads, and is told why if he can't.
            let read = file.read(0, &mut answer[head..]).unwrap_or(0);
            answer.truncate(head + read);
        }
        let served = Self {
            file,
            _acting: acting,
        };
        Ok((served, answer))
    }

    /// Answers a request to the open file.
    pub(super) fn answer(&self, request: &Request<'_>) -> Result<KVVec<u8>> {
        match *request {
            Request::Read(args) => {
                let mut data = KVVec::from_elem(0u8, args.len.get() as usize, GFP_KERNEL)?;
                let read = self.file.read(args.offset.get(), &mut data)?;
                data.truncate(read);
                Ok(data)
            }
            Request::Write { args, data } => self.write(args.offset.get(), data),
            Request::Fsync { datasync } => {
                self.file.sync(datasync)?;
                Ok(KVVec::new())
            }
            Request::Truncate { size } => {
                self.file.truncate(size)?;
                self.attributes()
            }
            Request::Fgetattr => self.attributes(),
            Request::Fsetattr(args) => {
                let mut changes = convert::changes_from_wire(args);
                if let Some(size) = changes.size.take() {
                    self.file.truncate(size)?;
                }
                self.file.set_attributes(&changes)?;
                self.attributes()
            }
            _ => Err(EINVAL),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<KVVec<u8>> {
        let (written, end) = self.file.write(offset, data)?;
        let after = self.file.attributes()?;
        let time = |time: Time| podos_proto::codec::Timestamp::new(time.sec, time.nsec);
        let reply = WriteReply {
            offset: (end - written as u64).into(),
            written: (written as u32).into(),
            reserved: 0.into(),
            size: after.size.into(),
            mtime: time(after.mtime),
            ctime: time(after.ctime),
        };
        let mut answer = KVVec::new();
        answer.extend_from_slice(reply.as_bytes(), GFP_KERNEL)?;
        Ok(answer)
    }

    fn attributes(&self) -> Result<KVVec<u8>> {
        body(&convert::attributes_to_wire(&self.file.attributes()?))
    }
}
