// SPDX-License-Identifier: GPL-2.0-only

//! Requests as they come on a circuit, and their answers.

use kernel::prelude::*;
use podos_cm::sys::Wake;
use podos_cm::{Circuit, MAX_MESSAGE};
use podos_proto::pdfs::{Reply, Request};
use zerocopy::IntoBytes;

use super::file::ServedFile;
use super::session;
use crate::convert;

/// Serves a circuit to its end: requests that name files by path, or, once one of them was an open,
/// requests to that file.
pub(super) fn serve(circuit: &Circuit) {
    let mut message = KVVec::new();
    let mut file = None;
    loop {
        let op = match receive(circuit, &mut message) {
            Ok(Some(op)) => op,
            Ok(None) => return,
            Err(_) => {
                circuit.abort();
                return;
            }
        };
        let answer = Request::decode(op, &message)
            .map_err(convert::malformed)
            .and_then(|request| answer(&request, &mut file));
        let sent = match answer {
            Ok(body) => circuit.send(op, &[Reply::OK.as_bytes(), &body]),
            Err(e) => circuit.send(op, &[Reply::error(e.to_errno()).as_bytes()]),
        };
        if sent.is_err() {
            circuit.abort();
            return;
        }
    }
}

/// The whole next message; its operation, `None` at the end of the circuit. Idle in the meantime.
fn receive(circuit: &Circuit, message: &mut KVVec<u8>) -> Result<Option<u8>> {
    message.clear();
    loop {
        let Some(segment) = circuit.recv_woken_by(Wake::Idle)? else {
            return Ok(None);
        };
        if message.len() + segment.data().len() > MAX_MESSAGE {
            return Err(EMSGSIZE);
        }
        message.extend_from_slice(segment.data(), GFP_KERNEL)?;
        if segment.is_end() {
            return Ok(Some(segment.op()));
        }
    }
}

fn answer(request: &Request<'_>, file: &mut Option<ServedFile>) -> Result<KVVec<u8>> {
    match *request {
        Request::Open { creds, path, args } => {
            if file.is_some() {
                return Err(EBUSY);
            }
            let (opened, body) = ServedFile::open(creds, path, args)?;
            *file = Some(opened);
            Ok(body)
        }
        Request::Close => {
            *file = None;
            Ok(KVVec::new())
        }
        Request::Read(_)
        | Request::Write { .. }
        | Request::Fsync { .. }
        | Request::Truncate { .. }
        | Request::Fgetattr
        | Request::Fsetattr(_) => file.as_ref().ok_or(EBADF)?.answer(request),
        _ => session::answer(request),
    }
}

/// A body that is one value of the wire's.
pub(super) fn body(value: &(impl IntoBytes + zerocopy::Immutable)) -> Result<KVVec<u8>> {
    let mut body = KVVec::new();
    body.extend_from_slice(value.as_bytes(), GFP_KERNEL)?;
    Ok(body)
}
