// SPDX-License-Identifier: GPL-2.0-only

//! Passive ends: who takes the circuits that other nodes open.

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_proto::wire::Class;

use crate::circuit::Circuit;
use crate::entry::Entry;
use crate::node::NODE;
use crate::sys::{WaitQueue, Wake};

/// Circuits that wait to be accepted; a node that opens more is refused.
const BACKLOG: usize = 256;

/// Takes the circuits of one class. Made by [`listen`].
#[pin_data]
pub struct Listener {
    class: Class,
    #[pin]
    backlog: SpinLockIrq<Backlog>,
    #[pin]
    arrived: WaitQueue,
}

/// Circuits in the order in which they came, in a ring.
struct Backlog {
    ring: KBox<[Option<Arc<Entry>>; BACKLOG]>,
    first: usize,
    len: usize,
    open: bool,
}

impl Backlog {
    fn push(&mut self, entry: Arc<Entry>) -> Result<(), Arc<Entry>> {
        if !self.open || self.len == BACKLOG {
            return Err(entry);
        }
        let last = (self.first + self.len) % BACKLOG;
        self.ring[last] = Some(entry);
        self.len += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<Arc<Entry>> {
        if self.len == 0 {
            return None;
        }
        let entry = self.ring[self.first % BACKLOG].take();
        self.first = (self.first + 1) % BACKLOG;
        self.len -= 1;
        entry
    }
}

/// Takes all circuits of `class` that other nodes open from now on.
///
/// # Errors
///
/// `EBUSY` if somebody does already, `ENOMEM`.
pub fn listen(class: Class) -> Result<Arc<Listener>> {
    let listener = Arc::pin_init(Listener::new(class)?, GFP_KERNEL)?;
    NODE.get()?.listeners().add(listener.clone())?;
    Ok(listener)
}

impl Listener {
    fn new(class: Class) -> Result<impl PinInit<Self>> {
        let backlog = Backlog {
            ring: KBox::new([const { None }; BACKLOG], GFP_KERNEL)?,
            first: 0,
            len: 0,
            open: true,
        };
        Ok(pin_init!(Self {
            class,
            backlog <- new_spinlock_irq!(backlog, "podos_backlog"),
            arrived <- WaitQueue::new(c"podos_listener", kernel::static_lock_class!()),
        }))
    }

    /// The next circuit; waits for one.
    ///
    /// # Errors
    ///
    /// `ESHUTDOWN` after [`Listener::close`]. For kernel threads: signals do not end the wait.
    pub fn accept(&self) -> Result<Circuit> {
        self.arrived.wait_until(Wake::Idle, || {
            let mut backlog = self.backlog.lock();
            match backlog.pop() {
                Some(entry) => Some(Ok(Circuit::new(entry))),
                None if backlog.open => None,
                None => Some(Err(ESHUTDOWN)),
            }
        })?
    }

    /// Takes no more circuits, and breaks those that were taken: all waits on them end.
    pub fn close(&self) {
        self.backlog.lock().open = false;
        if let Ok(node) = NODE.get() {
            node.listeners().remove(self.class);
            let ours = |entry: &Entry| entry.is_passive_of(self.class);
            node.table().for_each(ours, |entry| entry.abort(node));
        }
        while self.pop().is_some() {}
        self.arrived.wake_all();
    }

    fn pop(&self) -> Option<Circuit> {
        self.backlog.lock().pop().map(Circuit::new)
    }

    /// Hands over a new circuit; gives it back if nobody will take it. Context: softirq.
    pub(crate) fn offer(&self, entry: Arc<Entry>) -> Result<(), Arc<Entry>> {
        self.backlog.lock().push(entry)?;
        self.arrived.wake_all();
        Ok(())
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
