// SPDX-License-Identifier: GPL-2.0-only

//! Mounting: the file system type, mount contexts and the mounts made by a walk.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::{from_err_ptr, from_result, to_result};
use kernel::prelude::*;
use kernel::types::{ForeignOwnable, Opaque};

use super::{super_block, FileSystem, Path, SuperBlock};

/// `SB_ACTIVE`, which is a macro that bindgen can't see through.
const SB_ACTIVE: c_ulong = 1 << 30;

/// A `struct file_system_type`, to be kept in a `static`.
pub(crate) struct FileSystemType(UnsafeCell<bindings::file_system_type>);

// SAFETY: VFS changes it under its own lock, and we only take its address.
unsafe impl Sync for FileSystemType {}

impl FileSystemType {
    /// The type of the file system `T`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's own is not a const fn"
    )]
    pub(crate) const fn new<T: FileSystem>(name: &'static CStr) -> Self {
        Self(UnsafeCell::new(bindings::file_system_type {
            name: name.as_ptr().cast(),
            init_fs_context: Some(Contexts::<T>::init),
            kill_sb: Some(super_block::kill::<T>),
            owner: T::MODULE.as_ptr(),
            ..pin_init::zeroed()
        }))
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::file_system_type {
        self.0.get()
    }

    /// Makes the type known, until the returned value is dropped.
    ///
    /// # Errors
    ///
    /// `EBUSY` if one of that name is known.
    pub(crate) fn register(&'static self) -> Result<Registration> {
        // SAFETY: The type is static and completely set.
        to_result(unsafe { bindings::register_filesystem(self.as_ptr()) })?;
        // INVARIANT: Registered just now.
        Ok(Registration(self))
    }
}

/// A file system type that VFS knows.
///
/// # Invariants
///
/// `0` is registered.
pub(crate) struct Registration(&'static FileSystemType);

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. It fails only for one that is not registered.
        unsafe { bindings::unregister_filesystem(self.0.as_ptr()) };
    }
}

/// The callbacks of mount contexts of `T`. `fs_private` is null or comes from
/// `KBox::<T::Options>::into_raw`, `s_fs_info` is null or comes from `into_foreign` of a
/// `Pin<KBox<T::Volume>>`.
struct Contexts<T>(core::marker::PhantomData<T>);

