// SPDX-License-Identifier: GPL-2.0-only

//! Superblocks of our own file system.

use core::marker::PhantomData;
use kernel::prelude::*;
use kernel::types::{ForeignOwnable, Opaque};
use kernel::{bindings, error::to_result};

use super::attributes::Attributes;
use super::{dentry_ops, inode, Dentry, FileSystem, InodeRef};

/// A `struct super_block` of the file system `T`.
///
/// # Invariants
///
/// `s_fs_info` comes from `into_foreign` of a `Pin<KBox<T::Volume>>` and is freed only when the superblock has
/// been killed.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem>(Opaque<bindings::super_block>, PhantomData<T>);

impl<T: FileSystem> SuperBlock<T> {
    /// # Safety
    ///
    /// `raw` is a superblock of `T` that lives for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::super_block) -> &'a Self {
        // SAFETY: By the safety requirement; `Self` is transparent.
        unsafe { &*raw.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::super_block {
        self.0.get()
    }

    /// What belongs to it.
    pub(crate) fn volume(&self) -> &T::Volume {
        // SAFETY: By the type invariant.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast() }
    }

    /// The inode with the key of `node`: the cached one, or a new one that `node` goes into. Its
    /// attributes are still to be set.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn inode(
        &self,
        attributes: &Attributes,
        node: Pin<KBox<T::Node>>,
    ) -> Result<InodeRef<T>> {
        inode::get(self, attributes, node)
    }

    /// A new inode that no other name will find.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn private_inode(
        &self,
        attributes: &Attributes,
        node: Pin<KBox<T::Node>>,
    ) -> Result<InodeRef<T>> {
        inode::new(self, attributes, node)
    }

    const OPERATIONS: bindings::super_operations = bindings::super_operations {
        destroy_inode: Some(inode::destroy::<T>),
        free_inode: Some(bindings::free_inode_nonrcu),
        statfs: Some(Self::statfs),
        sync_fs: Some(Self::sync_fs),
        show_options: Some(Self::show_options),
        // Nothing is worth keeping when nobody has it open: it would have to be asked for anyway.
        drop_inode: Some(bindings::inode_just_drop),
        ..pin_init::zeroed()
    };

    const OPERATIONS_REF: &'static bindings::super_operations = &Self::OPERATIONS;

    /// Sets a new superblock up.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem::root`], `ENOMEM`.
    pub(super) fn fill(&self) -> Result {
        let sb = self.as_ptr();
        // SAFETY: The superblock is new and locked by the caller, so that nobody else looks at it.
        unsafe {
            (*sb).s_magic = T::MAGIC as c_ulong;
            (*sb).s_op = Self::OPERATIONS_REF;
            (*sb).s_maxbytes = bindings::MAX_LFS_FILESIZE;
            (*sb).s_time_gran = 1;
            (*sb).s_blocksize = kernel::page::PAGE_SIZE as c_ulong;
            (*sb).s_blocksize_bits = kernel::page::PAGE_SHIFT as c_uchar;
            // Access times are the server's business; a device node means a device there, and
            // can't be opened from here. `show_options` tells that.
            (*sb).s_flags |= bindings::SB_NOATIME;
            (*sb).s_iflags |= bindings::SB_I_NODEV as c_ulong;
            bindings::set_default_d_op(sb, dentry_ops::table::<T>());
        }
        // SAFETY: As above. This gives the superblock a read-ahead window.
        to_result(unsafe { bindings::super_setup_bdi(sb) })?;
        let root = T::root(self)?;
        // SAFETY: The call takes over the reference, also when it fails.
        let root = unsafe { bindings::d_make_root(inode::into_raw(root)) };
        if root.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: As above.
        unsafe { (*sb).s_root = root };
        Ok(())
    }

    /// VFS's `show_options`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn show_options(
        out: *mut bindings::seq_file,
        _root: *mut bindings::dentry,
    ) -> c_int {
        const OPTIONS: &[u8] = b",nodev";
        // SAFETY: VFS gives the file to write to.
        unsafe { bindings::seq_write(out, OPTIONS.as_ptr().cast(), OPTIONS.len()) };
        // What does not fit is asked for again, with more room.
        0
    }

    /// VFS's `sync_fs`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn sync_fs(_sb: *mut bindings::super_block, wait: c_int) -> c_int {
        // Nothing is held back here; what the other node holds back is its own to sync, and who asks
        // for this one must not think that it is.
        match wait {
            0 => 0,
            _ => EOPNOTSUPP.to_errno(),
        }
    }

    /// VFS's `statfs`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn statfs(
        dentry: *mut bindings::dentry,
        out: *mut bindings::kstatfs,
    ) -> c_int {
        // SAFETY: VFS gives a referenced dentry of this file system.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        kernel::error::from_result(|| {
            let figures = T::statfs(dentry)?;
            let sb = dentry.super_block().as_ptr();
            let shown = dentry.inode().and_then(T::shown_device);
            // SAFETY: VFS gives a valid `kstatfs` to fill; the superblock is live.
            unsafe {
                (*out).f_type = T::MAGIC as c_long;
                (*out).f_bsize = figures.block_size as c_long;
                (*out).f_frsize = figures.fragment_size as c_long;
                (*out).f_blocks = figures.blocks;
                (*out).f_bfree = figures.blocks_free;
                (*out).f_bavail = figures.blocks_available;
                (*out).f_files = figures.files;
                (*out).f_ffree = figures.files_free;
                (*out).f_namelen = figures.name_len as c_long;
                let device = shown.unwrap_or((*sb).s_dev);
                (*out).f_fsid.val = [device as c_int, 0];
            }
            Ok(0)
        })
    }
}

/// The end of a superblock.
///
/// # Safety
///
/// VFS's `kill_sb`: `sb` is a superblock of `T`, or one whose set-up failed.
pub(super) unsafe extern "C" fn kill<T: FileSystem>(sb: *mut bindings::super_block) {
    // SAFETY: By the safety requirement.
    let volume = unsafe { (*sb).s_fs_info };
    // SAFETY: `sget_fc` was given `set_anon_super_fc`, whose counterpart this is. After it no
    // inode and no dentry is left that could ask for the volume, but `sget_fc`'s test can, until
    // the superblock is off the list; that is before it returns, too.
    unsafe { bindings::kill_anon_super(sb) };
    if !volume.is_null() {
        // SAFETY: By the type invariant, and nobody is left as said above.
        drop(unsafe { Pin::<KBox<T::Volume>>::from_foreign(volume) });
    }
}
