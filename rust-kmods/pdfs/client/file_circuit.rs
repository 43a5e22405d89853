// SPDX-License-Identifier: GPL-2.0-only

//! A file circuit: requests to one open file, several of them outstanding at once.

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::{Circuit, Content, Incoming, Outgoing};
use podos_proto::pdfs::{Op, ReadArgs, Reply, WriteArgs, WriteReply};
use podos_sys::Wake;
use zerocopy::{FromBytes, IntoBytes};

use super::session::{in_one_place, lost};
use crate::convert;

/// Bytes that one request reads or writes. A circuit's window holds a good part of it, so that the
/// other end reads the next piece from its file while this one is on the way.
pub(super) const PIECE: usize = 64 * 1024;

/// Requests that are on the way at once. Their messages, and the answers to writes, are few enough
/// for the circuit's window, so that nobody waits for room that only he himself could make.
const ON_THE_WAY: u32 = 4;

/// The circuit and what is still to come on it.
pub(super) struct FileCircuit {
    circuit: Arc<Circuit>,
    /// Requests whose answers have not come to their end.
    owed: u32,
    /// Somebody could not send his request to its end: it is still to be ended, and nothing else
    /// can be sent before.
    uncut: bool,
}

impl FileCircuit {
    pub(super) fn new(circuit: Arc<Circuit>) -> Self {
        Self {
            circuit,
            owed: 0,
            uncut: false,
        }
    }

    /// Why there is no use in asking, if so.
    fn check(&self) -> Result {
        self.circuit.broken().map_or(Ok(()), |e| Err(lost(e)))
    }

    /// Whether, after the error `e`, there is any use in waiting for what is still to come.
    ///
    /// # Errors
    ///
    /// Why there is none: the circuit is broken, or the task was killed.
    fn check_waiting(&self, e: Error) -> Result {
        self.check()?;
        if e == ERESTARTSYS && kernel::current!().signal_pending() {
            return Err(e);
        }
        Ok(())
    }

    fn send(&mut self, op: Op, parts: &[&[u8]]) -> Result {
        let sent = self.circuit.send(op as u8, parts);
        self.sent(sent)
    }

    /// Takes note that a request was sent, or not: the task was killed while the window was full, or
    /// there was no memory. What of it is on the way can't be taken back, but others may share the
    /// file with whoever sent it.
    fn sent(&mut self, sent: Result) -> Result {
        match sent {
            Ok(()) => self.owed += 1,
            Err(_) => self.uncut = true,
        }
        sent.map_err(lost)
    }

    /// Ends the request that somebody could not send to its end. As a message of its own, if nothing
    /// of it was sent, it is answered likewise.
    fn cut(&mut self) -> Result {
        if self.uncut {
            self.circuit.send(Op::Cut as u8, &[]).map_err(lost)?;
            self.uncut = false;
            self.owed += 1;
        }
        Ok(())
    }

    /// Hands the next answer, segment by segment, to `take`, and how many of the segment's first
    /// bytes belong to the status.
    ///
    /// # Errors
    ///
    /// Those of the circuit, of the answer's status, and the first of `take`, in this order.
    fn receive(&mut self, mut take: impl FnMut(Incoming, usize) -> Result) -> Result {
        let mut status = [0; size_of::<Reply>()];
        let mut have = 0;
        let mut taken = Ok(());
        let answer = self.circuit.recv_each(Wake::Killable, |segment| {
            let skip = segment.copy_to(0, &mut status[have..]);
            have += skip;
            if taken.is_ok() {
                taken = take(segment, skip);
            }
            // What comes behind a failure is still to be received.
            Ok(())
        });
        answer.map_err(lost)?.ok_or(ECONNRESET)?;
        self.owed -= 1;
        Reply::decode(&status[..have]).map_err(convert::reply_error)?;
        taken
    }

    /// As [`FileCircuit::receive`], into `body`, as far as there is room; how many bytes.
    fn receive_into(&mut self, body: &mut [u8]) -> Result<usize> {
        let mut have = 0;
        self.receive(|segment, skip| {
            have += segment.copy_to(skip, &mut body[have..]);
            Ok(())
        })?;
        Ok(have)
    }

    /// Ends what somebody did not send to its end, because he was killed, and lets the answers pass
    /// that he did not wait for.
    fn settle(&mut self) -> Result {
        self.cut()?;
        while self.owed > 0 {
            let answer = self.circuit.recv_each(Wake::Killable, |_| Ok(()));
            answer.map_err(lost)?.ok_or(ECONNRESET)?;
            self.owed -= 1;
        }
        Ok(())
    }

