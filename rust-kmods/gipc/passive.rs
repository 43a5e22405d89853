// SPDX-License-Identifier: GPL-2.0-only

//! The passive end: a thread that listens, and one for every circuit.

use core::sync::atomic::{AtomicBool, Ordering};
use kernel::pr_warn_once;
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::{Circuit, Listener};
use podos_proto::wire::Class;
use podos_sys::KThread;

use crate::programs::Programs;
use crate::service;

/// Serves other nodes while it lives.
pub(crate) struct PassiveEnd {
    listener: Arc<Listener>,
    thread: Option<KThread>,
}

impl PassiveEnd {
    /// Begins to listen; `programs` are those that run.
    ///
    /// # Errors
    ///
    /// `EBUSY` if somebody does already, `ENOMEM`.
    pub(crate) fn new(programs: Arc<Programs>) -> Result<Self> {
        let listener = podos_cm::listen(Class::Gipc)?;
        let mut passive = Self {
            listener: listener.clone(),
            thread: None,
        };
        let accept = move |_: &_| accept(&listener, &programs);
        passive.thread = Some(KThread::spawn(c"podos_gipc", accept)?);
        Ok(passive)
    }
}

impl Drop for PassiveEnd {
    fn drop(&mut self) {
        // Ends the thread's wait; the thread then ends those it has started.
        self.listener.close();
        drop(self.thread.take());
    }
}

/// The listening thread's function.
fn accept(listener: &Listener, programs: &Arc<Programs>) {
    let mut services: KVec<Service> = KVec::new();
    while let Ok(circuit) = listener.accept() {
        services.retain(|service| !service.is_done());
        let started = Service::start(circuit, programs.clone());
        if let Err(e) = started.and_then(|s| Ok(services.push(s, GFP_KERNEL)?)) {
            pr_warn_once!("a caller was refused, told of once: {e:?}\n");
        }
    }
}

/// A service thread; dropping it ends it, and the program that it watches over.
struct Service {
    done: Arc<AtomicBool>,
    _thread: KThread,
}

impl Service {
    /// Serves `circuit` in a thread of its own. A circuit that can't be served is reset.
    fn start(circuit: Circuit, programs: Arc<Programs>) -> Result<Self> {
        let done = Arc::new(AtomicBool::new(false), GFP_KERNEL)?;
        let finished = done.clone();
        let thread = KThread::spawn(c"podos_service", move |stop| {
            service::serve(circuit, &programs, stop);
            finished.store(true, Ordering::Release);
        })?;
        Ok(Self {
            done,
            _thread: thread,
        })
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}
