// SPDX-License-Identifier: GPL-2.0-only

//! Circuits that wait to be accepted.

use kernel::prelude::*;
use kernel::sync::SpinLockIrq;
use podos_sys::{WaitQueue, Wake};

use crate::circuit::Circuit;

/// Circuits in the order in which they came, and those who wait for one.
///
/// A [`Listener`](crate::Listener) has one. A layer that serves several processes keeps one for
/// each of them, and deals its circuits to them by [`Circuit::target`].
#[pin_data]
pub struct Backlog {
    #[pin]
    ring: SpinLockIrq<Ring>,
    #[pin]
    arrived: WaitQueue,
}

/// The circuits; as many slots as there may be of them.
struct Ring {
    slots: KVVec<Option<Circuit>>,
    first: usize,
    len: usize,
    open: bool,
}

impl Ring {
    fn push(&mut self, circuit: Circuit) -> Result<(), Circuit> {
        if !self.open || self.len == self.slots.len() {
            return Err(circuit);
        }
        let last = self.wrapped(self.first + self.len);
        let Some(slot) = self.slots.get_mut(last) else {
            return Err(circuit);
        };
        *slot = Some(circuit);
        self.len += 1;
        Ok(())
    }

    /// A place counted from the start of the slots, which may be once round.
    fn wrapped(&self, place: usize) -> usize {
        place.checked_sub(self.slots.len()).unwrap_or(place)
    }

    fn pop(&mut self) -> Option<Circuit> {
        if self.len == 0 {
            return None;
        }
        let circuit = self.slots.get_mut(self.first)?.take();
        self.first = self.wrapped(self.first + 1);
        self.len -= 1;
        circuit
    }
}

/// What lockdep calls the locks. It wants the very same letters for the very same class of locks,
/// and the modules that make backlogs would each have their own.
#[inline(never)]
fn lock_name() -> &'static CStr {
    c"podos_backlog"
}

impl Backlog {
    /// An empty one, with room for so many circuits.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            ring <- {
                let mut slots = KVVec::with_capacity(capacity, GFP_KERNEL)?;
                for _ in 0..capacity {
                    slots.push(None, GFP_KERNEL)?;
                }
                let ring = Ring { slots, first: 0, len: 0, open: true };
                SpinLockIrq::new(ring, lock_name(), kernel::static_lock_class!())
            },
            arrived <- WaitQueue::new(lock_name(), kernel::static_lock_class!()),
        })
    }

    /// Puts a circuit in and wakes one of those who wait. Context: any.
    ///
    /// # Errors
    ///
    /// Gives the circuit back if there are too many, or after [`Backlog::close`].
    pub fn offer(&self, circuit: Circuit) -> Result<(), Circuit> {
        self.ring.lock().push(circuit)?;
        self.arrived.wake_one();
        Ok(())
    }

    /// The next circuit; waits for one. Several tasks may wait, each gets another circuit.
    ///
    /// # Errors
    ///
    /// `ESHUTDOWN` after [`Backlog::close`], `ERESTARTSYS` when a signal that `wake` names comes.
    pub fn accept(&self, wake: Wake) -> Result<Circuit> {
        self.arrived
            .wait_for_turn(wake, || self.try_accept().transpose())?
    }

    /// The next circuit, if there is one. Context: any.
    ///
    /// # Errors
    ///
    /// `ESHUTDOWN` after [`Backlog::close`].
    pub fn try_accept(&self) -> Result<Option<Circuit>> {
        let mut ring = self.ring.lock();
        if !ring.open {
            return Err(ESHUTDOWN);
        }
        Ok(ring.pop())
    }

    /// Whether [`Backlog::accept`] would wait.
    pub fn is_empty(&self) -> bool {
        let ring = self.ring.lock();
        ring.open && ring.len == 0
    }

    /// Woken when a circuit comes, for `poll()`.
    pub fn waiters(&self) -> &WaitQueue {
        &self.arrived
    }

    /// Takes no more circuits, drops those that are there, and ends all waits. Context: any.
    pub fn close(&self) {
        self.ring.lock().open = false;
        loop {
            // Outside of the lock: dropping a circuit sends.
            let popped = self.ring.lock().pop();
            if popped.is_none() {
                break;
            }
        }
        self.arrived.wake_all();
    }
}
