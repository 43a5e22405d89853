// SPDX-License-Identifier: GPL-2.0-only

//! Device numbers of file systems that are on no device.

use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;

/// A device number that nobody else has as long as this value lives.
///
/// # Invariants
///
/// `0` was given by `get_anon_bdev`, and is given back by this value's drop only.
pub(crate) struct AnonDevice(bindings::dev_t);

impl AnonDevice {
    /// One more.
    ///
    /// # Errors
    ///
    /// `EMFILE` when there are no more, `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let mut number = 0;
        // SAFETY: The call writes a number to where it is told.
        to_result(unsafe { bindings::get_anon_bdev(&mut number) })?;
        // INVARIANT: Given just now.
        Ok(Self(number))
    }

    /// The number.
    pub(crate) fn number(&self) -> u32 {
        self.0
    }
}

impl Drop for AnonDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::free_anon_bdev(self.0) };
    }
}
