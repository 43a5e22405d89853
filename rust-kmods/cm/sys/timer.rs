// SPDX-License-Identifier: GPL-2.0-only

//! Timers that keep what they work on alive.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::{Arc, LockClassKey};
use kernel::types::Opaque;

const NANOS_PER_MILLI: u32 = 1_000_000;

/// From one tick of the wheel to the next.
pub(crate) const JIFFY: Duration = Duration::from_nanos(1_000_000_000 / bindings::CONFIG_HZ as u64);

/// What a [`Timer`] works on.
pub(crate) trait Expire: Send + Sync + 'static {
    /// The time has come. Context: softirq, no locks held.
    fn expire(self: Arc<Self>);
}

/// A `struct timer_list` inside of a `T`. While it is pending it holds a reference of that `T`.
///
/// # Invariants
///
/// `list` is initialised and pinned. While it is pending, `target` owns one reference from
/// [`Arc::into_raw`]; the callback and whoever deletes the pending timer take it over.
#[pin_data]
#[repr(C)]
pub(crate) struct Timer<T: Expire> {
    #[pin]
    list: Opaque<bindings::timer_list>,
    target: AtomicPtr<T>,
    _target: PhantomData<Arc<T>>,
}

// SAFETY: A timer has its own lock, and `T` may be shared and sent.
unsafe impl<T: Expire> Send for Timer<T> {}
// SAFETY: As above.
unsafe impl<T: Expire> Sync for Timer<T> {}

impl<T: Expire> Timer<T> {
    /// A timer that is not pending. `name` and `key` are lockdep's.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            list <- Opaque::ffi_init(move |slot| {
                // SAFETY: `slot` is valid for writes and will not move; `name` and `key` are
                // static, and `expired` takes the timers of this very type.
                unsafe {
                    bindings::timer_init_key(
                        slot,
                        Some(Self::expired),
                        0,
                        name.as_char_ptr(),
                        key.as_ptr(),
                    )
                }
            }),
            target: AtomicPtr::new(core::ptr::null_mut()),
            _target: PhantomData,
        })
    }

    /// Lets the timer, which is a field of `target`, run out after `delay`, whether or not it is
    /// pending. Context: any.
    ///
    /// Calls of one timer, and those of [`Timer::cancel`], are serialised by the caller.
    pub(crate) fn arm(&self, target: &Arc<T>, delay: Duration) {
        let raw = Arc::into_raw(target.clone()).cast_mut();
        self.target.store(raw, Ordering::Release);
        // Rounded up, and one more since the present jiffy is partly over.
        let below_second = delay.subsec_nanos().div_ceil(NANOS_PER_MILLI);
        let seconds = u32::try_from(delay.as_secs()).unwrap_or(u32::MAX);
        let millis = seconds.saturating_mul(1000).saturating_add(below_second);
        let jiffies = kernel::time::msecs_to_jiffies(millis) + 1;
        // SAFETY: By the type invariant the timer is initialised. `jiffies` may be read at any
        // time, torn at worst in nothing: it is one word.
        let was_pending = unsafe {
            let now = (&raw const bindings::jiffies).read_volatile();
            bindings::mod_timer(self.list.get(), now.wrapping_add(jiffies)) != 0
        };
        if was_pending {
            // INVARIANT: It had its reference already.
            // SAFETY: From `into_raw` above.
            drop(unsafe { Arc::from_raw(raw) });
        }
    }

    /// Has the timer not run out, unless it is doing so now. Context: any.
    pub(crate) fn cancel(&self) {
        // SAFETY: By the type invariant the timer is initialised.
        let was_pending = unsafe { bindings::timer_delete(self.list.get()) != 0 };
        self.release(was_pending);
    }

    /// As [`Timer::cancel`], and waits until the timer's target has been worked on, if that is
    /// happening now. Context: process, or a softirq that is not the timer's own.
    pub(crate) fn cancel_and_wait(&self) {
        // SAFETY: As above.
        let was_pending = unsafe { bindings::timer_delete_sync(self.list.get()) != 0 };
        self.release(was_pending);
    }

    fn release(&self, was_pending: bool) {
        if was_pending {
            // SAFETY: By the type invariant the pending timer, which is deleted now, owned it.
            drop(unsafe { Arc::from_raw(self.target.load(Ordering::Acquire)) });
        }
    }

    /// # Safety
    ///
    /// Called by the kernel for the `list` of a timer of this type that has just ceased to pend.
    unsafe extern "C" fn expired(list: *mut bindings::timer_list) {
        // SAFETY: `list` is the first field of a `Timer`, which the reference below keeps.
        let target = unsafe { &(*list.cast::<Self>()).target }.load(Ordering::Acquire);
        // SAFETY: By the type invariant the pending timer owned it.
        T::expire(unsafe { Arc::from_raw(target) });
    }
}
