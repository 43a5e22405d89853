// SPDX-License-Identifier: GPL-2.0-only

//! An open remote file: one circuit, with a thread of its own at the other end (paper, section
//! 4.4.2).

use core::sync::atomic::{AtomicI32, Ordering};
use kernel::bindings;
use kernel::error::to_result;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::time::{Instant, Monotonic};
use podos_cm::{Circuit, Content, Outgoing};
use podos_proto::pdfs::{
    Attr, FsyncArgs, Op, OpenArgs, OpenReply, PathArgs, Reply, SetAttr, TruncateArgs, WriteArgs,
};
use podos_proto::wire::Class;
use podos_sys::Wake;
use zerocopy::{FromBytes, IntoBytes};

use super::ahead::Ahead;
use super::file_circuit::{FileCircuit, Read, PIECE};
use super::node::{self, Report};
use super::session::{lost, relative};
use super::{Dentry, Inode, Pdfs, SuperBlock};
use crate::convert;
use crate::sys::attributes::AttributeChanges;
use crate::sys::{Opened, WriteHow, WriteSync};

/// Most bytes that are held in memory for one read or write; more is done in several steps.
const STEP: usize = 512 * 1024;

/// Bytes of a file that the answer to its open brings along (paper, section 4.4.3).
const FIRST: u32 = 4096;

/// An open remote file.
#[pin_data]
pub(crate) struct RemoteFile {
    writes: bool,
    /// When the open was asked for.
    asked: Instant<Monotonic>,
    /// An error that a write ended with that has told how much it wrote before: the next one gives it,
    /// or `fsync`. 0: none.
    untold: AtomicI32,
    can_be_mapped: bool,
    /// Whether every read is a call of its own at the node that has the file: nothing is read
    /// before somebody asks for it.
    direct: bool,
    /// Also that of `requests`; here to compose messages without its lock.
    circuit: Arc<Circuit>,
    #[pin]
    requests: Mutex<FileCircuit>,
    ahead: Arc<Ahead>,
}

/// Flags that mean something to the node that has the file.
const PASSED: u32 = bindings::O_ACCMODE | bindings::O_APPEND | bindings::O_SYNC | convert::FOR_EXEC;

/// The answer to an open, and the circuit that it came on.
struct Answer {
    circuit: Circuit,
    report: Report,
    /// Those of [`OpenReply`].
    flags: u32,
    /// All of it, with the file's first bytes behind the first [`Answer::HEAD`].
    message: Content,
}

impl Answer {
    /// Bytes in front of the file's.
    const HEAD: usize = size_of::<Reply>() + size_of::<OpenReply>();

    /// Asks for the file that `dentry` names, for whom the current task acts.
    fn to(dentry: &Dentry, flags: u32, mode: u16) -> Result<Self> {
        let host = dentry.super_block().volume().host();
        if !podos_rm::is_alive(host) {
            return Err(EHOSTDOWN);
        }
        let only_reads = flags & bindings::O_ACCMODE == bindings::O_RDONLY;
        let args = OpenArgs {
            flags: flags.into(),
            mode: u32::from(mode).into(),
            first: if only_reads { FIRST } else { 0 }.into(),
            reserved: 0.into(),
        };
        let path = dentry.path()?;
        let path = relative(path.as_bytes());
        let head = PathArgs::new(convert::creds_of_task(), path, &[]).map_err(|_| ENAMETOOLONG)?;
        let parts = [head.as_bytes(), args.as_bytes(), path];
        let mut opened = None;
        let report = Report::of(|| {
            let circuit = Circuit::connect(host, Class::Pdfs, Op::Open as u8, &parts)?;
            let message = match circuit.recv_content(Wake::Killable).map_err(lost)? {
                Some((op, message)) if op == Op::Open as u8 => message,
                Some(_) => return Err(EPROTO),
                None => return Err(ECONNRESET),
            };
            let mut head = [0; Self::HEAD];
            let len = message.copy_to(0, &mut head);
            let (reply, _) = Reply::decode_open(&head[..len]).map_err(convert::reply_error)?;
            let (attr, flags) = (reply.attr, reply.flags.get());
            opened = Some((circuit, flags, message));
            Ok(attr)
        })?;
        let (circuit, flags, message) = opened.ok_or(EPROTO)?;
        Ok(Self {
            circuit,
            report,
            flags,
            message,
        })
    }

