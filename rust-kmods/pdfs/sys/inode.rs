// SPDX-License-Identifier: GPL-2.0-only

//! Inodes of our own file system.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use kernel::sync::aref::{ARef, AlwaysRefCounted};
use kernel::types::{ForeignOwnable, Opaque};

use super::attributes::{Attributes, S_IFDIR, S_IFLNK, S_IFREG};
use super::{file_ops, inode_ops, mapping_ops, Dentry, FileSystem, InodeRef, SuperBlock};

/// A `struct inode` of the file system `T`.
///
/// # Invariants
///
/// The inode belongs to a superblock of `T`, is referenced for as long as a reference to this
/// value lives, and its `i_private` comes from `into_foreign` of a `Pin<KBox<T::Node>>` and is freed only by
/// [`destroy`].
#[repr(transparent)]
pub(crate) struct Inode<T: FileSystem>(Opaque<bindings::inode>, PhantomData<T>);

// SAFETY: An inode has its own locks and reference counter; what belongs to it is `Send + Sync`.
unsafe impl<T: FileSystem> Send for Inode<T> {}
// SAFETY: As above.
unsafe impl<T: FileSystem> Sync for Inode<T> {}

// SAFETY: An inode lives as long as its counter is above zero.
unsafe impl<T: FileSystem> AlwaysRefCounted for Inode<T> {
    fn inc_ref(&self) {
        // SAFETY: By the type invariant there is a reference already.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::iput(obj.as_ptr().cast()) };
    }
}

/// Gives the reference to C code.
pub(super) fn into_raw<T: FileSystem>(inode: InodeRef<T>) -> *mut bindings::inode {
    ARef::into_raw(inode).as_ptr().cast()
}

