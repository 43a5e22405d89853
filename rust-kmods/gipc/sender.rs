// SPDX-License-Identifier: GPL-2.0-only

//! The sending half of a circuit, as several writers share it.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::iov::IovIterSource;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::Mutex;
use podos_cm::sys::Wake;
use podos_cm::Circuit;
use podos_proto::gipc::Op;
use podos_proto::wire::USUAL_DATA;

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

    /// Sends a message of at most one segment. With `wake` it waits while the window is full.
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
        debug_assert!(data.len() <= USUAL_DATA);
        loop {
            {
                let _turn = self.turn.lock();
                if self.closed.load(Ordering::Acquire) {
                    return Err(EPIPE);
                }
                if circuit.writable() {
                    return circuit.send(op as u8, &[data]);
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
        let mut buffer = KVec::from_elem(0, USUAL_DATA.min(from.len()), GFP_KERNEL)?;
        let mut written = 0;
        while !from.is_empty() {
            // Fetched before it is our turn: it may fault, and a fault may take its time.
            let len = from.copy_from_iter(&mut buffer);
            let sent = match buffer.get(..len) {
                Some(segment) if len > 0 => self.send(circuit, op, segment, wake),
                _ => Err(EFAULT),
            };
            match sent {
                Ok(()) => written += len,
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
