// SPDX-License-Identifier: GPL-2.0-only

//! Virtual circuits, as the layers above use them.

use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::{ReceiveState, SendError, Stats};
use podos_proto::tgroup::RailId;
use podos_proto::wire::{ResetReason, USUAL_DATA};
use podos_proto::Gpid;
use podos_sys::{WaitQueue, Wake};

use crate::busy_poll::BusyPoll;
use crate::content::{Content, Incoming};
use crate::entry::Entry;
use crate::node::{Node, NODE};
use crate::outgoing::Outgoing;
use crate::sys::SegmentData;

/// Largest message, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Most segments that are moved at once, while the circuit is locked.
const BATCH: usize = 16;

/// One end of a virtual circuit: ordered messages, each exactly once, both ways.
///
/// All methods take `&self`: one thread may receive while another one sends. Waits end early when
/// the task is killed, with `ERESTARTSYS`, or when the circuit breaks: `EHOSTDOWN` when the other
/// node is gone, `ECONNREFUSED` when nobody takes the circuit there, `EBUSY` when too many wait to
/// be taken, `ECONNRESET` when the other end broke it, `ETIMEDOUT` when its node is there but does
/// not answer. What came in order before that can still be received.
///
/// Dropping the value finishes the circuit: what was sent still arrives, what arrives is lost.
pub struct Circuit {
    entry: Arc<Entry>,
    /// Whether dropping the value finishes the circuit.
    owned: bool,
    /// Of those who receive.
    busy_poll: BusyPoll,
}

/// The error that a broken circuit gives.
pub(crate) fn broken_error(reason: ResetReason) -> Error {
    match reason {
        ResetReason::PeerDown => EHOSTDOWN,
        ResetReason::TimedOut => ETIMEDOUT,
        ResetReason::Refused => ECONNREFUSED,
        ResetReason::Full => EBUSY,
        ResetReason::NoCircuit | ResetReason::Aborted | ResetReason::Protocol => ECONNRESET,
    }
}

/// Why a segment was not taken; `EAGAIN` if there is no room now.
pub(crate) fn send_error(unsent: &SendError<SegmentData>) -> Error {
    match unsent {
        SendError::Full(_) => EAGAIN,
        SendError::NoMemory(_) => ENOMEM,
        SendError::TooLong(_) => EMSGSIZE,
        SendError::Finished(_) => EPIPE,
        SendError::Reset(reason, _) => broken_error(*reason),
    }
}