impl<T: FileSystem> Inode<T> {
    /// # Safety
    ///
    /// `raw` is an inode of a superblock of `T`, referenced for `'a`, and not one that is still
    /// being set up elsewhere.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::inode) -> &'a Self {
        // SAFETY: By the safety requirement; `Self` is transparent.
        unsafe { &*raw.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// What belongs to it.
    pub(crate) fn node(&self) -> &T::Node {
        // SAFETY: By the type invariant.
        unsafe { &*(*self.as_ptr()).i_private.cast() }
    }

    /// Its superblock.
    pub(crate) fn super_block(&self) -> &SuperBlock<T> {
        // SAFETY: `i_sb` never changes, and by the type invariant is one of `T`; it lives at least
        // as long as its inodes.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// Its type: the bits `S_IFMT` of its mode.
    pub(crate) fn kind(&self) -> u16 {
        // SAFETY: By the type invariant; the type bits never change.
        unsafe { (*self.as_ptr()).i_mode & bindings::S_IFMT as u16 }
    }

    /// A name by which it is known, if there is one.
    pub(crate) fn name(&self) -> Option<ARef<Dentry<T>>> {
        // SAFETY: By the type invariant.
        let dentry = NonNull::new(unsafe { bindings::d_find_alias(self.as_ptr()) })?;
        // SAFETY: The call gave us a reference; names of an inode of `T` are dentries of `T`.
        Some(unsafe { ARef::from_raw(dentry.cast()) })
    }

    /// Lets VFS know the size.
    pub(crate) fn set_size(&self, size: u64) {
        // SAFETY: By the type invariant. There is no torn read of a size on 64-bit machines.
        unsafe { bindings::i_size_write(self.as_ptr(), i64::try_from(size).unwrap_or(i64::MAX)) };
    }

    /// Lets VFS know all attributes but the type and the inode number, which stay. Calls for the
    /// same inode must not run at the same time, or the superblock's count of removed files goes
    /// wrong.
    pub(crate) fn set_attributes(&self, attributes: &Attributes) {
        let inode = self.as_ptr();
        self.set_size(attributes.size);
        // SAFETY: By the type invariant. The fields are plain numbers, each of which VFS reads by
        // itself and without a lock.
        unsafe {
            let kind = (*inode).i_mode & bindings::S_IFMT as u16;
            (*inode).i_mode = kind | (attributes.mode & !(bindings::S_IFMT as u16));
            (*inode).i_uid = bindings::kuid_t {
                val: attributes.uid,
            };
            (*inode).i_gid = bindings::kgid_t {
                val: attributes.gid,
            };
            (*inode).i_blocks = attributes.blocks;
            if (*inode).__bindgen_anon_1.i_nlink != attributes.nlink {
                bindings::set_nlink(inode, attributes.nlink);
            }
            bindings::inode_set_atime_to_ts(inode, attributes.atime.to_c());
            bindings::inode_set_mtime_to_ts(inode, attributes.mtime.to_c());
            bindings::inode_set_ctime_to_ts(inode, attributes.ctime.to_c());
        }
    }

    /// The last name is gone.
    pub(crate) fn set_removed(&self) {
        // SAFETY: By the type invariant.
        unsafe {
            if (*self.as_ptr()).__bindgen_anon_1.i_nlink != 0 {
                bindings::clear_nlink(self.as_ptr());
            }
        }
    }

    /// One name less.
    pub(crate) fn drop_link(&self) {
        // SAFETY: By the type invariant.
        unsafe {
            if (*self.as_ptr()).__bindgen_anon_1.i_nlink != 0 {
                bindings::drop_nlink(self.as_ptr());
            }
        }
    }

    /// Whether some process has the file in its address space.
    pub(crate) fn is_mapped(&self) -> bool {
        // SAFETY: By the type invariant; `i_mapping` is the inode's own.
        unsafe { bindings::mapping_mapped((*self.as_ptr()).i_mapping) }
    }

    /// Throws away what the page cache has of the file's bytes `from..to`, also out of address
    /// spaces: it will be read again.
    ///
    /// # Errors
    ///
    /// `EBUSY` when a page could not be taken out; it stays as it is.
    pub(crate) fn forget_pages(&self, from: u64, to: u64) -> Result {
        if to <= from {
            return Ok(());
        }
        let page = |byte: u64| (byte >> kernel::page::PAGE_SHIFT) as c_ulong;
        // SAFETY: By the type invariant; `i_mapping` is the inode's own.
        kernel::error::to_result(unsafe {
            let mapping = (*self.as_ptr()).i_mapping;
            if bindings::mapping_empty(mapping) {
                return Ok(());
            }
            bindings::invalidate_inode_pages2_range(mapping, page(from), page(to - 1))
        })
    }
}

/// See [`SuperBlock::inode`].
pub(super) fn get<T: FileSystem>(
    sb: &SuperBlock<T>,
    attributes: &Attributes,
    node: Pin<KBox<T::Node>>,
) -> Result<InodeRef<T>> {
    let key = T::key(&node);
    // `ino` alone spreads well enough; the key settles it.
    let hash = attributes.ino;
    let mut wanted = Wanted::<T> {
        key,
        node: Some(node),
    };
    // SAFETY: The superblock is live; the callbacks are given `wanted` as it is here.
    let inode = NonNull::new(unsafe {
        bindings::iget5_locked(
            sb.as_ptr(),
            hash,
            Some(matches::<T>),
            Some(set::<T>),
            core::ptr::from_mut(&mut wanted).cast(),
        )
    })
    .ok_or(ENOMEM)?;
    // SAFETY: `iget5_locked` gave us the reference.
    if unsafe { bindings::inode_state_read_once(inode.as_ptr()) }
        & bindings::inode_state_flags_enum_I_NEW
        != 0
    {
        // SAFETY: The inode is new and nobody else's until it is unlocked.
        unsafe {
            set_up::<T>(inode.as_ptr(), attributes);
            bindings::unlock_new_inode(inode.as_ptr());
        }
    }
    // SAFETY: The reference is ours; the inode is set up.
    Ok(unsafe { ARef::from_raw(inode.cast()) })
}

/// See [`SuperBlock::private_inode`].
pub(super) fn new<T: FileSystem>(
    sb: &SuperBlock<T>,
    attributes: &Attributes,
    node: Pin<KBox<T::Node>>,
) -> Result<InodeRef<T>> {
    // SAFETY: The superblock is live.
    let inode = NonNull::new(unsafe { bindings::new_inode(sb.as_ptr()) }).ok_or(ENOMEM)?;
    // SAFETY: The inode is new and nobody else's.
    unsafe {
        (*inode.as_ptr()).i_private = node.into_foreign();
        set_up::<T>(inode.as_ptr(), attributes);
    }
    // SAFETY: The reference is ours; the inode is set up.
    Ok(unsafe { ARef::from_raw(inode.cast()) })
}

/// What [`get`] tells its callbacks.
struct Wanted<T: FileSystem> {
    key: T::Key,
    node: Option<Pin<KBox<T::Node>>>,
}

/// # Safety
///
/// `iget5_locked`'s `test`: an inode of a superblock of `T` and the [`Wanted`] of [`get`].
unsafe extern "C" fn matches<T: FileSystem>(
    inode: *mut bindings::inode,
    wanted: *mut c_void,
) -> c_int {
    // SAFETY: By the safety requirement. A hashed inode has its node: [`set`] puts it there before,
    // [`destroy`] takes it only after the inode was taken off the hash table.
    let (node, wanted) = unsafe {
        (
            &*(*inode).i_private.cast::<T::Node>(),
            &*wanted.cast::<Wanted<T>>(),
        )
    };
    (T::key(node) == wanted.key).into()
}

/// # Safety
///
/// `iget5_locked`'s `set`: a new inode and the [`Wanted`] of [`get`].
unsafe extern "C" fn set<T: FileSystem>(inode: *mut bindings::inode, wanted: *mut c_void) -> c_int {
    // SAFETY: By the safety requirement.
    let wanted = unsafe { &mut *wanted.cast::<Wanted<T>>() };
    match wanted.node.take() {
        // SAFETY: The inode is new, so that nobody else looks at it.
        Some(node) => unsafe { (*inode).i_private = node.into_foreign() },
        None => return EINVAL.to_errno(),
    }
    0
}

/// Sets all that never changes.
///
/// # Safety
///
/// `inode` is a new inode of a superblock of `T` that nobody else uses, with its node in place.
unsafe fn set_up<T: FileSystem>(inode: *mut bindings::inode, attributes: &Attributes) {
    // SAFETY: By the safety requirement.
    unsafe {
        (*inode).i_ino = attributes.ino;
        (*inode).i_mode = attributes.mode;
        (*inode).i_generation = attributes.generation;
        match attributes.kind() {
            S_IFREG => {
                (*inode).i_op = inode_ops::file::<T>();
                (*inode).__bindgen_anon_3.i_fop = file_ops::file::<T>();
                (*(*inode).i_mapping).a_ops = mapping_ops::table::<T>();
            }
            S_IFDIR => {
                (*inode).i_op = inode_ops::directory::<T>();
                (*inode).__bindgen_anon_3.i_fop = file_ops::directory::<T>();
            }
            S_IFLNK => (*inode).i_op = inode_ops::symlink::<T>(),
            _ => {
                (*inode).i_op = inode_ops::special::<T>();
                bindings::init_special_inode(inode, attributes.mode, attributes.rdev);
            }
        }
        Inode::<T>::from_raw(inode).set_attributes(attributes);
    }
}

impl<T: FileSystem> Inode<T> {
    /// Makes this the root directory, which can be opened with `O_GIPC`. For a new inode.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`.
    pub(crate) fn make_root(&self) -> Result {
        if self.kind() != S_IFDIR {
            return Err(ENOTDIR);
        }
        // SAFETY: By the type invariant; the root's inode is looked at by others only when its
        // superblock is ready.
        unsafe { (*self.as_ptr()).__bindgen_anon_3.i_fop = file_ops::root::<T>() };
        Ok(())
    }
}

/// Frees what belongs to an inode.
///
/// # Safety
///
/// VFS's `destroy_inode`: nobody has the inode any more.
pub(super) unsafe extern "C" fn destroy<T: FileSystem>(inode: *mut bindings::inode) {
    // SAFETY: By the safety requirement.
    let node = unsafe { (*inode).i_private };
    if !node.is_null() {
        // SAFETY: `i_private` comes from `into_foreign`; this is the one place that takes it.
        drop(unsafe { Pin::<KBox<T::Node>>::from_foreign(node) });
    }
}