    /// One request, and its whole answer behind the status.
    pub(super) fn ask(&mut self, op: Op, parts: &[&[u8]]) -> Result<KVVec<u8>> {
        self.check()?;
        self.settle()?;
        self.send(op, parts)?;
        let mut content = Content::new();
        self.receive(|segment, skip| content.push(segment, skip))?;
        in_one_place(&content)
    }

    /// Reads `len` bytes from the file's byte `position` on. They stay where they came to lie, for
    /// whoever may copy them without the line's lock.
    pub(super) fn read(&mut self, position: u64, len: usize) -> Result<Read> {
        self.check()?;
        self.settle()?;
        let mut content = Content::new();
        let mut asked = 0;
        let mut outcome = Ok(());
        let mut ended = false;
        let mut unsent = false;
        // Where, in the content, the piece ends that the next answer is for.
        let mut due = 0;
        loop {
            while !ended && !unsent && asked < len && self.owed < ON_THE_WAY {
                let piece = (len - asked).min(PIECE);
                let args = ReadArgs {
                    offset: (position + asked as u64).into(),
                    len: (piece as u32).into(),
                    reserved: 0.into(),
                };
                match self.send(Op::Read, &[args.as_bytes()]) {
                    Ok(()) => asked += piece,
                    Err(e) => {
                        self.check_waiting(e)?;
                        outcome = Err(e);
                        unsent = true;
                    }
                }
            }
            if self.owed == 0 {
                break;
            }
            due = asked.min(due + PIECE);
            let before = content.len();
            // Behind the end of the file, or behind an error: of no interest.
            let answer = self.receive(|segment, skip| match ended {
                true => Ok(()),
                false => content.push(segment, skip),
            });
            // What a server sends beyond what was asked for is none of the file's bytes here.
            content.truncate(if answer.is_ok() { due } else { before });
            if let Err(e) = answer {
                self.check_waiting(e)?;
                if !ended {
                    outcome = Err(e);
                }
                ended = true;
            }
            ended |= content.len() < due;
        }
        match outcome {
            Err(e) if content.is_empty() => Err(e),
            end => Ok(Read { content, end }),
        }
    }

    /// Sends write requests, each but the last of [`PIECE`] bytes; what the answers say: bytes, the
    /// position after them and the file's size.
    pub(super) fn write(&mut self, pieces: KVec<Outgoing>) -> Result<Written> {
        self.check()?;
        self.settle()?;
        let mut pieces = pieces.into_iter();
        let mut sent = 0;
        let mut written = Written::default();
        let mut outcome = Ok(());
        let mut ended = false;
        let mut unsent = false;
        let mut due = 0;
        loop {
            while !ended && !unsent && self.owed < ON_THE_WAY {
                let Some(piece) = pieces.next() else { break };
                let len = piece.len() - size_of::<WriteArgs>();
                let request = self.circuit.send_composed(Op::Write as u8, piece);
                match self.sent(request) {
                    Ok(()) => sent += len,
                    Err(e) => {
                        self.check_waiting(e)?;
                        outcome = Err(e);
                        unsent = true;
                    }
                }
            }
            if self.owed == 0 {
                break;
            }
            due = sent.min(due + PIECE);
            let mut body = [0; size_of::<WriteReply>()];
            let reply = match self.receive_into(&mut body) {
                Ok(have) => WriteReply::ref_from_bytes(&body[..have]).map_err(|_| EPROTO),
                Err(e) => {
                    self.check_waiting(e)?;
                    Err(e)
                }
            };
            // Nobody writes more than he was given.
            let reply = reply.and_then(|reply| {
                let len = reply.written.get();
                let end = reply.offset.get().checked_add(len.into()).ok_or(EPROTO)?;
                match ended || written.len + len as usize <= due {
                    true => Ok((len as usize, end, reply.size.get())),
                    false => Err(EPROTO),
                }
            });
            match reply {
                Ok((len, end, size)) if !ended => {
                    written.len += len;
                    written.end = end;
                    written.size = size;
                    ended = written.len < due;
                }
                Err(e) if !ended => {
                    outcome = Err(e);
                    ended = true;
                }
                _ => {}
            }
        }
        match outcome {
            Err(e) if written.len == 0 => Err(e),
            _ => {
                written.stopped = outcome.err();
                Ok(written)
            }
        }
    }
}

/// What became of a read.
pub(super) struct Read {
    pub(super) content: Content,
    /// Why there are not as many bytes as were asked for: `Ok` if the file ends behind them.
    pub(super) end: Result,
}

/// What became of a write.
#[derive(Default)]
pub(super) struct Written {
    pub(super) len: usize,
    /// The position after the last byte.
    pub(super) end: u64,
    /// The file's size then.
    pub(super) size: u64,
    /// Why there are no more bytes, if an error is why.
    pub(super) stopped: Option<Error>,
}
