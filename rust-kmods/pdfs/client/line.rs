// SPDX-License-Identifier: GPL-2.0-only

//! A file circuit: requests to one open file, several of them on the way at once.

use kernel::prelude::*;
use podos_cm::Circuit;
use podos_proto::pdfs::{Op, ReadArgs, Reply, WriteArgs, WriteReply};
use zerocopy::{FromBytes, IntoBytes};

use super::session::lost;
use crate::convert;

/// Bytes that one request reads or writes. A circuit's window holds a good part of it, so that the
/// other end reads the next piece from its file while this one is on the way.
const PIECE: usize = 64 * 1024;

/// Requests that are on the way at once. Their messages, and the answers to writes, are few enough
/// for the circuit's window, so that nobody waits for room that only he himself could make.
const ON_THE_WAY: u32 = 4;

/// The circuit and what is still to come on it.
pub(super) struct Line {
    circuit: Circuit,
    /// Requests whose answers have not come to their end.
    owed: u32,
}

impl Line {
    pub(super) fn new(circuit: Circuit) -> Self {
        Self { circuit, owed: 0 }
    }

    /// Why there is no use in asking, if so.
    fn check(&self) -> Result {
        self.circuit.broken().map_or(Ok(()), |e| Err(lost(e)))
    }

    fn send(&mut self, op: Op, parts: &[&[u8]]) -> Result {
        self.circuit.send(op as u8, parts).map_err(|e| {
            // A part of a message may be on the way, and nothing can be put behind it.
            self.circuit.abort();
            lost(e)
        })?;
        self.owed += 1;
        Ok(())
    }

    /// Hands the next answer, whose first byte is a status, piece by piece to `take`.
    fn receive(&mut self, mut take: impl FnMut(&[u8])) -> Result {
        let mut status = [0; size_of::<Reply>()];
        let mut have = 0;
        loop {
            let segment = self.circuit.recv().map_err(lost)?.ok_or(ECONNRESET)?;
            let mut data = segment.data();
            if have < status.len() {
                let n = data.len().min(status.len() - have);
                let (head, rest) = data.split_at(n);
                status[have..have + n].copy_from_slice(head);
                have += n;
                data = rest;
            }
            take(data);
            if segment.is_end() {
                break;
            }
        }
        self.owed -= 1;
        Reply::decode(&status[..have]).map_err(convert::reply_error)?;
        Ok(())
    }

    /// Lets the answers pass that somebody did not wait for, because he was killed.
    fn settle(&mut self) -> Result {
        while self.owed > 0 {
            let segment = self.circuit.recv().map_err(lost)?.ok_or(ECONNRESET)?;
            if segment.is_end() {
                self.owed -= 1;
            }
        }
        Ok(())
    }

    /// One request, and its whole answer behind the status.
    pub(super) fn ask(&mut self, op: Op, parts: &[&[u8]]) -> Result<KVec<u8>> {
        self.check()?;
        self.settle()?;
        self.send(op, parts)?;
        let mut body = KVec::new();
        let mut stored = Ok(());
        self.receive(|data| {
            if stored.is_ok() {
                stored = body.extend_from_slice(data, GFP_KERNEL);
            }
        })?;
        stored?;
        Ok(body)
    }

    /// Fills `buffer` from the file's byte `position`; fewer bytes only at its end.
    pub(super) fn read(&mut self, position: u64, buffer: &mut [u8]) -> Result<usize> {
        self.check()?;
        self.settle()?;
        let mut asked = 0;
        let mut filled = 0;
        let mut outcome = Ok(());
        let mut ended = false;
        // Where, in the buffer, the piece ends that the next answer is for.
        let mut due = 0;
        loop {
            while !ended && asked < buffer.len() && self.owed < ON_THE_WAY {
                let len = (buffer.len() - asked).min(PIECE);
                let args = ReadArgs {
                    offset: (position + asked as u64).into(),
                    len: (len as u32).into(),
                    reserved: 0.into(),
                };
                self.send(Op::Read, &[args.as_bytes()])?;
                asked += len;
            }
            if self.owed == 0 {
                break;
            }
            due = asked.min(due + PIECE);
            let wanted = if ended {
                // Behind the end of the file, or behind an error: of no interest.
                &mut [][..]
            } else {
                &mut buffer[filled..due]
            };
            let mut got = 0;
            let answer = self.receive(|data| {
                let n = data.len().min(wanted.len() - got);
                wanted[got..got + n].copy_from_slice(&data[..n]);
                got += n;
            });
            filled += got;
            if let Err(e) = answer {
                self.check()?;
                if kernel::current!().signal_pending() && e == ERESTARTSYS {
                    return Err(e);
                }
                if !ended {
                    outcome = Err(e);
                }
                ended = true;
            }
            ended |= filled < due;
        }
        match outcome {
            Err(e) if filled == 0 => Err(e),
            _ => Ok(filled),
        }
    }

    /// Writes `data` at the file's byte `position`, or at its end if it was opened so; what the
    /// answers say: bytes, the position after them and the file's size.
    pub(super) fn write(&mut self, position: u64, data: &[u8]) -> Result<Written> {
        self.check()?;
        self.settle()?;
        let mut pieces = data.chunks(PIECE);
        let mut sent = 0;
        let mut written = Written::default();
        let mut outcome = Ok(());
        let mut ended = false;
        let mut due = 0;
        loop {
            while !ended && self.owed < ON_THE_WAY {
                let Some(piece) = pieces.next() else { break };
                let args = WriteArgs {
                    offset: (position + sent as u64).into(),
                    len: (piece.len() as u32).into(),
                    reserved: 0.into(),
                };
                self.send(Op::Write, &[args.as_bytes(), piece])?;
                sent += piece.len();
            }
            if self.owed == 0 {
                break;
            }
            due = sent.min(due + PIECE);
            let mut body = [0; size_of::<WriteReply>()];
            let mut have = 0;
            let answer = self.receive(|data| {
                let n = data.len().min(body.len() - have);
                body[have..have + n].copy_from_slice(&data[..n]);
                have += n;
            });
            let reply = match answer {
                Ok(()) => WriteReply::ref_from_bytes(&body[..have]).map_err(|_| EPROTO),
                Err(e) => {
                    self.check()?;
                    if e == ERESTARTSYS && kernel::current!().signal_pending() {
                        return Err(e);
                    }
                    Err(e)
                }
            };
            match reply {
                Ok(reply) if !ended => {
                    written.len += reply.written.get() as usize;
                    written.end = reply.offset.get() + u64::from(reply.written.get());
                    written.size = reply.size.get();
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
            _ => Ok(written),
        }
    }
}

/// What became of a write.
#[derive(Default)]
pub(super) struct Written {
    pub(super) len: usize,
    /// The position after the last byte.
    pub(super) end: u64,
    /// The file's size then.
    pub(super) size: u64,
}
