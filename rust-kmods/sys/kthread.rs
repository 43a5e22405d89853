// SPDX-License-Identifier: GPL-2.0-only

//! Kernel threads.

use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::{bindings, error::from_err_ptr};

/// A kernel thread; dropping it asks the thread to stop, wakes it and waits for its end.
///
/// # Invariants
///
/// `task` is a thread made by [`KThread::spawn`], of which this value holds a reference, and for
/// which `kthread_stop` was not called.
pub struct KThread {
    task: NonNull<bindings::task_struct>,
}

// SAFETY: A task can be stopped from any thread.
unsafe impl Send for KThread {}
// SAFETY: There are no operations on a shared reference but the waking, which takes the task's
// own locks.
unsafe impl Sync for KThread {}

/// What a thread's function is given, to see that it should end.
pub struct StopToken(());

impl StopToken {
    /// Whether the thread was asked to end. Whoever asks also wakes the thread.
    pub fn is_stopping(&self) -> bool {
        // SAFETY: A token exists only inside a kernel thread.
        unsafe { bindings::kthread_should_stop() }
    }
}

/// Lets the current thread, a kernel thread, run before all that is not urgent: it has to be on time
/// whatever else the node does, and needs little.
pub fn be_urgent(_here: &StopToken) {
    // SAFETY: A token exists only inside a kernel thread, which may change its own policy.
    unsafe { bindings::sched_set_fifo(bindings::get_current()) };
}

impl KThread {
    /// Starts a thread that runs `f`; `name` is cut to 15 bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `EINTR` when the caller is dying.
    pub fn spawn<F>(name: &CStr, f: F) -> Result<Self>
    where
        F: FnOnce(&StopToken) + Send + 'static,
    {
        let f = KBox::new(f, GFP_KERNEL)?;
        let raw = KBox::into_raw(f);
        // SAFETY: `run::<F>` takes over `raw`, which it may do once; the format and its argument
        // are null-terminated strings that live through the call.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(run::<F>),
                raw.cast(),
                bindings::NUMA_NO_NODE,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });
        let task = match task {
            Ok(task) => task,
            Err(e) => {
                // SAFETY: No thread was made, so `raw` is still ours.
                drop(unsafe { KBox::from_raw(raw) });
                return Err(e);
            }
        };
        // SAFETY: `task` is a new thread that has not run yet, so it can't have gone.
        unsafe { bindings::get_task_struct(task) };
        // SAFETY: As above.
        unsafe { bindings::wake_up_process(task) };
        // INVARIANT: The reference was taken above.
        Ok(Self {
            task: NonNull::new(task).ok_or(ENOMEM)?,
        })
    }
}

/// The thread's function.
///
/// # Safety
///
/// `raw` comes from `KBox::<F>::into_raw` and is given to one call only.
unsafe extern "C" fn run<F: FnOnce(&StopToken)>(raw: *mut c_void) -> c_int {
    // SAFETY: By the safety requirement.
    let f = unsafe { KBox::from_raw(raw.cast::<F>()) };
    KBox::into_inner(f)(&StopToken(()));
    0
}

impl Drop for KThread {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. A thread that never ran returns `EINTR` and its function
        // is not called; `spawn` wakes the thread, so that this does not happen.
        unsafe { bindings::kthread_stop(self.task.as_ptr()) };
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::put_task_struct(self.task.as_ptr()) };
    }
}
