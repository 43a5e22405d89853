// SPDX-License-Identifier: GPL-2.0-only

//! Ephemeral messages: sent for processes, and counted when they come.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::EphemeralRegistration;
use podos_proto::wire::{Class, USUAL_DATA};
use podos_proto::Gpid;

use crate::argument::Argument;
use crate::{abi, Shared};

/// Op of the messages.
const MESSAGE: u8 = 1;

/// What has come.
#[derive(Default)]
pub(crate) struct Ephemerals {
    messages: AtomicU64,
    bytes: AtomicU64,
    last_from: AtomicU64,
}

impl Ephemerals {
    fn count(&self, from: Gpid, data: &[u8]) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.last_from.store(from.raw(), Ordering::Relaxed);
    }

    pub(crate) fn show(&self) -> abi::Ephemerals {
        abi::Ephemerals {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            last_from: self.last_from.load(Ordering::Relaxed),
        }
    }
}

/// Counts the ephemeral messages of class Test from now on.
///
/// # Errors
///
/// `EBUSY`, `ENOMEM`.
pub(crate) fn register(shared: Arc<Shared>) -> Result<EphemeralRegistration> {
    let handler = move |from: Gpid, _op: u8, data: &[u8]| shared.ephemerals.count(from, data);
    podos_cm::on_ephemeral(Class::Test, KBox::new(handler, GFP_KERNEL)?)
}

/// Sends messages as often as wanted.
///
/// # Errors
///
/// `EMSGSIZE`, `EFAULT`, `EHOSTDOWN`, `ENETDOWN`, `EINTR`, `ENOMEM`.
pub(crate) fn send(wanted: &abi::Ephemeral) -> Result {
    let len = wanted.len as usize;
    if len > USUAL_DATA {
        return Err(EMSGSIZE);
    }
    let message = Argument::new(wanted.message)?.read_bytes(len)?;
    for _ in 0..wanted.count {
        if kernel::current!().signal_pending() {
            return Err(EINTR);
        }
        match wanted.to {
            0 => podos_cm::broadcast(Class::Test, MESSAGE, &message)?,
            to => podos_cm::send_ephemeral(Gpid::from_raw(to), Class::Test, MESSAGE, &message)?,
        }
    }
    Ok(())
}
