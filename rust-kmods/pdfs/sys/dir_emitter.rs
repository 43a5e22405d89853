// SPDX-License-Identifier: GPL-2.0-only

//! Where the entries of a directory go while a program reads it.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;

/// A `struct dir_context` on the emitting side.
///
/// # Invariants
///
/// `context` is valid and used by nobody else for `'a`.
pub(crate) struct DirEmitter<'a> {
    context: NonNull<bindings::dir_context>,
    _borrow: PhantomData<&'a mut bindings::dir_context>,
}

impl DirEmitter<'_> {
    /// # Safety
    ///
    /// `context` is valid and used by nobody else for as long as the value lives.
    pub(super) unsafe fn from_raw(context: *mut bindings::dir_context) -> Self {
        Self {
            // SAFETY: By the safety requirement it is not null.
            context: unsafe { NonNull::new_unchecked(context) },
            _borrow: PhantomData,
        }
    }

    /// Where to go on: 0 at the start, else the `next` of the last entry.
    pub(crate) fn position(&self) -> u64 {
        // SAFETY: By the type invariant.
        unsafe { (*self.context.as_ptr()).pos as u64 }
    }

    /// Hands one entry over; false, and the position stays, when there is no room.
    pub(crate) fn emit(&mut self, name: &[u8], ino: u64, kind: u8, next: u64) -> bool {
        let Ok(len) = c_int::try_from(name.len()) else {
            return false;
        };
        // SAFETY: By the type invariant; the name has the length that is given.
        unsafe {
            let context = self.context.as_ptr();
            if !bindings::dir_emit(context, name.as_ptr().cast(), len, ino, kind.into()) {
                return false;
            }
            (*context).pos = next as i64;
        }
        true
    }
}
