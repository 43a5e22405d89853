// SPDX-License-Identifier: GPL-2.0-only

//! Session circuits: requests that name files by path.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::Mutex;
use podos_cm::{Circuit, Content};
use podos_proto::pdfs::{Op, PathArgs, Reply};
use podos_proto::wire::Class;
use podos_proto::HostId;
use podos_sys::Wake;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::convert;

/// Idle circuits that are kept, each with a thread at the other end.
const MAX_IDLE: usize = 4;

/// The circuits to one node. Each carries one request at a time; there are as many as there were
/// requests at once.
#[pin_data]
pub(crate) struct Sessions {
    host: HostId,
    #[pin]
    idle: Mutex<KVec<Circuit>>,
}

/// An answer with status 0.
pub(crate) struct Answer(KVVec<u8>);

impl Answer {
    /// What follows the status.
    pub(crate) fn body(&self) -> Result<&[u8]> {
        Reply::decode(&self.0).map_err(convert::reply_error)
    }

    /// The body as exactly one `T`.
    ///
    /// # Errors
    ///
    /// `EPROTO` if it is not.
    pub(crate) fn read<T: FromBytes + KnownLayout + Immutable + Unaligned>(&self) -> Result<&T> {
        Reply::decode_as(&self.0).map_err(convert::reply_error)
    }

    /// The whole message, status and all.
    pub(crate) fn into_message(self) -> KVVec<u8> {
        self.0
    }
}

/// Whether a request may be made twice with the effect of once, and so be repeated when nobody
/// knows how far it got.
fn is_repeatable(op: Op) -> bool {
    matches!(
        op,
        Op::Lookup | Op::Getattr | Op::Readdir | Op::Readlink | Op::Statfs | Op::Fsyncdir
    )
}

impl Sessions {
    pub(crate) fn new(host: HostId) -> impl PinInit<Self> {
        pin_init!(Self {
            host,
            idle <- new_mutex!(KVec::new(), "pdfs_sessions"),
        })
    }

    /// Asks the node, for whom the current task acts: operation `op` on `path` (from the root of
    /// the tree, as a dentry says it), with the operation's own arguments and a second path where
    /// it has them.
    ///
    /// # Errors
    ///
    /// `EHOSTDOWN` if the node is not alive, or dies over it; `ERESTARTSYS` if the task is killed;
    /// else the node's.
    pub(crate) fn ask<A: IntoBytes + Immutable + ?Sized>(
        &self,
        op: Op,
        args: &A,
        path: &[u8],
        second: &[u8],
    ) -> Result<Answer> {
        let path = relative(path);
        let head =
            PathArgs::new(convert::creds_of_task(), path, second).map_err(|_| ENAMETOOLONG)?;
        let parts = [head.as_bytes(), args.as_bytes(), path, second];
        let message = self.exchange(op, &parts)?;
        Reply::decode(&message).map_err(convert::reply_error)?;
        Ok(Answer(message))
    }

    fn exchange(&self, op: Op, parts: &[&[u8]]) -> Result<KVVec<u8>> {
        if !podos_rm::is_alive(self.host) {
            return Err(EHOSTDOWN);
        }
        while let Some(circuit) = self.take_idle() {
            if let Err(e) = circuit.charge_caller() {
                self.keep(circuit);
                return Err(e);
            }
            // One that had been lying around may turn out to be gone: the node was down and is back.
            if circuit.send(op as u8, parts).is_err() {
                continue;
            }
            match self.receive(circuit, op) {
                Err(e) if e == ECONNRESET && is_repeatable(op) => continue,
                answered => return answered,
            }
        }
        let circuit = Circuit::connect(self.host, Class::Pdfs, op as u8, parts)?;
        self.receive(circuit, op)
    }

    /// Waits for the answer, and keeps the circuit for the next request.
    fn receive(&self, circuit: Circuit, op: Op) -> Result<KVVec<u8>> {
        match circuit.recv_content(Wake::Killable) {
            Ok(Some((answered, content))) if answered == op as u8 => {
                self.keep(circuit);
                in_one_place(&content)
            }
            Ok(Some(_)) => {
                circuit.abort();
                Err(EPROTO)
            }
            Ok(None) => Err(ECONNRESET),
            Err(e) => {
                circuit.abort();
                Err(lost(e))
            }
        }
    }

    fn take_idle(&self) -> Option<Circuit> {
        loop {
            let circuit = self.idle.lock().pop()?;
            if circuit.broken().is_none() && !circuit.readable() {
                return Some(circuit);
            }
        }
    }

    fn keep(&self, circuit: Circuit) {
        let mut idle = self.idle.lock();
        let dropped = if idle.len() < MAX_IDLE {
            idle.push(circuit, GFP_KERNEL).err().map(|_| None)
        } else {
            Some(Some(circuit))
        };
        drop(idle);
        drop(dropped);
    }
}

/// What came, in memory of the size that it needs, which need not be physically contiguous.
pub(super) fn in_one_place(content: &Content) -> Result<KVVec<u8>> {
    let mut bytes = KVVec::with_capacity(content.len(), GFP_KERNEL)?;
    for slice in content.slices_from(0) {
        bytes.extend_from_slice(slice, GFP_KERNEL)?;
    }
    Ok(bytes)
}

/// The path on the wire of one that a dentry says: without the slash in front.
pub(crate) fn relative(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}

/// What a broken circuit is to a program.
pub(crate) fn lost(e: Error) -> Error {
    match e {
        // Nobody serves files there: the node has just booted, and PDFS comes after CM.
        e if e == ETIMEDOUT || e == ECONNREFUSED => EHOSTDOWN,
        // The other node's table is full, which `open(2)` says of this one's as well.
        e if e == EBUSY => ENFILE,
        e => e,
    }
}