impl<T: FileSystem> Contexts<T> {
    const OPERATIONS: &'static bindings::fs_context_operations = &bindings::fs_context_operations {
        free: Some(Self::free),
        parse_param: Some(Self::parse_param),
        get_tree: Some(Self::get_tree),
        ..pin_init::zeroed()
    };

    /// VFS's `init`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn init(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: VFS gives a new context.
        unsafe { (*fc).ops = Self::OPERATIONS };
        0
    }

    /// VFS's `free`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn free(fc: *mut bindings::fs_context) {
        // SAFETY: VFS gives the context up; both are as said above.
        unsafe {
            let options = (*fc).fs_private.cast::<T::Options>();
            if !options.is_null() {
                drop(KBox::from_raw(options));
            }
            let volume = (*fc).s_fs_info;
            if !volume.is_null() {
                drop(Pin::<KBox<T::Volume>>::from_foreign(volume));
            }
        }
    }

    /// VFS's `parse_param`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn parse_param(
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> c_int {
        from_result(|| {
            // SAFETY: VFS gives a valid parameter; a string is one where the type says so.
            let (key, value) = unsafe {
                let is_string = (*param).type_() == bindings::fs_value_type_fs_value_is_string;
                if !is_string {
                    return Err(ENOPARAM);
                }
                (
                    CStr::from_char_ptr((*param).key),
                    CStr::from_char_ptr((*param).__bindgen_anon_1.string),
                )
            };
            // SAFETY: VFS holds the context's lock; `fs_private` is as said above.
            let known = unsafe {
                if (*fc).fs_private.is_null() {
                    let options = KBox::new(T::Options::default(), GFP_KERNEL)?;
                    (*fc).fs_private = KBox::into_raw(options).cast();
                }
                T::parse_param(&mut *(*fc).fs_private.cast(), key, value)?
            };
            if known {
                Ok(0)
            } else {
                // Not one of ours: VFS has an answer to that.
                Err(ENOPARAM)
            }
        })
    }

    /// VFS's `get_tree`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: VFS holds the context's lock.
        from_result(|| unsafe { Self::tree(fc) }.map(|()| 0))
    }

    /// Finds or makes the superblock.
    ///
    /// # Safety
    ///
    /// `fc` is a context of `T` that nobody else uses.
    unsafe fn tree(fc: *mut bindings::fs_context) -> Result {
        // SAFETY: By the safety requirement; the source is null or a string, the options are as
        // said above.
        let (source, options) = unsafe {
            if (*fc).source.is_null() {
                return Err(EINVAL);
            }
            let options = (*fc).fs_private.cast::<T::Options>();
            let options = if options.is_null() {
                T::Options::default()
            } else {
                (*fc).fs_private = core::ptr::null_mut();
                KBox::into_inner(KBox::from_raw(options))
            };
            (CStr::from_char_ptr((*fc).source), options)
        };
        let volume = T::volume(options, source)?;
        // SAFETY: As above; nothing was there before, as a context gives one tree. From here on
        // the volume belongs to the context, or to the superblock that `sget_fc` gave it to.
        let sb = unsafe {
            (*fc).s_fs_info = volume.into_foreign();
            from_err_ptr(bindings::sget_fc(
                fc,
                Some(Self::same),
                Some(bindings::set_anon_super_fc),
            ))?
        };
        // SAFETY: `sget_fc` gave us the superblock, locked and referenced; whoever finds it there
        // waits for the lock.
        unsafe {
            if (*sb).s_root.is_null() {
                if let Err(e) = SuperBlock::<T>::from_raw(sb).fill() {
                    bindings::deactivate_locked_super(sb);
                    return Err(e);
                }
                (*sb).s_flags |= SB_ACTIVE;
            }
            (*fc).root = bindings::dget((*sb).s_root);
        }
        Ok(())
    }

    /// VFS's `same`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn same(
        sb: *mut bindings::super_block,
        fc: *mut bindings::fs_context,
    ) -> c_int {
        // SAFETY: `sget_fc` gives a superblock of this type that was not killed, and our context;
        // both have their volume.
        unsafe {
            T::same_volume(
                SuperBlock::<T>::from_raw(sb).volume(),
                &*(*fc).s_fs_info.cast(),
            )
            .into()
        }
    }
}

/// A mount that is in no tree yet.
///
/// # Invariants
///
/// `0` is a mount of which this value holds the one reference.
pub(crate) struct Mount(NonNull<bindings::vfsmount>);

impl Mount {
    /// Mounts `source` for a walk that reached `reference`.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem::volume`] and [`FileSystem::root`]; `ENOMEM`.
    pub(crate) fn automount<T: FileSystem>(
        reference: &Path,
        source: &CStr,
        options: T::Options,
    ) -> Result<Self> {
        let options = KBox::new(options, GFP_KERNEL)?;
        // SAFETY: The type is registered as long as somebody can walk into a remapped directory;
        // the path is referenced.
        let context = Context(from_err_ptr(unsafe {
            bindings::fs_context_for_submount(T::file_system_type().as_ptr(), reference.dentry())
        })?);
        let fc = context.0;
        let name = Opaque::<bindings::qstr>::uninit();
        // SAFETY: The context is new and ours; the name is copied.
        unsafe {
            (*fc).fs_private = KBox::into_raw(options).cast();
            name.get().write(super::path::qstr(source.to_bytes()));
            to_result(bindings::vfs_parse_fs_qstr(
                fc,
                c"source".as_char_ptr(),
                name.get(),
            ))?;
        }
        // SAFETY: The context is complete.
        let mount = from_err_ptr(unsafe { bindings::fc_mount(fc) })?;
        // INVARIANT: `fc_mount` gave us the reference.
        Ok(Self(NonNull::new(mount).ok_or(ENOMEM)?))
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::vfsmount {
        self.0.as_ptr()
    }

    /// Gives the reference to C code.
    pub(super) fn into_raw(self) -> *mut bindings::vfsmount {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::mntput(self.0.as_ptr()) };
    }
}

/// A mount context of ours, put when dropped.
struct Context(*mut bindings::fs_context);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: Made by `fs_context_for_submount`, and put here only.
        unsafe { bindings::put_fs_context(self.0) };
    }
}