impl Circuit {
    pub(crate) fn new(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            owned: true,
            busy_poll: BusyPoll::new(),
        }
    }

    /// The circuit for somebody who does not own it.
    pub(crate) fn lent(entry: Arc<Entry>) -> Self {
        Self {
            entry,
            owned: false,
            busy_poll: BusyPoll::new(),
        }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Who is at the other end: process id 0 until it has answered.
    pub fn remote(&self) -> Gpid {
        self.entry.peek(|c| c.remote())
    }

    /// This end's index in the CDT.
    pub fn index(&self) -> CdtIndex {
        self.entry.index()
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        self.entry.peek(|c| c.stats())
    }

    /// The rail that was last used.
    pub fn rail(&self) -> Option<RailId> {
        self.entry.peek(|c| c.rail())
    }

    /// Why the circuit is broken, as soon as it is, whatever was received before.
    pub fn broken(&self) -> Option<Error> {
        self.entry.peek(|c| c.reset_reason()).map(broken_error)
    }

    /// Whether [`Circuit::recv`] would return at once.
    pub fn readable(&self) -> bool {
        self.entry.readable()
    }

    /// Whether a segment could be sent at once, or sending would fail.
    pub fn writable(&self) -> bool {
        self.entry
            .peek(|c| c.can_send() || c.reset_reason().is_some())
    }

    /// Woken whenever one of the above changes.
    pub fn waiters(&self) -> &WaitQueue {
        self.entry.waiters()
    }

    /// Sends one message, the concatenation of `parts`; waits while the window is full.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it is longer than [`MAX_MESSAGE`]; `EPIPE` after [`Circuit::shutdown`]; `ENOMEM`;
    /// those of a broken circuit.
    pub fn send(&self, op: u8, parts: &[&[u8]]) -> Result {
        let mut source = Parts::new(parts);
        let len = parts.iter().map(|p| p.len()).sum();
        self.send_filled(op, len, |data| {
            source.fill(data);
            Ok(())
        })
    }

    /// Sends `head` and then `len` bytes of `iter` as one message.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the bytes can't be read; the circuit is reset then, since the other end waits
    /// for the rest. Else as [`Circuit::send`].
    pub fn send_iter(
        &self,
        op: u8,
        head: &[u8],
        iter: &mut IovIterSource<'_>,
        len: usize,
    ) -> Result {
        let mut source = Parts::new(core::slice::from_ref(&head));
        let total = head.len().checked_add(len).ok_or(EOVERFLOW)?;
        let sent = self.send_filled(op, total, |data| {
            let taken = source.fill(data);
            let rest = &mut data[taken..];
            if iter.copy_from_iter(rest) == rest.len() {
                Ok(())
            } else {
                Err(EFAULT)
            }
        });
        if sent == Err(EFAULT) {
            self.abort();
        }
        sent
    }

    /// Cuts a message of `len` bytes into segments, each written by `fill`, which must leave no
    /// byte of what it is given as it was.
    fn send_filled(&self, op: u8, len: usize, mut fill: impl FnMut(&mut [u8]) -> Result) -> Result {
        let node = NODE.get()?;
        if len > MAX_MESSAGE {
            return Err(EMSGSIZE);
        }
        if len == 0 {
            return self.send_segment(node, op, true, SegmentData::EMPTY);
        }
        let room = self.room_for(len);
        let mut left = len;
        while left > 0 {
            let mut segment = node.fragments().take(left.min(room))?;
            fill(segment.as_mut_slice())?;
            let len = segment.len();
            left -= len;
            self.send_segment(node, op, left == 0, segment.freeze(len))?;
        }
        Ok(())
    }

    /// A message that is going to be sent on this circuit, still empty.
    pub fn compose(&self) -> Outgoing {
        Outgoing::new(self.segment_size())
    }

    /// Sends a composed message; waits while the window is full.
    ///
    /// # Errors
    ///
    /// As [`Circuit::send`].
    pub fn send_composed(&self, op: u8, message: Outgoing) -> Result {
        let node = NODE.get()?;
        if message.len() > MAX_MESSAGE {
            return Err(EMSGSIZE);
        }
        let mut segments = message.into_segments();
        let mut next = segments.next();
        loop {
            let sent = self.entry.drive(node, |circuit| {
                for _ in 0..BATCH {
                    let Some((segment, end)) = next.take() else {
                        break;
                    };
                    match circuit.send(op, end, segment) {
                        Ok(()) => next = segments.next(),
                        Err(SendError::Full(unsent)) => {
                            next = Some((unsent, end));
                            return Err(EAGAIN);
                        }
                        Err(unsent) => return Err(send_error(&unsent)),
                    }
                }
                Ok(())
            });
            match sent {
                Ok(()) if next.is_none() => return Ok(()),
                Err(e) if e != EAGAIN => return Err(e),
                Ok(()) => {}
                Err(_) => {
                    let ready = || self.writable().then_some(());
                    self.entry.waiters().wait_until(Wake::Killable, ready)?;
                }
            }
        }
    }

    /// Bytes that a segment should have, so that it fits into one frame on the rails as they are;
    /// [`Circuit::try_send_segment`] takes no more.
    pub fn segment_size(&self) -> usize {
        let room = NODE.get().map_or(0, |node| self.entry.segment_room(node));
        match room {
            // No rail works: whichever comes back has room for this.
            0 => USUAL_DATA,
            room => room,
        }
    }

    /// [`Circuit::segment_size`], or less if `len` bytes need no more: a short message goes out
    /// without a look at the rails.
    pub(crate) fn room_for(&self, len: usize) -> usize {
        if len <= USUAL_DATA {
            USUAL_DATA
        } else {
            self.segment_size()
        }
    }

    fn send_segment(&self, node: &Node, op: u8, end: bool, mut payload: SegmentData) -> Result {
        loop {
            match self
                .entry
                .drive(node, |circuit| circuit.send(op, end, payload))
            {
                Ok(()) => return Ok(()),
                Err(SendError::Full(unsent)) => payload = unsent,
                Err(unsent) => return Err(send_error(&unsent)),
            }
            let ready = || self.writable().then_some(());
            self.entry.waiters().wait_until(Wake::Killable, ready)?;
        }
    }

    /// The next segment; `None` when the other end has finished. Waits for one.
    pub fn recv(&self) -> Result<Option<Incoming>> {
        self.recv_woken_by(Wake::Killable)
    }

    /// Waits until [`Circuit::readable`].
    fn wait_readable(&self, wake: Wake) -> Result {
        let ready = || self.readable();
        let limit = crate::spin_limit_ns();
        self.busy_poll.wait(limit, ready, || {
            let ready = || self.readable().then_some(());
            self.entry.waiters().wait_until(wake, ready)
        })
    }

    /// As [`Circuit::recv`], ended by the signals that `wake` names.
    pub fn recv_woken_by(&self, wake: Wake) -> Result<Option<Incoming>> {
        let node = NODE.get()?;
        loop {
            // Looks before it waits; to look is less work than to take nothing.
            self.wait_readable(wake)?;
            if let Some(outcome) = self.take_next(node) {
                return outcome;
            }
        }
    }

    /// What [`Circuit::recv`] would return without waiting; `None` if it would wait.
    pub(crate) fn take_next(&self, node: &Node) -> Option<Result<Option<Incoming>>> {
        self.entry.receive_with(node, |circuit| {
            if let Some(segment) = circuit.recv() {
                return Some(Ok(Some(segment.into())));
            }
            match circuit.receive_state() {
                ReceiveState::Open => None,
                ReceiveState::Eof => Some(Ok(None)),
                ReceiveState::Reset(reason) => Some(Err(broken_error(reason))),
            }
        })
    }

    /// A whole message, into `buf`, which is cleared first; its op, or `None` when the other end
    /// has finished.
    ///
    /// # Errors
    ///
    /// Those of [`Circuit::recv_each`], and `EMSGSIZE` if it is longer than [`MAX_MESSAGE`].
    pub fn recv_message(&self, buf: &mut KVec<u8>) -> Result<Option<u8>> {
        buf.clear();
        self.recv_each(Wake::Killable, |segment| {
            if buf.len() + segment.len() > MAX_MESSAGE {
                return Err(EMSGSIZE);
            }
            segment.append_to(buf)
        })
    }

    /// As [`Circuit::recv_message`], but leaves the message where it is. Woken by the signals that
    /// `wake` names.
    ///
    /// # Errors
    ///
    /// As [`Circuit::recv_message`].
    pub fn recv_content(&self, wake: Wake) -> Result<Option<(u8, Content)>> {
        let mut content = Content::new();
        let op = self.recv_each(wake, |segment| {
            if content.len() + segment.len() > MAX_MESSAGE {
                return Err(EMSGSIZE);
            }
            content.push(segment, 0)
        })?;
        Ok(op.map(|op| (op, content)))
    }

    /// Hands the segments of the next message to `take` as they come, up to the last one; the
    /// message's op, or `None` when the other end has finished. Woken by the signals that `wake`
    /// names.
    ///
    /// # Errors
    ///
    /// Those of a broken circuit, the first of `take`, `EPROTO` if the other end finished in the
    /// middle of the message; the circuit is of no more use then.
    pub fn recv_each(
        &self,
        wake: Wake,
        mut take: impl FnMut(Incoming) -> Result,
    ) -> Result<Option<u8>> {
        let mut batch = [const { None }; BATCH];
        let mut begun = false;
        loop {
            let state = self.recv_batch(wake, &mut batch)?;
            let mut taken = false;
            for segment in batch.iter_mut().map_while(Option::take) {
                let (op, end) = (segment.op(), segment.is_end());
                take(segment)?;
                if end {
                    return Ok(Some(op));
                }
                taken = true;
            }
            begun |= taken;
            match state {
                _ if taken => {}
                ReceiveState::Open => {}
                ReceiveState::Eof if begun => return Err(EPROTO),
                ReceiveState::Eof => return Ok(None),
                ReceiveState::Reset(reason) => return Err(broken_error(reason)),
            }
        }
    }

    /// Fills `batch` from its start with what has arrived of the next message, waiting for a segment
    /// at least; what else can be received.
    ///
    /// It is not a part of [`Circuit::recv_each`], as that is compiled where it is used, but what
    /// moves frames only here.
    fn recv_batch(
        &self,
        wake: Wake,
        batch: &mut [Option<Incoming>; BATCH],
    ) -> Result<ReceiveState> {
        let node = NODE.get()?;
        self.wait_readable(wake)?;
        Ok(self.entry.receive_with(node, |circuit| {
            for place in batch {
                let segment = circuit.recv().map(Incoming::from);
                let last = segment.as_ref().is_none_or(Incoming::is_end);
                *place = segment;
                if last {
                    break;
                }
            }
            circuit.receive_state()
        }))
    }

    /// Sends nothing more: when it has received everything the other end sees `None`.
    pub fn shutdown(&self) {
        if let Ok(node) = NODE.get() {
            self.entry.drive(node, |circuit| circuit.shutdown());
        }
    }

    /// Breaks the circuit now, at both ends.
    pub fn abort(&self) {
        if let Ok(node) = NODE.get() {
            self.entry.abort(node);
        }
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        if let Ok(node) = NODE.get() {
            self.entry.disown(node);
        }
    }
}

/// Several slices, taken as one.
struct Parts<'a> {
    parts: &'a [&'a [u8]],
    /// Bytes of the first part that were taken.
    taken: usize,
}

impl<'a> Parts<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts, taken: 0 }
    }

    /// Fills `out` as far as there are bytes; how many there were.
    fn fill(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some((first, rest)) = self.parts.split_first() {
            let left = &first[self.taken..];
            let n = left.len().min(out.len() - filled);
            out[filled..filled + n].copy_from_slice(&left[..n]);
            filled += n;
            self.taken += n;
            if self.taken < first.len() {
                break;
            }
            self.parts = rest;
            self.taken = 0;
        }
        filled
    }
}
