// SPDX-License-Identifier: GPL-2.0-only

//! Passive ends: who takes the circuits that other nodes open.

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_proto::wire::{Class, ResetReason};
use podos_sys::Wake;

use crate::backlog::Backlog;
use crate::circuit::Circuit;
use crate::entry::Entry;
use crate::node::{Node, NODE};
use crate::sys;

/// What a layer does with a circuit that another node opens: keeps it, gives it to a [`Backlog`],
/// has it [handled](Circuit::handled_by), or [refuses](Circuit::refuse) it. Beside the circuit it
/// is told the op of the first message, of which the first segment may have been received.
///
/// Context: softirq, must not sleep.
pub type ArrivalHandler = KBox<dyn Fn(Circuit, u8) + Send + Sync>;

/// Takes the circuits of one class. Made by [`listen`] or [`listen_with`].
#[pin_data]
pub struct Listener {
    class: Class,
    #[pin]
    backlog: Backlog,
    /// Takes the circuits in place of the backlog.
    handler: Option<ArrivalHandler>,
}

/// Takes all circuits of `class` that other nodes open from now on, for [`Listener::accept`].
///
/// # Errors
///
/// `EBUSY` if somebody does already, `ENOMEM`.
pub fn listen(class: Class) -> Result<Arc<Listener>> {
    Listener::register(class, None)
}

/// As [`listen`], but each circuit is handed to `handler` where it arrives.
///
/// # Errors
///
/// As [`listen`].
pub fn listen_with(class: Class, handler: ArrivalHandler) -> Result<Arc<Listener>> {
    Listener::register(class, Some(handler))
}

impl Listener {
    fn register(class: Class, handler: Option<ArrivalHandler>) -> Result<Arc<Self>> {
        // All circuits that there can be may wait: an opener is not turned away by how fast others are
        // taken. Nobody waits where a handler takes them.
        let node = NODE.get()?;
        let waiting = match handler {
            None => node.table().size(),
            Some(_) => 0,
        };
        let listener = Arc::pin_init(
            try_pin_init!(Self {
                class,
                backlog <- Backlog::new(waiting),
                handler,
            }? Error),
            GFP_KERNEL,
        )?;
        node.listeners().add(listener.clone())?;
        Ok(listener)
    }

    /// The next circuit; waits for one.
    ///
    /// # Errors
    ///
    /// `ESHUTDOWN` after [`Listener::close`]. For kernel threads: signals do not end the wait.
    pub fn accept(&self) -> Result<Circuit> {
        self.backlog.accept(Wake::Idle)
    }

    /// Takes no more circuits, and breaks those that were taken: all waits on them end. When it
    /// returns the arrival handler runs no more. Context: process.
    pub fn close(&self) {
        if let Ok(node) = NODE.get() {
            node.listeners().remove(self.class);
            if self.handler.is_some() {
                // Frames are received inside an RCU read section.
                sys::synchronize_net();
            }
            node.table().for_each(|entry| {
                if entry.is_passive_of(self.class) {
                    entry.abort(node);
                }
            });
        }
        self.backlog.close();
    }

    /// Hands over a new circuit. Context: softirq.
    pub(crate) fn offer(&self, node: &Node, entry: Arc<Entry>, op: u8) {
        let circuit = Circuit::new(entry.clone());
        if let Some(handler) = &self.handler {
            handler(circuit, op);
        } else if let Err(circuit) = self.backlog.offer(circuit) {
            entry.abort_because(node, ResetReason::Full);
            drop(circuit);
        }
    }
}

/// The listeners of a node, by class.
#[pin_data]
pub(crate) struct Listeners {
    #[pin]
    by_class: SpinLockIrq<[Option<Arc<Listener>>; Class::COUNT]>,
}

impl Listeners {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            by_class <- new_spinlock_irq!([const { None }; Class::COUNT], "podos_listeners"),
        })
    }

    fn add(&self, listener: Arc<Listener>) -> Result {
        let mut by_class = self.by_class.lock();
        let place = &mut by_class[listener.class as usize];
        if place.is_some() {
            return Err(EBUSY);
        }
        *place = Some(listener);
        Ok(())
    }

    fn remove(&self, class: Class) {
        let removed = self.by_class.lock()[class as usize].take();
        drop(removed);
    }

    pub(crate) fn get(&self, class: Class) -> Option<Arc<Listener>> {
        self.by_class.lock()[class as usize].clone()
    }
}