    /// The file that was opened with `flags`.
    fn into_file(self, flags: u32) -> Result<Arc<RemoteFile>> {
        let access = flags & bindings::O_ACCMODE;
        let direct = self.flags & OpenReply::DIRECT_IO != 0;
        let ahead = Ahead::new()?;
        if access == bindings::O_RDONLY && !direct {
            let len = (self.message.len() - Self::HEAD) as u64;
            let all = len == self.report.attr.size.get();
            ahead.keep_first(self.message, Self::HEAD, all);
        }
        let circuit = Arc::new(self.circuit, GFP_KERNEL)?;
        let requests = FileCircuit::new(circuit.clone());
        Arc::pin_init(
            pin_init!(RemoteFile {
                writes: access != bindings::O_RDONLY,
                untold: AtomicI32::new(0),
                asked: self.report.asked(),
                can_be_mapped: self.flags & OpenReply::UNMAPPABLE == 0,
                direct,
                circuit,
                requests <- new_mutex!(requests, "pdfs_file_circuit"),
                ahead,
            }),
            GFP_KERNEL,
        )
    }
}

impl RemoteFile {
    /// Opens the file that `dentry` names; `flags` are `O_*`.
    ///
    /// # Errors
    ///
    /// `EHOSTDOWN`; `ESTALE` if the name means another file by now; those of the node.
    pub(super) fn open(dentry: &Dentry, inode: &Inode, flags: u32) -> Result<Arc<Self>> {
        let answer = Answer::to(dentry, flags & PASSED, 0)?;
        node::update(inode, &answer.report)?;
        answer.into_file(flags)
    }

    /// Makes the file, and opens it, or opens what is there by now unless `flags` say otherwise.
    ///
    /// # Errors
    ///
    /// As [`RemoteFile::open`].
    pub(super) fn create(
        dentry: &Dentry,
        sb: &SuperBlock,
        flags: u32,
        mode: u16,
    ) -> Result<Opened<Pdfs>> {
        let create = bindings::O_CREAT | flags & bindings::O_EXCL;
        let answer = Answer::to(dentry, flags & PASSED | create, mode)?;
        Ok(Opened {
            inode: node::inode(sb, &answer.report)?,
            created: answer.flags & OpenReply::CREATED != 0,
            handle: answer.into_file(flags)?,
        })
    }

    /// Whether it can be mapped at its node.
    pub(super) fn can_be_mapped(&self) -> bool {
        self.can_be_mapped
    }

    /// When it was asked for, with its first bytes.
    pub(super) fn asked(&self) -> Instant<Monotonic> {
        self.asked
    }

    /// Whether it is open for writing.
    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    /// The file is closed when this returns, as far as the other end is there. There is nothing to be
    /// told of: what was written is with the other end's file system, and `fsync` tells the rest.
    pub(super) fn close(&self) {
        self.ahead.forget();
        // Who only read need not wait; the circuit's end does the same.
        if self.writes {
            let _ = self.requests.lock().ask(Op::Close, &[]);
        }
    }

    /// What was read ahead is not what the file has now.
    pub(super) fn forget_ahead(&self) {
        self.ahead.forget();
    }

    /// See [`crate::sys::FileSystem::read`].
    pub(super) fn read(&self, position: u64, to: &mut IovIterDest<'_>) -> Result<usize> {
        if self.direct {
            return self.read_direct(position, to);
        }
        let mut done = 0;
        while !to.is_empty() {
            let at = position + done as u64;
            let left = to.len();
            if let Some(known) = self.ahead.look(at) {
                let (content, offset) = known.content();
                let given = content.copy_to_iter(offset, to);
                done += given;
                self.ahead.read_to(at + given as u64);
                if given == left || (known.ended() && given == known.len()) {
                    break;
                }
                if given < known.len() {
                    // The reader's memory ends before the length it told.
                    return if done > 0 { Ok(done) } else { Err(EFAULT) };
                }
                continue;
            }
            let wanted = left.min(STEP);
            let mut plan = self.ahead.plan(at, wanted);
            let mut asked = self.requests.lock().read(at, plan.len);
            if asked.is_err() && plan.len > wanted {
                // What can't be read may lie behind what the program asked for.
                self.ahead.spoil_to(at + plan.len as u64);
                plan.len = wanted;
                asked = self.requests.lock().read(at, plan.len);
            }
            let Read { content, end } = match asked {
                Ok(read) => read,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            };
            let read = content.len();
            let wanted = read.min(left);
            let copied = content.copy_to_iter(0, to);
            done += copied;
            // Without an end nobody may take it for the file's.
            if plan.len > left && end.is_ok() {
                self.ahead.keep(&plan, at, content);
            }
            if copied < wanted && done == 0 {
                return Err(EFAULT);
            }
            if copied < wanted || read < plan.len {
                break;
            }
        }
        Ok(done)
    }

    /// One read of what has no page cache, whose answer is the program's, however long it is.
    fn read_direct(&self, position: u64, to: &mut IovIterDest<'_>) -> Result<usize> {
        let content = self.read_pages(position, to.len().min(PIECE))?;
        let copied = content.copy_to_iter(0, to);
        if copied < content.len() && copied == 0 {
            return Err(EFAULT);
        }
        Ok(copied)
    }

