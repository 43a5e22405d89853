// SPDX-License-Identifier: GPL-2.0-only

//! The one value of a module that its public functions work on.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;

/// A module's state, reachable from its public functions.
///
/// # Invariants
///
/// The pointer is null, or comes from [`Arc::into_raw`] and owns that reference.
pub struct Global<T>(AtomicPtr<T>);

impl<T: Send + Sync + 'static> Default for Global<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + Sync + 'static> Global<T> {
    /// An empty place, for a `static`.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Fills the place for as long as the returned guard lives.
    ///
    /// Dropping the guard is the module's promise that nobody calls [`Global::get`] any more: it
    /// is meant to be a field of the module itself, which the loader drops only when no other
    /// module uses its symbols.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the place is taken.
    pub fn set(&'static self, value: Arc<T>) -> Result<GlobalGuard<T>> {
        let raw = Arc::into_raw(value).cast_mut();
        let free = ptr::null_mut();
        if self
            .0
            .compare_exchange(free, raw, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: `raw` came from `Arc::into_raw` just above and was not stored.
            drop(unsafe { Arc::from_raw(raw) });
            return Err(EBUSY);
        }
        Ok(GlobalGuard(self))
    }

    /// The value, or `ENXIO` before the module is up.
    pub fn get(&self) -> Result<&T> {
        let raw = self.0.load(Ordering::Acquire);
        // SAFETY: By the type invariant a pointer that is not null owns a reference; it is given
        // up only by the guard's drop, when the module's users are gone.
        unsafe { raw.as_ref() }.ok_or(ENXIO)
    }
}

/// Keeps a [`Global`] filled; see [`Global::set`].
pub struct GlobalGuard<T: Send + Sync + 'static>(&'static Global<T>);

impl<T: Send + Sync + 'static> Drop for GlobalGuard<T> {
    fn drop(&mut self) {
        let raw = self.0 .0.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: By the type invariant the pointer, set by `Global::set` that made this guard,
        // owns a reference from `Arc::into_raw`.
        drop(unsafe { Arc::from_raw(raw) });
    }
}
