// SPDX-License-Identifier: GPL-2.0-only

//! The echo service: every message is sent back right where it was received, in softirq.

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_cm::{Circuit, Handled, Handler};
use podos_sys::{StopToken, WaitQueue, Wake};

use crate::SHARED;

/// Op of the messages that are echoed.
pub(crate) const ECHO: u8 = 1;

/// The circuits that are being served.
#[pin_data]
pub(crate) struct Echo {
    service: Arc<Service>,
    #[pin]
    served: SpinLockIrq<Served>,
    /// Woken when a circuit is at its end.
    #[pin]
    ended: WaitQueue,
}

#[derive(Default)]
struct Served {
    circuits: KVec<Handled>,
    /// Circuits for which there is room, but which are not in yet.
    coming: usize,
}

impl Echo {
    /// A service without circuits.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            service: Arc::new(Service, GFP_KERNEL)?,
            served <- new_spinlock_irq!(Served::default(), "podos_cmtest_echo"),
            ended <- WaitQueue::new(c"podos_cmtest_echo", kernel::static_lock_class!()),
        })
    }

    /// Serves a circuit from now on. Context: softirq.
    pub(crate) fn take(&self, circuit: Circuit) {
        // First the room: a circuit with a handler can't be dropped here.
        if self.make_room().is_err() {
            return circuit.refuse();
        }
        let handled = circuit.handled_by(self.service.clone());
        let at_end = handled.at_end();
        let mut served = self.served.lock();
        served.coming -= 1;
        let _room_was_made = served.circuits.push_within_capacity(handled);
        drop(served);
        if at_end {
            self.ended.wake_all();
        }
    }

    fn make_room(&self) -> Result {
        let mut served = self.served.lock();
        let room = served.coming + 1;
        served.circuits.reserve(room, GFP_ATOMIC)?;
        served.coming = room;
        Ok(())
    }

    /// Lets go of circuits that have come to their end, until the module goes.
    pub(crate) fn reap(&self, stop: &StopToken) {
        while !stop.is_stopping() {
            // `Wake::Idle` is not ended by signals.
            let ended = self.ended.wait_until(Wake::Idle, || {
                self.take_ended()
                    .map(Some)
                    .or(stop.is_stopping().then_some(None))
            });
            drop(ended);
        }
        // The listener was closed: no more circuits come, and those that are there are broken.
        while let Some(circuit) = self.pop() {
            drop(circuit);
        }
    }

    fn pop(&self) -> Option<Handled> {
        self.served.lock().circuits.pop()
    }

    fn take_ended(&self) -> Option<Handled> {
        let mut served = self.served.lock();
        let place = served
            .circuits
            .iter()
            .position(|circuit| circuit.at_end())?;
        served.circuits.remove(place).ok()
    }
}

/// What is done for each circuit.
struct Service;

impl Service {
    /// Sends back what has come, as far as there is room for it.
    fn echo(&self, circuit: &Circuit) -> Result {
        while circuit.writable() {
            match circuit.try_recv() {
                Ok(Some(mut segment)) => {
                    let (op, end) = (segment.op(), segment.is_end());
                    circuit.try_send_segment(op, end, segment.linear()?)?;
                }
                Err(EAGAIN) => break,
                Ok(None) | Err(_) => {
                    circuit.shutdown();
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Handler for Service {
    fn changed(&self, circuit: &Circuit) {
        if self.echo(circuit).is_err() {
            // Out of memory: the message would have a hole.
            circuit.abort();
        }
        if circuit.at_end() {
            if let Ok(shared) = SHARED.get() {
                shared.echo.ended.wake_all();
            }
        }
    }
}
