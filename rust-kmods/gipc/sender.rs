// SPDX-License-Identifier: GPL-2.0-only

//! The sending half of a circuit, as several writers share it.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::iov::IovIterSource;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::Mutex;
use podos_cm::{Circuit, Outgoing};
use podos_proto::gipc::Op;
use podos_sys::Wake;

/// Sends one segment at a time, so that nobody holds the lock while the window is full.
#[pin_data]
pub(crate) struct Sender {
    #[pin]
    turn: Mutex<()>,
    closed: AtomicBool,
}

impl Sender {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            turn <- new_mutex!((), "podos_gipc_turn"),
            closed: AtomicBool::new(false),
        })
    }

    /// Sends a short message, of one segment. With `wake` it waits while the window is full.
    ///
    /// # Errors
    ///
    /// `EAGAIN` without `wake`, `ERESTARTSYS`, `EPIPE` after [`Sender::close`], and those of a
    /// broken circuit.
    pub(crate) fn send(
        &self,
        circuit: &Circuit,
        op: Op,
        data: &[u8],
        wake: Option<Wake>,
    ) -> Result {
        let mut message = circuit.compose();
        message.put(data)?;
        self.send_composed(circuit, op, message, wake)
    }

    fn send_composed(
        &self,
        circuit: &Circuit,
        op: Op,
        message: Outgoing,
        wake: Option<Wake>,
    ) -> Result {
        loop {
            {
                let _turn = self.turn.lock();
                if self.closed.load(Ordering::Acquire) {
                    return Err(EPIPE);
                }
                if circuit.writable() {
                    return circuit.send_composed(op as u8, message);
                }
            }
            circuit.waiters().wait_until(wake.ok_or(EAGAIN)?, || {
                let closed = self.closed.load(Ordering::Acquire);
                (closed || circuit.writable()).then_some(())
            })?;
        }
    }

    /// Sends a stream's bytes, as `write(2)` does it: as many as go before an error.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the bytes can't be read, and those of [`Sender::send`].
    pub(crate) fn write(
        &self,
        circuit: &Circuit,
        op: Op,
        from: &mut IovIterSource<'_>,
        wake: Option<Wake>,
    ) -> Result<usize> {
        let mut written = 0;
        while !from.is_empty() {
            // Fetched before it is our turn: it may fault, and a fault may take its time.
            let mut message = circuit.compose();
            let sent = message.put_segment(from, from.len()).and_then(|len| {
                self.send_composed(circuit, op, message, wake)?;
                Ok(len)
            });
            match sent {
                Ok(len) => written += len,
                Err(_) if written > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(written)
    }

    /// Sends nothing more.
    pub(crate) fn close(&self, circuit: &Circuit) {
        {
            let _turn = self.turn.lock();
            self.closed.store(true, Ordering::Release);
            circuit.shutdown();
        }
        circuit.waiters().wake_all();
    }

    /// What a writer that polls wants to know.
    pub(crate) fn writable(&self, circuit: &Circuit) -> bool {
        self.closed.load(Ordering::Acquire) || circuit.writable()
    }
}
