// SPDX-License-Identifier: GPL-2.0-only

//! Messages that are read whole, or stay unread.

use kernel::iov::IovIterDest;
use kernel::prelude::*;
use podos_cm::{Circuit, Incoming};
use podos_sys::Wake;

/// The segments of a message that was begun to read: kept until the reader has got all of it.
#[derive(Default)]
pub(crate) struct Held(KVec<Incoming>);

impl Held {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads one message; its length, 0 when the other end has finished.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if there is no room for it, `EFAULT`, `ERESTARTSYS`: the message stays. `EPROTO` if
    /// the other end finished inside of it, `ENOMEM`, and those of a broken circuit.
    pub(crate) fn read(&mut self, circuit: &Circuit, to: &mut IovIterDest<'_>) -> Result<usize> {
        let before = to.len();
        for segment in &self.0 {
            copy(segment, to)?;
        }
        let mut complete = self.0.last().is_some_and(Incoming::is_end);
        while !complete {
            let Some(segment) = circuit.recv_woken_by(Wake::Interruptible)? else {
                return if self.is_empty() { Ok(0) } else { Err(EPROTO) };
            };
            complete = segment.is_end();
            let copied = copy(&segment, to);
            if !complete || copied.is_err() {
                self.hold(segment, circuit)?;
            }
            copied?;
        }
        self.0.clear();
        Ok(before - to.len())
    }

    /// A segment that cannot be kept leaves a message without its middle.
    fn hold(&mut self, segment: Incoming, circuit: &Circuit) -> Result {
        self.0
            .push(segment, GFP_KERNEL)
            .inspect_err(|_| circuit.abort())?;
        Ok(())
    }
}

fn copy(segment: &Incoming, to: &mut IovIterDest<'_>) -> Result {
    if segment.len() > to.len() {
        return Err(EMSGSIZE);
    }
    if segment.copy_to_iter(0, to) < segment.len() {
        return Err(EFAULT);
    }
    Ok(())
}
