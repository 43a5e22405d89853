// SPDX-License-Identifier: GPL-2.0-only

//! Directory entries of our own file system.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::aref::AlwaysRefCounted;
use kernel::types::Opaque;
use kernel::{bindings, error::from_err_ptr};

use super::{FileSystem, Inode, SuperBlock};

/// A `struct dentry` of a superblock of `T`.
///
/// # Invariants
///
/// The dentry belongs to a superblock of `T` and is referenced for as long as a reference to this
/// value lives.
#[repr(transparent)]
pub(crate) struct Dentry<T: FileSystem>(Opaque<bindings::dentry>, PhantomData<T>);

// SAFETY: A dentry has its own locks and reference counter.
unsafe impl<T: FileSystem> Send for Dentry<T> {}
// SAFETY: As above.
unsafe impl<T: FileSystem> Sync for Dentry<T> {}

// SAFETY: A dentry lives as long as its counter is above zero.
unsafe impl<T: FileSystem> AlwaysRefCounted for Dentry<T> {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant there is a reference already.
        unsafe { bindings::dget(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::dput(obj.as_ptr().cast()) };
    }
}

/// The way from a superblock's root to a dentry: `/`, or `/` and names with `/` between them.
///
/// # Invariants
///
/// `buffer[start..]` is a null-terminated string.
pub(crate) struct DentryPath {
    buffer: KVec<u8>,
    start: usize,
}

impl DentryPath {
    /// The path, without a null.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let bytes = &self.buffer[self.start..];
        bytes.strip_suffix(&[0]).unwrap_or(bytes)
    }
}

impl<T: FileSystem> Dentry<T> {
    /// # Safety
    ///
    /// `raw` is a dentry of a superblock of `T`, referenced for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::dentry) -> &'a Self {
        // SAFETY: By the safety requirement; `Self` is transparent.
        unsafe { &*raw.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::dentry {
        self.0.get()
    }

    /// Its superblock.
    pub(crate) fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: `d_sb` never changes, and by the type invariant is one of `T`; it lives at least
        // as long as its dentries.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }

    /// What it names, `None` if nothing.
    pub(crate) fn inode(&self) -> Option<&Inode<T>> {
        // SAFETY: The dentry is referenced, so that a positive one stays so; the volatile read is
        // `d_inode_rcu()`'s, for the other direction.
        let inode = unsafe { core::ptr::addr_of!((*self.as_ptr()).d_inode).read_volatile() };
        // SAFETY: An inode of a dentry of `T` is one of `T`, and is held by the dentry.
        (!inode.is_null()).then(|| unsafe { Inode::from_raw(inode) })
    }

    /// Bytes of its last name.
    pub(crate) fn name_len(&self) -> usize {
        // SAFETY: By the type invariant; the length is read at once, from a name that may change.
        let len = unsafe {
            let name = core::ptr::addr_of!((*self.as_ptr()).__bindgen_anon_1.d_name);
            core::ptr::addr_of!((*name).__bindgen_anon_1.__bindgen_anon_1.len).read_volatile()
        };
        len as usize
    }

    /// Whether it is the root of its superblock.
    pub(crate) fn is_root(&self) -> bool {
        // SAFETY: By the type invariant. A root is its own parent.
        unsafe { (*self.as_ptr()).d_parent == self.as_ptr() }
    }

    /// Whether the name was removed, or turned out to mean something else, so that the path leads
    /// elsewhere or nowhere.
    pub(crate) fn is_gone(&self) -> bool {
        // A root is never in the hash table.
        // SAFETY: By the type invariant.
        !self.is_root() && unsafe { bindings::d_unhashed(self.as_ptr()) }
    }

    /// The path from the superblock's root.
    ///
    /// # Errors
    ///
    /// `ENAMETOOLONG`, `ENOMEM`.
    pub(crate) fn path(&self) -> Result<DentryPath> {
        let mut buffer = KVec::from_elem(0u8, bindings::PATH_MAX as usize, GFP_KERNEL)?;
        // SAFETY: The dentry is referenced, and the buffer has the length that is given.
        let start = from_err_ptr(unsafe {
            bindings::dentry_path_raw(
                self.as_ptr(),
                buffer.as_mut_ptr(),
                bindings::PATH_MAX as c_int,
            )
        })?;
        // INVARIANT: The path ends, with its null, at the buffer's end.
        let start = start as usize - buffer.as_ptr() as usize;
        Ok(DentryPath { buffer, start })
    }
}
