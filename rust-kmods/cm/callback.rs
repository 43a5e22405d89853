// SPDX-License-Identifier: GPL-2.0-only

//! Circuits that are received by callback.

use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_sys::Wake;

use crate::circuit::Circuit;
use crate::entry::Entry;

/// Who is told what happens to a circuit, see [`Circuit::handled_by`].
pub trait Handler: Send + Sync {
    /// There may be something to receive, room to send again, or the circuit is at its end.
    ///
    /// Says only that something changed, like `poll()`: take with [`Circuit::try_recv`] until there
    /// is nothing, send with [`Circuit::try_send`]. What happens meanwhile leads to another call
    /// after this one; no two calls for one circuit run at once.
    ///
    /// Context: mostly softirq, right where the frame came; must not sleep. Work that has to sleep
    /// is for a thread, which the handler wakes.
    fn changed(&self, circuit: &Circuit);
}

impl<F: Fn(&Circuit) + Send + Sync> Handler for F {
    fn changed(&self, circuit: &Circuit) {
        self(circuit);
    }
}

/// A circuit with a handler. It can be used like any; dropping it waits until the handler runs no
/// more, and finishes the circuit. Context of the drop: process, and not the handler itself.
pub struct Handled(Circuit);

impl Handled {
    pub(crate) fn new(circuit: Circuit, handler: Arc<dyn Handler>) -> Self {
        let entry = circuit.entry();
        entry.callback().set(handler);
        // For what came before.
        entry.callback().call(entry);
        Self(circuit)
    }
}

impl Deref for Handled {
    type Target = Circuit;

    fn deref(&self) -> &Circuit {
        &self.0
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        let entry = self.0.entry();
        entry.callback().unset(entry);
    }
}

/// The place of a circuit's handler.
#[pin_data]
pub(crate) struct Callback {
    /// Whether there is a handler; spares circuits without one the lock.
    set: AtomicBool,
    #[pin]
    handler: SpinLockIrq<Option<Arc<dyn Handler>>>,
    /// Changes that the handler was not told of; while there are some, somebody is telling it.
    untold: AtomicU32,
}

impl Callback {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            set: AtomicBool::new(false),
            handler <- new_spinlock_irq!(None, "podos_callback"),
            untold: AtomicU32::new(0),
        })
    }

    fn set(&self, handler: Arc<dyn Handler>) {
        *self.handler.lock() = Some(handler);
        self.set.store(true, Ordering::SeqCst);
    }

    /// Takes the handler away and waits until it runs no more.
    fn unset(&self, entry: &Entry) {
        self.set.store(false, Ordering::SeqCst);
        let handler = self.handler.lock().take();
        let idle = || (self.untold.load(Ordering::SeqCst) == 0).then_some(());
        // `Wake::Idle` is not ended by signals.
        let _ = entry.waiters().wait_until(Wake::Idle, idle);
        drop(handler);
    }

    /// Tells the handler, if there is one, that something changed; somebody else does it if the
    /// handler is being told of something already. Context: any, no locks held.
    pub(crate) fn call(&self, entry: &Arc<Entry>) {
        if !self.set.load(Ordering::SeqCst) || self.untold.fetch_add(1, Ordering::SeqCst) > 0 {
            return;
        }
        loop {
            let told = self.untold.load(Ordering::SeqCst);
            let handler = self.handler.lock().clone();
            if let Some(handler) = handler {
                handler.changed(&Circuit::lent(entry.clone()));
            }
            let last = self
                .untold
                .compare_exchange(told, 0, Ordering::SeqCst, Ordering::SeqCst);
            if last.is_ok() {
                break;
            }
        }
        // Either `unset` sees that nobody is telling the handler any more, or it is seen here.
        if !self.set.load(Ordering::SeqCst) {
            entry.waiters().wake_all();
        }
    }
}
