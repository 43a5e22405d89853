// SPDX-License-Identifier: GPL-2.0-only

//! Opening a node's root directory with `O_GIPC`, which is handed over to another module.

use kernel::prelude::*;
use kernel::sync::{Arc, SpinLock};
use kernel::{bindings, new_spinlock};
use podos_proto::HostId;
use podos_sys::{Global, WaitQueue, Wake};

use crate::sys::RawFile;

/// Takes over a file that is being opened: sets its operations and private data. Called with the
/// host id of the node and whether the program to run is the caller's (`O_GIPC_CALLER`).
pub type RootOpen = fn(host: HostId, file: *mut bindings::file, caller_program: bool) -> Result;

/// Who takes such files over.
#[pin_data]
pub(crate) struct Takers {
    #[pin]
    state: SpinLock<State>,
    #[pin]
    done: WaitQueue,
}

struct State {
    open: Option<RootOpen>,
    /// Calls that are going on.
    calls: usize,
}

/// The one place where a taker registers.
pub(crate) static TAKERS: Global<Takers> = Global::new();

impl Takers {
    /// Nobody yet.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let state = State {
            open: None,
            calls: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                state <- new_spinlock!(state, "pdfs_takers"),
                done <- WaitQueue::new(c"pdfs_takers_done", kernel::static_lock_class!()),
            }),
            GFP_KERNEL,
        )
    }
}

/// Hands the file over. `EOPNOTSUPP` if nobody has registered.
pub(crate) fn connect(host: HostId, file: &RawFile, flags: u32) -> Result {
    let takers = TAKERS.get()?;
    let open = {
        let mut state = takers.state.lock();
        let open = state.open.ok_or(EOPNOTSUPP)?;
        state.calls += 1;
        open
    };
    let taken = open(host, file.as_ptr(), flags & bindings::O_GIPC_CALLER != 0);
    takers.state.lock().calls -= 1;
    takers.done.wake_all();
    taken
}

/// A registered taker. When it has been dropped no call is going on, and none will come.
pub struct RootOpenGuard(());

/// Has `open` take over the files that are opened with `O_GIPC`, until the guard is dropped.
///
/// # Errors
///
/// `EBUSY` if somebody does already.
pub fn register(open: RootOpen) -> Result<RootOpenGuard> {
    let mut state = TAKERS.get()?.state.lock();
    if state.open.is_some() {
        return Err(EBUSY);
    }
    state.open = Some(open);
    Ok(RootOpenGuard(()))
}

impl Drop for RootOpenGuard {
    fn drop(&mut self) {
        let Ok(takers) = TAKERS.get() else { return };
        takers.state.lock().open = None;
        // An idle wait is not ended by signals.
        let _ = takers.done.wait_until(Wake::Idle, || {
            (takers.state.lock().calls == 0).then_some(())
        });
    }
}
