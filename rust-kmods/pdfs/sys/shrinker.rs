// SPDX-License-Identifier: GPL-2.0-only

//! Memory that is released when the kernel is short of it.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::Arc;

/// What takes memory that it could do without. Neither call may take memory, nor wait for somebody
/// who does.
pub(crate) trait Shrinkable: Send + Sync + 'static {
    /// Bytes that could be given back.
    fn bytes(&self) -> usize;
    /// Gives about so many bytes back; how many they were.
    fn shrink(&self, bytes: usize) -> usize;
}

/// A registered `struct shrinker`. When it has been dropped nobody is asked any more.
///
/// # Invariants
///
/// `raw` was given by `shrinker_alloc` and is registered; its `private_data` is what `of` points to,
/// which lives at least as long.
pub(crate) struct Shrinker<T: Shrinkable> {
    raw: NonNull<bindings::shrinker>,
    _of: Arc<T>,
}

// SAFETY: The C object has its own locks, what it asks is `Send + Sync`.
unsafe impl<T: Shrinkable> Send for Shrinker<T> {}
// SAFETY: As above.
unsafe impl<T: Shrinkable> Sync for Shrinker<T> {}

impl<T: Shrinkable> Shrinker<T> {
    /// Has `of` asked for its memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, of: Arc<T>) -> Result<Self> {
        // SAFETY: The format and its argument are strings.
        let raw = unsafe { bindings::shrinker_alloc(0, c"%s".as_char_ptr(), name.as_char_ptr()) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // SAFETY: Nobody else knows the shrinker before it is registered.
        unsafe {
            let shrinker = raw.as_ptr();
            (*shrinker).count_objects = Some(Self::count);
            (*shrinker).scan_objects = Some(Self::scan);
            (*shrinker).private_data = core::ptr::from_ref(&*of).cast_mut().cast();
            bindings::shrinker_register(shrinker);
        }
        // INVARIANT: As set just now.
        Ok(Self { raw, _of: of })
    }

    /// The kernel's `count_objects`, in pages.
    ///
    /// # Safety
    ///
    /// Called with a registered shrinker that [`Shrinker::new`] has set up.
    unsafe extern "C" fn count(
        shrinker: *mut bindings::shrinker,
        _control: *mut bindings::shrink_control,
    ) -> c_ulong {
        // SAFETY: By the type invariant.
        let of = unsafe { &*(*shrinker).private_data.cast::<T>() };
        of.bytes().div_ceil(PAGE_SIZE) as c_ulong
    }

    /// The kernel's `scan_objects`, in pages.
    ///
    /// # Safety
    ///
    /// As for [`Self::count`]; the control block is the caller's.
    unsafe extern "C" fn scan(
        shrinker: *mut bindings::shrinker,
        control: *mut bindings::shrink_control,
    ) -> c_ulong {
        // SAFETY: By the type invariant, and the safety requirement.
        let (of, wanted) = unsafe {
            (
                &*(*shrinker).private_data.cast::<T>(),
                (*control).nr_to_scan,
            )
        };
        of.shrink(wanted.saturating_mul(PAGE_SIZE))
            .div_ceil(PAGE_SIZE) as c_ulong
    }
}

impl<T: Shrinkable> Drop for Shrinker<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. The call waits for those that are being asked.
        unsafe { bindings::shrinker_free(self.raw.as_ptr()) };
    }
}
