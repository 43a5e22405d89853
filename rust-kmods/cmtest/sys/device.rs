// SPDX-License-Identifier: GPL-2.0-only

//! A device in /dev whose files are streams.
//!
//! The kernel crate's own `miscdevice` has no `poll()`.

use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::types::{ForeignOwnable, Opaque};
use kernel::{bindings, error::from_result};
use podos_sys::{stream_operations, Stream};

/// What the device's files are.
pub(crate) trait Device: Stream {
    /// A new one for every `open(2)`.
    fn open() -> Result<Arc<Self>>;
}

/// A `struct miscdevice`, for everybody who may open it: root.
///
/// # Invariants
///
/// `device` is registered.
#[pin_data(PinnedDrop)]
pub(crate) struct MiscDevice<D: Device> {
    #[pin]
    device: Opaque<bindings::miscdevice>,
    _files: PhantomData<D>,
}

// SAFETY: The C object is not touched between registration and removal.
unsafe impl<D: Device> Send for MiscDevice<D> {}
// SAFETY: As above.
unsafe impl<D: Device> Sync for MiscDevice<D> {}

impl<D: Device> MiscDevice<D> {
    const OPERATIONS: bindings::file_operations = bindings::file_operations {
        open: Some(Self::open),
        ..*stream_operations::<D>()
    };

    /// Makes `/dev/NAME`.
    ///
    /// # Errors
    ///
    /// `EBUSY` without a free minor number, `ENOMEM`.
    pub(crate) fn register(name: &'static CStr) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let device = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name.as_char_ptr(),
                    fops: &Self::OPERATIONS,
                    mode: 0o600,
                    ..pin_init::zeroed()
                };
                // SAFETY: `slot` is valid for writes.
                unsafe { slot.write(device) };
                // SAFETY: It was written just now, and stays where it is until it is removed.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
            _files: PhantomData,
        })
    }

    /// # Safety
    ///
    /// Called by VFS for a file of this device that is being opened.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            let private = D::open()?.into_foreign();
            // SAFETY: The file is being opened: nobody else uses it, and its private data is ours.
            // A stream has no position, and no lock for one: a read that waits must not hold up a
            // write.
            unsafe {
                (*file).private_data = private;
                bindings::stream_open((*file).f_inode, file);
            }
            Ok(0)
        })
    }
}

#[pinned_drop]
impl<D: Device> PinnedDrop for MiscDevice<D> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant.
        unsafe { bindings::misc_deregister(self.device.get()) };
    }
}
