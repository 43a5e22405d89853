// SPDX-License-Identifier: GPL-2.0-only

//! An open file that is served: the state of its thread.

use core::cell::Cell;
use kernel::bindings;
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use podos_cm::Outgoing;
use podos_proto::codec::Creds;
use podos_proto::pdfs::{OpenArgs, OpenReply, ReadArgs, Reply, Request, WriteArgs, WriteReply};
use zerocopy::IntoBytes;

use super::request::body;
use super::session;
use crate::convert;
use crate::sys::attributes::{Time, S_IFDIR, S_IFLNK, S_IFREG};
use crate::sys::{Assumed, OpenFlags, OwnFile, WriteHow, WriteSync};

/// Bytes that are tried behind a file's end.
const BEYOND: usize = 4096;

/// Most bytes that one read of a file without a page cache asks it for.
const DIRECT: usize = 64 * 1024;

/// How often an open that may make the file looks for it. Somebody may remove it after one look and
/// make it before the next.
const LOOKS: usize = 16;

fn is_only_read(args: &OpenArgs) -> bool {
    args.flags.get() & bindings::O_ACCMODE == bindings::O_RDONLY
}

fn open_flags(args: &OpenArgs) -> OpenFlags {
    let flags = args.flags.get();
    let access = flags & bindings::O_ACCMODE;
    OpenFlags {
        read: access != bindings::O_WRONLY,
        execute: access == bindings::O_RDONLY && flags & convert::FOR_EXEC != 0,
        write: access == bindings::O_WRONLY || access == bindings::O_RDWR,
        truncate: flags & bindings::O_TRUNC != 0,
        append: flags & bindings::O_APPEND != 0,
        sync: flags & bindings::O_SYNC,
    }
}

/// Opens what is there.
fn open(path: &[u8], args: &OpenArgs) -> Result<OwnFile> {
    let at = session::walk(path)?;
    match at.kind() {
        S_IFREG => OwnFile::open(at, open_flags(args)),
        S_IFDIR => Err(EISDIR),
        S_IFLNK => Err(ELOOP),
        // Devices and FIFOs of another node mean the caller's own.
        _ => Err(ENXIO),
    }
}

/// Opens the file, made just now if that is asked for; whether it was.
fn open_or_create(path: &[u8], args: &OpenArgs) -> Result<(OwnFile, bool)> {
    let flags = args.flags.get();
    if flags & bindings::O_CREAT == 0 {
        return Ok((open(path, args)?, false));
    }
    let mode = (args.mode.get() & 0o7777) as u16;
    let exclusive = flags & bindings::O_EXCL != 0;
    let mut looks = 0;
    loop {
        // What was made is opened by what was made, not by its name, and its permissions don't
        // matter; what is there by now is opened like any file.
        let refused = match session::create_open(path, mode, open_flags(args)) {
            Ok(file) => return Ok((file, true)),
            // Where nothing can be made there may be something.
            Err(e) if !exclusive && (e == EEXIST || e == EROFS) => e,
            Err(e) => return Err(e),
        };
        looks += 1;
        match open(path, args) {
            Err(e) if e == ENOENT && refused == EEXIST && looks < LOOKS => {}
            Err(e) if e == ENOENT => return Err(refused),
            opened => return Ok((opened?, false)),
        }
    }
}

/// An open file of this node, and for whom it is open.
pub(super) struct ServedFile {
    file: OwnFile,
    /// Whether the last write wrote all its bytes.
    whole: Cell<bool>,
    /// An error that a write ended with whose answer told how much it wrote before.
    untold: Cell<Option<Error>>,
    /// The thread acts for the file's opener as long as the file is open.
    _acting: Assumed,
}