    /// Reads `len` bytes from the file's byte `position` on; fewer only at its end.
    pub(super) fn read_pages(&self, position: u64, len: usize) -> Result<Content> {
        let Read { content, end } = self.requests.lock().read(position, len)?;
        end?;
        Ok(content)
    }

    /// See [`crate::sys::FileSystem::write`].
    pub(super) fn write(
        &self,
        inode: &Inode,
        position: u64,
        how: WriteHow,
        from: &mut IovIterSource<'_>,
    ) -> Result<(usize, u64)> {
        self.take_untold()?;
        let mut position = position;
        let mut done = 0;
        while !from.is_empty() {
            let wanted = from.len().min(STEP);
            // The copy may fault a page of this very file in, which takes that lock.
            let pieces = match self.compose_writes(position, how, from, wanted) {
                Ok(pieces) => pieces,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            };
            if pieces.is_empty() {
                break;
            }
            let written = match self.requests.lock().write(pieces) {
                Ok(written) => written,
                Err(e) if done > 0 => {
                    self.keep_untold(e);
                    break;
                }
                Err(e) => return Err(e),
            };
            if let Some(e) = written.stopped {
                self.keep_untold(e);
            }
            done += written.len;
            position = written.end;
            node::wrote(inode, written.size);
            if written.len < wanted {
                break;
            }
        }
        if done == 0 && !from.is_empty() {
            return Err(EFAULT);
        }
        // Mapped pages are read again. One that is being read just now gets what was written.
        let _ = inode.forget_pages(position.saturating_sub(done as u64), position);
        Ok((done, position))
    }

    fn keep_untold(&self, error: Error) {
        // Nor is it anybody else's business that a writer was killed.
        if !convert::is_told_again(error) {
            self.untold.store(error.to_errno(), Ordering::Relaxed);
        }
    }

    fn take_untold(&self) -> Result {
        to_result(self.untold.swap(0, Ordering::Relaxed))
    }

    /// Puts `len` bytes of `from` into write requests, for the file's byte `position` and on; fewer
    /// if they can't be read.
    fn compose_writes(
        &self,
        position: u64,
        how: WriteHow,
        from: &mut IovIterSource<'_>,
        len: usize,
    ) -> Result<KVec<Outgoing>> {
        let mut flags = match how.sync {
            WriteSync::No => 0,
            WriteSync::Data => WriteArgs::DSYNC,
            WriteSync::All => WriteArgs::DSYNC | WriteArgs::SYNC,
        };
        if how.append {
            flags |= WriteArgs::APPEND;
        }
        let mut pieces = KVec::with_capacity(len.div_ceil(PIECE), GFP_KERNEL)?;
        let mut done = 0;
        while done < len {
            let piece = (len - done).min(PIECE);
            let args = |len: usize| WriteArgs {
                offset: (position + done as u64).into(),
                len: (len as u32).into(),
                flags: flags.into(),
            };
            let mut request = self.circuit.compose();
            request.put(args(piece).as_bytes())?;
            let put = request.put_iter(from, piece)?;
            if put < piece {
                // The writer's memory ended before the length it told.
                request.set_start(args(put).as_bytes())?;
            }
            if put > 0 {
                pieces.push(request, GFP_KERNEL)?;
            }
            if put < piece {
                break;
            }
            done += piece;
            // They are on the way together. What follows one that fails must not be written.
            flags |= WriteArgs::FOLLOWS;
        }
        Ok(pieces)
    }

    /// Makes what was written last.
    pub(super) fn sync(&self, data_only: bool) -> Result {
        let args = FsyncArgs {
            datasync: u32::from(data_only).into(),
        };
        // What the node tells now it would not tell again.
        self.take_untold()?;
        self.ask(Op::Fsync, args.as_bytes()).map(drop)
    }

    /// The file's attributes, whatever became of its name.
    pub(super) fn attributes(&self) -> Result<Attr> {
        attr(&self.ask(Op::Fgetattr, &[])?)
    }

    /// Changes the file's attributes, whatever became of its name; gives those after it.
    pub(super) fn set_attributes(&self, changes: &AttributeChanges) -> Result<Attr> {
        let mut after = None;
        if let Some(size) = changes.size {
            let args = TruncateArgs { size: size.into() };
            after = Some(self.ask(Op::Truncate, args.as_bytes())?);
        }
        // A change of the size brings these along by itself.
        let mut others = *changes;
        if others.size.take().is_some() {
            others.mtime = None;
        }
        if others != AttributeChanges::default() || after.is_none() {
            let args: SetAttr = convert::changes_to_wire(&others);
            after = Some(self.ask(Op::Fsetattr, args.as_bytes())?);
        }
        attr(&after.unwrap_or_default())
    }

    fn ask(&self, op: Op, args: &[u8]) -> Result<KVVec<u8>> {
        self.requests.lock().ask(op, &[args])
    }
}

fn attr(body: &[u8]) -> Result<Attr> {
    Attr::read_from_bytes(body).map_err(|_| EPROTO)
}
