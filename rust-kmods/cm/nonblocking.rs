// SPDX-License-Identifier: GPL-2.0-only

//! Circuits without waiting: for handlers, and for those who attend to many circuits at once.
//!
//! All of it may be called from any context in which interrupts are enabled.

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::circuit::ReceiveState;

use crate::callback::{Handled, Handler};
use crate::circuit::{send_error, Circuit};
use crate::content::Incoming;
use crate::node::NODE;
use crate::sys::{Fragment, SegmentData};

impl Circuit {
    /// Has `handler` told from now on what happens to the circuit; at once if something has
    /// happened already. Context: any.
    pub fn handled_by(self, handler: Arc<dyn Handler>) -> Handled {
        Handled::new(self, handler)
    }

    /// As [`Circuit::recv`], but gives `EAGAIN` instead of waiting.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, and those of a broken circuit.
    pub fn try_recv(&self) -> Result<Option<Incoming>> {
        self.take_next(NODE.get()?).unwrap_or(Err(EAGAIN))
    }

    /// Sends `data` as one segment of a message, which ends with it if `end` is set; gives `EAGAIN`
    /// instead of waiting for room.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EMSGSIZE` if `data` is longer than [`Circuit::segment_size`], `ENOMEM`, `EPIPE`
    /// after [`Circuit::shutdown`], and those of a broken circuit.
    pub fn try_send_segment(&self, op: u8, end: bool, data: &[u8]) -> Result {
        if data.len() > self.room_for(data.len()) {
            return Err(EMSGSIZE);
        }
        if !self.writable() {
            return Err(EAGAIN);
        }
        let payload = if data.is_empty() {
            SegmentData::EMPTY
        } else {
            let mut payload = Fragment::new_atomic(data.len())?;
            payload.as_mut_slice().copy_from_slice(data);
            payload.freeze(data.len())
        };
        self.entry()
            .drive(NODE.get()?, |circuit| circuit.send(op, end, payload))
            .map_err(|unsent| send_error(&unsent))
    }

    /// A message of one segment, see [`Circuit::try_send_segment`].
    ///
    /// # Errors
    ///
    /// As [`Circuit::try_send_segment`].
    pub fn try_send(&self, op: u8, data: &[u8]) -> Result {
        self.try_send_segment(op, true, data)
    }

    /// Whether nothing more will come than what was received: the other end has finished, or the
    /// circuit is broken.
    pub fn at_end(&self) -> bool {
        self.entry()
            .peek(|c| !c.can_recv() && c.receive_state() != ReceiveState::Open)
    }
}