impl ServedFile {
    /// Opens the file, and puts the answer together with the beginning that it is to bring along.
    pub(super) fn open(
        creds: &Creds,
        path: &[u8],
        args: &OpenArgs,
        answer: &mut Outgoing,
    ) -> Result<Self> {
        let acting = convert::ids_from_wire(creds)?.assume()?;
        let (file, made) = open_or_create(path, args)?;
        // What reading does beside telling is left to those who read.
        let first = match file.is_direct() || !is_only_read(args) {
            true => 0,
            false => args.first.get() as usize,
        };
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(made, OpenReply::CREATED)
            | flag(file.is_direct(), OpenReply::DIRECT_IO)
            | flag(!file.can_be_mapped(), OpenReply::UNMAPPABLE);
        let reply = OpenReply {
            attr: convert::attributes_to_wire(&file.attributes()?),
            flags: flags.into(),
            reserved: 0.into(),
        };
        answer.put(Reply::OK.as_bytes())?;
        answer.put(reply.as_bytes())?;
        // Without them the caller reads, and is told why if he can't.
        let _ = answer.put_with(first, |to| file.read(0, to));
        Ok(Self {
            file,
            whole: Cell::new(true),
            untold: Cell::new(None),
            _acting: acting,
        })
    }

    /// Puts what a read asks for into the answer, straight from the page cache. Fewer bytes mean
    /// that the file ends behind them.
    ///
    /// # Errors
    ///
    /// Those of the file system, wherever in the piece: an answer can't have bytes and an error.
    pub(super) fn read(&self, args: &ReadArgs, answer: &mut Outgoing) -> Result {
        let mut offset = args.offset.get();
        let mut left = args.len.get() as usize;
        if self.file.is_direct() {
            let wanted = left.min(DIRECT);
            return answer
                .put_with(wanted, |to| self.file.read(offset, to))
                .map(drop);
        }
        // Of a file that tells its size no more memory is taken than that. It may have grown since
        // its file system has looked, so a little is tried beyond.
        let mut step = self.file.left_from(offset);
        while left > 0 {
            let wanted = left.min(step);
            let read = answer.put_with(wanted, |to| self.file.read(offset, to))?;
            if read < wanted {
                break;
            }
            offset += read as u64;
            left -= read;
            step = if step == BEYOND { left } else { BEYOND };
        }
        Ok(())
    }

    /// Answers a request to the open file that moves no data.
    pub(super) fn answer(&self, request: &Request<'_>) -> Result<KVVec<u8>> {
        match *request {
            Request::Fsync { datasync } => {
                // What the file system tells now it would not tell again.
                self.untold.take().map_or(Ok(()), Err)?;
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

    /// Writes `data`, and answers.
    pub(super) fn write(
        &self,
        args: &WriteArgs,
        data: &mut IovIterSource<'_>,
    ) -> Result<KVVec<u8>> {
        let has = |flag| args.flags.get() & flag != 0;
        let went_on = self.whole.replace(false);
        if has(WriteArgs::FOLLOWS) && !went_on {
            return Err(ECANCELED);
        }
        if let Some(e) = self.untold.take() {
            return Err(e);
        }
        let how = WriteHow {
            append: has(WriteArgs::APPEND),
            sync: match () {
                () if has(WriteArgs::SYNC) => WriteSync::All,
                () if has(WriteArgs::DSYNC) => WriteSync::Data,
                () => WriteSync::No,
            },
        };
        let wanted = data.len();
        let wrote = self.file.write(args.offset.get(), how, data)?;
        let untold = wrote.stopped.filter(|e| !convert::is_told_again(*e));
        self.untold.set(untold);
        // What was written is, whatever the file's attributes are.
        let after = self.file.attributes();
        let (size, mtime, ctime) = after.map_or_else(
            |_| {
                let size = self.file.size().max(wrote.end);
                (size, Time::default(), Time::default())
            },
            |after| (after.size, after.mtime, after.ctime),
        );
        let time = |time: Time| podos_proto::codec::Timestamp::new(time.sec, time.nsec);
        let reply = WriteReply {
            offset: wrote.end.saturating_sub(wrote.len as u64).into(),
            written: (wrote.len as u32).into(),
            reserved: 0.into(),
            size: size.into(),
            mtime: time(mtime),
            ctime: time(ctime),
        };
        let answer = body(&reply)?;
        self.whole.set(wrote.len == wanted);
        Ok(answer)
    }

    /// A write could not be taken in: what follows it must not be written.
    pub(super) fn write_failed(&self) {
        self.whole.set(false);
    }

    fn attributes(&self) -> Result<KVVec<u8>> {
        body(&convert::attributes_to_wire(&self.file.attributes()?))
    }
}
