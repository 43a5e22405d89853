// SPDX-License-Identifier: GPL-2.0-only

//! The threads that serve circuits: one for each, from the idle ones as far as there are any.

use kernel::prelude::*;
use kernel::sync::{Arc, Mutex, SpinLock};
use kernel::{new_mutex, new_spinlock};
use podos_cm::sys::{KThread, StopToken, WaitQueue, Wake};
use podos_cm::Circuit;

use super::request;
use crate::sys::thread;

/// All threads that serve.
#[pin_data]
pub(super) struct Workers {
    #[pin]
    state: Mutex<State>,
}

struct State {
    all: KVec<Worker>,
    idle: KVec<Arc<Desk>>,
}

struct Worker {
    desk: Arc<Desk>,
    thread: KThread,
}

/// Where a thread finds its work.
#[pin_data]
struct Desk {
    #[pin]
    circuit: SpinLock<Option<Arc<Circuit>>>,
    #[pin]
    given: WaitQueue,
}

impl Desk {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                circuit <- new_spinlock!(None, "pdfs_desk"),
                given <- WaitQueue::new(c"pdfs_given", kernel::static_lock_class!()),
            }),
            GFP_KERNEL,
        )
    }

    fn give(&self, circuit: Arc<Circuit>) {
        let old = self.circuit.lock().replace(circuit);
        drop(old);
        self.given.wake_all();
    }

    /// Waits for a circuit; `None` when the thread is to end.
    fn wait(&self, stop: &StopToken) -> Option<Arc<Circuit>> {
        let ready = || {
            if stop.is_stopping() {
                return Some(None);
            }
            self.circuit.lock().clone().map(Some)
        };
        self.given.wait_until(Wake::Idle, ready).ok().flatten()
    }

    fn clear(&self) {
        let old = self.circuit.lock().take();
        drop(old);
    }

    /// Breaks the circuit that is being served, so that its thread comes back.
    fn interrupt(&self) {
        let circuit = self.circuit.lock().clone();
        if let Some(circuit) = circuit {
            circuit.abort();
        }
    }
}

impl Workers {
    pub(super) fn new() -> Result<Arc<Self>> {
        let state = State {
            all: KVec::new(),
            idle: KVec::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state, "pdfs_workers"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has a thread serve the circuit.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the circuit is finished then.
    pub(super) fn assign(self: &Arc<Self>, circuit: Circuit) -> Result {
        let circuit = Arc::new(circuit, GFP_KERNEL)?;
        let idle = self.state.lock().idle.pop();
        if let Some(desk) = idle {
            desk.give(circuit);
            return Ok(());
        }
        let desk = Desk::new()?;
        desk.give(circuit);
        let mut state = self.state.lock();
        // Room first: a thread that runs must be in the list.
        state.all.reserve(1, GFP_KERNEL)?;
        let places = state.all.len() + 1;
        let free = state.idle.len();
        state.idle.reserve(places - free, GFP_KERNEL)?;
        let (workers, at) = (self.clone(), desk.clone());
        let thread = KThread::spawn(c"pdfsd", move |stop| workers.work(&at, stop))?;
        Ok(state.all.push(Worker { desk, thread }, GFP_KERNEL)?)
    }

    fn work(&self, desk: &Arc<Desk>, stop: &StopToken) {
        if let Err(e) = thread::clear_umask() {
            pr_warn!("files will be made with umask 022: {e:?}\n");
        }
        while let Some(circuit) = desk.wait(stop) {
            request::serve(&circuit);
            desk.clear();
            drop(circuit);
            // There is room for all threads; without it this one would only not be used again.
            let _ = self.state.lock().idle.push(desk.clone(), GFP_KERNEL);
        }
    }

    /// Ends all threads, and waits for them. Nothing must be assigned any more.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        let all = core::mem::take(&mut state.all);
        let idle = core::mem::take(&mut state.idle);
        drop(state);
        for worker in &all {
            worker.desk.interrupt();
        }
        // Threads that come to their end now may still put themselves into the list of idle ones.
        for Worker { desk, thread } in all {
            desk.interrupt();
            drop(thread);
        }
        drop(idle);
        let late = core::mem::take(&mut self.state.lock().idle);
        drop(late);
    }
}
