// SPDX-License-Identifier: GPL-2.0-only

//! Local directories that lead somewhere else when walked into.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::from_err_ptr;
use kernel::prelude::*;

use super::{Mount, Path};

/// What is found in a remapped directory.
pub(crate) trait Destination: Send + Sync + 'static {
    /// The module that has all this code.
    const MODULE: &'static ThisModule;

    /// What to mount on the directory `at`, into which a task walks.
    fn mount(&self, at: &Path) -> Result<Mount>;
}

/// A remapped directory; it is given back, and what was mounted on it unmounted, when this value is
/// dropped.
///
/// # Invariants
///
/// `remap` was given by `inode_remap_attach` with `destination`, and was not detached.
pub(crate) struct Remap<D: Destination> {
    remap: NonNull<bindings::inode_remap>,
    destination: NonNull<D>,
}

// SAFETY: The C object has its own locks; the destination is `Send + Sync`.
unsafe impl<D: Destination> Send for Remap<D> {}
// SAFETY: As above.
unsafe impl<D: Destination> Sync for Remap<D> {}

impl<D: Destination> Remap<D> {
    const OPERATIONS: &'static bindings::inode_remap_operations =
        &bindings::inode_remap_operations {
            owner: D::MODULE.as_ptr(),
            automount: Some(Self::automount),
            i_fop: core::ptr::null(),
        };

    /// Remaps the directory `at`.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`; `EBUSY` if it is remapped or a mount point already; `ESTALE` if it was removed;
    /// `ENOMEM`.
    pub(crate) fn attach(at: &Path, destination: D) -> Result<Self> {
        let destination = KBox::into_raw(KBox::new(destination, GFP_KERNEL)?);
        // SAFETY: The operations are static, and the destination lives until it is detached.
        let remap = from_err_ptr(unsafe {
            bindings::inode_remap_attach(at.as_ptr(), Self::OPERATIONS, destination.cast())
        });
        match remap.map(|remap| NonNull::new(remap).zip(NonNull::new(destination))) {
            Ok(Some((remap, destination))) => Ok(Self { remap, destination }),
            Ok(None) => Err(EINVAL),
            Err(e) => {
                // SAFETY: Not attached, so that it is still ours.
                drop(unsafe { KBox::from_raw(destination) });
                Err(e)
            }
        }
    }

    /// Where it leads.
    pub(crate) fn destination(&self) -> &D {
        // SAFETY: By the type invariant.
        unsafe { self.destination.as_ref() }
    }

    /// VFS's `automount`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn automount(
        path: *const bindings::path,
        destination: *mut c_void,
    ) -> *mut bindings::vfsmount {
        // A module that is on its way out must not get a new mount to look after.
        // SAFETY: While this runs the module's memory is there: detaching waits for it.
        if !unsafe { bindings::try_module_get(D::MODULE.as_ptr()) } {
            return ENODEV.to_ptr();
        }
        // SAFETY: VFS gives a referenced path to a directory; the destination lives until it is
        // detached, which waits for this.
        let (at, destination) = unsafe { (Path::from_raw(path), &*destination.cast::<D>()) };
        let mounted = destination.mount(&at).map(Mount::into_raw);
        // SAFETY: Got above.
        unsafe { bindings::module_put(D::MODULE.as_ptr()) };
        mounted.unwrap_or_else(|e| e.to_ptr())
    }
}

impl<D: Destination> Drop for Remap<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; when it returns nobody is in `automount` any more, and so
        // nobody has the destination.
        unsafe {
            bindings::inode_remap_detach(self.remap.as_ptr());
            drop(KBox::from_raw(self.destination.as_ptr()));
        }
    }
}
