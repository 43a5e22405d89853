// SPDX-License-Identifier: GPL-2.0-only

//! Wait queues.

use core::mem::MaybeUninit;
use core::time::Duration;
use kernel::prelude::*;
use kernel::sync::LockClassKey;
use kernel::task::Task;
use kernel::types::{Opaque, ScopeGuard};
use kernel::{bindings, error::to_result};

/// `MAX_SCHEDULE_TIMEOUT`: `schedule_timeout`'s "for ever", in jiffies.
const FOR_EVER: c_long = c_long::MAX;

/// A `wait_queue_head_t`: tasks that wait for a condition.
///
/// The waits are killable: they end early only when the task is dying, so that a read or write of
/// a file is never cut short by an ordinary signal.
///
/// # Invariants
///
/// `head` is initialised and pinned.
#[pin_data]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head_t>,
}

// SAFETY: A wait queue head has a lock of its own.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

/// Which signals end a wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Only those that kill the task; none in a kernel thread, which waits as with `Idle`.
    Killable,
    /// Any.
    Interruptible,
    /// None. The task counts as idle: neither as load nor, ever, as hung.
    Idle,
}

impl Wake {
    #[inline]
    fn state(self) -> c_int {
        let idle = bindings::TASK_UNINTERRUPTIBLE | bindings::TASK_NOLOAD;
        let state = match self {
            Wake::Killable if in_kernel_thread() => idle,
            Wake::Killable => bindings::TASK_WAKEKILL | bindings::TASK_UNINTERRUPTIBLE,
            Wake::Interruptible => bindings::TASK_INTERRUPTIBLE,
            Wake::Idle => idle,
        };
        state as c_int
    }
}

/// Whether the current task has no user memory.
#[inline]
fn in_kernel_thread() -> bool {
    // SAFETY: The current task is valid, and this flag of its never changes.
    unsafe { (*Task::current_raw()).flags & bindings::PF_KTHREAD != 0 }
}

impl WaitQueue {
    /// An empty queue. `name` and `key` are lockdep's.
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is valid for writes and will not move; `name` and `key` are
                // static.
                unsafe {
                    bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
                }
            }),
        })
    }

    /// Waits until `condition` gives `Some`.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` when a signal that `wake` names ends the wait.
    pub fn wait_until<T>(&self, wake: Wake, condition: impl FnMut() -> Option<T>) -> Result<T> {
        self.wait(wake, 0, FOR_EVER, condition)?.ok_or(ETIMEDOUT)
    }

    /// As [`WaitQueue::wait_until`], but [`WaitQueue::wake_one`] wakes only the task that has
    /// waited longest: for tasks any one of which can do what has to be done.
    pub fn wait_for_turn<T>(&self, wake: Wake, condition: impl FnMut() -> Option<T>) -> Result<T> {
        self.wait(wake, bindings::WQ_FLAG_EXCLUSIVE, FOR_EVER, condition)?
            .ok_or(ETIMEDOUT)
    }

    /// As [`WaitQueue::wait_until`]; `None` when `limit` has passed.
    pub fn wait_until_timeout<T>(
        &self,
        wake: Wake,
        limit: Duration,
        condition: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>> {
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let jiffies = kernel::time::msecs_to_jiffies(millis);
        self.wait(
            wake,
            0,
            jiffies.min(FOR_EVER as c_ulong - 1) as c_long,
            condition,
        )
    }

    fn wait<T>(
        &self,
        wake: Wake,
        flags: c_uint,
        mut jiffies: c_long,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>> {
        if let Some(value) = condition() {
            return Ok(Some(value));
        }
        let mut entry = MaybeUninit::<bindings::wait_queue_entry>::uninit();
        let entry = entry.as_mut_ptr();
        // SAFETY: `entry` points to this frame's own variable, which does not move.
        unsafe { bindings::init_wait_entry(entry, flags as c_int) };
        let _leave = ScopeGuard::new(|| {
            // SAFETY: `entry` was initialised above and is in no queue but this one, which
            // outlives the frame.
            unsafe { bindings::finish_wait(self.head.get(), entry) }
        });
        loop {
            // SAFETY: As for `_leave`; the call links the entry if it is not linked yet.
            let signalled = to_result(unsafe {
                bindings::prepare_to_wait_event(self.head.get(), entry, wake.state()) as c_int
            });
            if let Some(value) = condition() {
                return Ok(Some(value));
            }
            signalled?;
            if jiffies == 0 {
                return Ok(None);
            }
            // SAFETY: Plain FFI call; `prepare_to_wait_event` set the task's state.
            jiffies = unsafe { bindings::schedule_timeout(jiffies) };
            // Whoever was woken for good need not get in line again.
            if let Some(value) = condition() {
                return Ok(Some(value));
            }
        }
    }

    /// Wakes all who wait, to look at their conditions again. May be called from any context.
    #[inline]
    pub fn wake_all(&self) {
        self.wake(0);
    }

    /// As [`WaitQueue::wake_all`], but of those who [wait for a turn](WaitQueue::wait_for_turn)
    /// only one.
    #[inline]
    pub fn wake_one(&self) {
        self.wake(1);
    }

    /// `exclusive`: how many of those who wait for a turn; 0 for all.
    #[inline]
    fn wake(&self, exclusive: c_int) {
        // SAFETY: By the type invariant `head` is initialised.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                exclusive,
                core::ptr::null_mut(),
            )
        };
    }

    /// The C object, for `poll_wait()` and its like.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::wait_queue_head_t {
        self.head.get()
    }
}
