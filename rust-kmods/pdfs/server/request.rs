// SPDX-License-Identifier: GPL-2.0-only

//! Requests as they come on a circuit, and their answers.

use kernel::prelude::*;
use podos_cm::{Circuit, Content, Outgoing};
use podos_proto::codec::Malformed;
use podos_proto::pdfs::{Op, PathArgs, Reply, Request, SetAttr, WriteArgs, MAX_PATH};
use podos_sys::Wake;
use zerocopy::IntoBytes;

use super::file::ServedFile;
use super::session;
use crate::convert;

/// Bytes of the longest request that is taken into one place: every one but a write.
const MAX_REQUEST: usize = size_of::<PathArgs>() + size_of::<SetAttr>() + 2 * MAX_PATH;

/// Serves a circuit to its end: requests that name files by path, or, once one of them was an open,
/// requests to that file.
pub(super) fn serve(circuit: &Circuit) {
    let mut server = Server {
        circuit,
        file: None,
        request: KVVec::new(),
    };
    loop {
        // Idle in the meantime.
        let (op, message) = match circuit.recv_content(Wake::Idle) {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => {
                circuit.abort();
                return;
            }
        };
        let sent = match server.answer(op, message) {
            Ok(Answer::Body(body)) => circuit.send(op, &[Reply::OK.as_bytes(), &body]),
            Ok(Answer::Composed(answer)) => circuit.send_composed(op, answer),
            Err(e) => circuit.send(op, &[Reply::error(e.to_errno()).as_bytes()]),
        };
        if sent.is_err() {
            circuit.abort();
            return;
        }
    }
}

/// Answers the first request of a circuit that nobody serves.
pub(super) fn refuse(circuit: &Circuit, why: Error) {
    // It came with the circuit, its first segment at least.
    let first = match circuit.readable() {
        true => circuit.recv_woken_by(Wake::Idle),
        false => Ok(None),
    };
    let answer = Reply::error(why.to_errno());
    match first {
        Ok(Some(segment)) if circuit.send(segment.op(), &[answer.as_bytes()]).is_ok() => {}
        _ => circuit.abort(),
    }
}

/// A good answer.
enum Answer {
    /// What follows the status.
    Body(KVVec<u8>),
    /// All of it, with file data.
    Composed(Outgoing),
}

/// What a thread has while it serves a circuit.
struct Server<'a> {
    circuit: &'a Circuit,
    file: Option<ServedFile>,
    /// Room for a request in one place.
    request: KVVec<u8>,
}

impl Server<'_> {
    fn answer(&mut self, op: u8, message: Content) -> Result<Answer> {
        match Op::from_raw(op) {
            Some(Op::Write) => return self.write(&message).map(Answer::Body),
            // Whoever asked is gone, in the middle of a request of any length; the answer is for those
            // who share the circuit with him.
            Some(Op::Cut) => return Err(ECANCELED),
            _ => {}
        }
        if message.len() > MAX_REQUEST {
            return Err(convert::malformed(Malformed::Length));
        }
        self.request.clear();
        for slice in message.slices_from(0) {
            self.request.extend_from_slice(slice, GFP_KERNEL)?;
        }
        drop(message);
        let request = Request::decode(op, &self.request).map_err(convert::malformed)?;
        // A request that says for whom it is makes the circuit that user's: an open file's for good, a
        // session's until the next one.
        if let Ok(creds) = session::creds(&request) {
            self.circuit.charge(creds.fsuid.get())?;
        }
        match request {
            Request::Open { creds, path, args } => {
                if self.file.is_some() {
                    return Err(EBUSY);
                }
                let mut answer = self.circuit.compose();
                self.file = Some(ServedFile::open(creds, path, args, &mut answer)?);
                Ok(Answer::Composed(answer))
            }
            Request::Read(args) => {
                let mut answer = self.circuit.compose();
                answer.put(Reply::OK.as_bytes())?;
                self.file.as_ref().ok_or(EBADF)?.read(args, &mut answer)?;
                Ok(Answer::Composed(answer))
            }
            Request::Close => {
                self.file = None;
                Ok(Answer::Body(KVVec::new()))
            }
            Request::Fsync { .. }
            | Request::Truncate { .. }
            | Request::Fgetattr
            | Request::Fsetattr(_) => {
                let file = self.file.as_ref().ok_or(EBADF)?;
                file.answer(&request).map(Answer::Body)
            }
            _ => session::answer(&request).map(Answer::Body),
        }
    }

    /// Answers a write. Its data go into the file from where they came to lie.
    fn write(&self, message: &Content) -> Result<KVVec<u8>> {
        let mut start = [0; size_of::<WriteArgs>()];
        let len = message.copy_to(0, &mut start);
        let args =
            Request::decode_write(&start[..len], message.len()).map_err(convert::malformed)?;
        let file = self.file.as_ref().ok_or(EBADF)?;
        let written = message.with_source(len, |data| file.write(args, data));
        written.unwrap_or_else(|e| {
            file.write_failed();
            Err(e)
        })
    }
}

/// A body that is one value of the wire's.
pub(super) fn body(value: &(impl IntoBytes + zerocopy::Immutable)) -> Result<KVVec<u8>> {
    let mut body = KVVec::new();
    body.extend_from_slice(value.as_bytes(), GFP_KERNEL)?;
    Ok(body)
}
