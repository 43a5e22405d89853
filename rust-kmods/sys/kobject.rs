// SPDX-License-Identifier: GPL-2.0-only

//! Directories in sysfs.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;

/// A directory in sysfs; it goes when this value is dropped.
///
/// # Invariants
///
/// `0` is a live kobject made by `kobject_create_and_add`, of which this value holds the creator's
/// reference.
pub struct Kobject(NonNull<bindings::kobject>);

// SAFETY: A kobject is reference-counted and has sysfs's locks.
unsafe impl Send for Kobject {}
// SAFETY: As above.
unsafe impl Sync for Kobject {}

impl Kobject {
    /// A directory under `/sys/kernel`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also when the name is taken.
    pub fn in_kernel(name: &CStr) -> Result<Self> {
        // SAFETY: `kernel_kobj` is set up at boot and never changes.
        unsafe { Self::create(name, bindings::kernel_kobj) }
    }

    /// A directory in this one.
    ///
    /// # Errors
    ///
    /// As [`Kobject::in_kernel`].
    pub fn child(&self, name: &CStr) -> Result<Self> {
        // SAFETY: By the type invariant.
        unsafe { Self::create(name, self.0.as_ptr()) }
    }

    /// # Safety
    ///
    /// `parent` is a live kobject.
    unsafe fn create(name: &CStr, parent: *mut bindings::kobject) -> Result<Self> {
        // SAFETY: `name` is null-terminated and copied; `parent` by the safety requirement.
        let raw = unsafe { bindings::kobject_create_and_add(name.as_char_ptr(), parent) };
        // INVARIANT: Made just now.
        NonNull::new(raw).map(Self).ok_or(ENOMEM)
    }

    /// The C object, for attribute files.
    pub fn as_ptr(&self) -> *mut bindings::kobject {
        self.0.as_ptr()
    }
}

impl Drop for Kobject {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the last reference removes the directory.
        unsafe {
            bindings::kobject_del(self.0.as_ptr());
            bindings::kobject_put(self.0.as_ptr());
        }
    }
}
