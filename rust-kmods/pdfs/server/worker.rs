// SPDX-License-Identifier: GPL-2.0-only

//! The threads that serve circuits: one for each circuit, an idle one if there is any.

use core::time::Duration;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex, SpinLock};
use kernel::{new_mutex, new_spinlock, pr_warn_once};
use podos_cm::Circuit;
use podos_proto::HostId;
use podos_sys::{KThread, StopToken, WaitQueue, Wake};

use super::{request, room};
use crate::sys::thread;

/// How long a thread waits for another circuit before it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Idle threads that stay, so that most circuits need no new one.
const RESERVE: usize = 8;

/// All threads that serve.
#[pin_data]
pub(super) struct Workers {
    #[pin]
    state: Mutex<State>,
}

struct State {
    all: KVVec<Worker>,
    /// Those who wait. The last one has waited for the shortest time, and is taken first.
    idle: KVVec<Arc<Desk>>,
    /// Circuits that are being served, by node.
    room: room::Room,
    /// The thread that has ended last: somebody else has to wait for its end.
    ended: Option<KThread>,
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

/// What a thread has waited for.
enum Next {
    Circuit(Arc<Circuit>),
    /// The module goes.
    Stop,
    /// Nothing for a long time.
    Nothing,
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

    /// Waits for a circuit.
    fn wait(&self, stop: &StopToken) -> Next {
        let ready = || {
            if stop.is_stopping() {
                return Some(Next::Stop);
            }
            self.circuit.lock().clone().map(Next::Circuit)
        };
        let given = self.given.wait_until_timeout(Wake::Idle, PATIENCE, ready);
        given.ok().flatten().unwrap_or(Next::Nothing)
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
            all: KVVec::new(),
            idle: KVVec::new(),
            room: room::Room::of_this_node(),
            ended: None,
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(state, "pdfs_workers"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has a thread serve the circuit, or tells whoever opened it why there is none.
    pub(super) fn assign(self: &Arc<Self>, circuit: Circuit) {
        let host = circuit.remote().host();
        let circuit = match Arc::new(circuit, GFP_KERNEL) {
            Ok(circuit) => circuit,
            // What waits for the circuit's end sees it.
            Err(e) => return tell(host, e.into()),
        };
        if let Err(e) = self.try_assign(host, circuit.clone()) {
            tell(host, e);
            request::refuse(&circuit, e);
        }
    }

    fn try_assign(self: &Arc<Self>, host: HostId, circuit: Arc<Circuit>) -> Result {
        let mut state = self.state.lock();
        state.room.enter(host)?;
        let idle = state.idle.pop();
        drop(state);
        if let Some(desk) = idle {
            desk.give(circuit);
            return Ok(());
        }
        self.hire(circuit).inspect_err(|_| {
            self.state.lock().room.leave(host);
        })
    }

    /// Makes a thread for the circuit.
    fn hire(self: &Arc<Self>, circuit: Arc<Circuit>) -> Result {
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
        loop {
            match desk.wait(stop) {
                Next::Circuit(circuit) => {
                    let host = circuit.remote().host();
                    request::serve(&circuit);
                    desk.clear();
                    drop(circuit);
                    let mut state = self.state.lock();
                    state.room.leave(host);
                    // There is room for all threads; without it this one would only not be used
                    // again.
                    let _ = state.idle.push(desk.clone(), GFP_KERNEL);
                }
                Next::Stop => return,
                Next::Nothing if self.retire(desk) => return,
                Next::Nothing => {}
            }
        }
    }

    /// Lets the thread of `desk` end, if it is not about to get a circuit, and is not one of the few
    /// that stay.
    fn retire(&self, desk: &Arc<Desk>) -> bool {
        let mut state = self.state.lock();
        if state.idle.len() <= RESERVE {
            return false;
        }
        let waits = state.idle.iter().position(|at| Arc::ptr_eq(at, desk));
        let works = state.all.iter().position(|w| Arc::ptr_eq(&w.desk, desk));
        let (Some(waits), Some(works)) = (waits, works) else {
            return false;
        };
        let (Ok(_), Ok(worker)) = (state.idle.remove(waits), state.all.remove(works)) else {
            return false;
        };
        let before = state.ended.replace(worker.thread);
        drop(state);
        // It has nothing left to do but to end.
        drop(before);
        true
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
        let mut state = self.state.lock();
        let late = core::mem::take(&mut state.idle);
        let ended = state.ended.take();
        drop(state);
        drop(late);
        drop(ended);
    }
}

fn tell(host: HostId, why: Error) {
    let host = host.raw();
    pr_warn_once!("a circuit of node {host} is not served, told of once: {why:?}\n");
}
