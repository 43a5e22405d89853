// SPDX-License-Identifier: GPL-2.0-only

//! The `inode_operations` of our file system, for the four kinds of inodes.

use core::ptr;
use kernel::bindings;
use kernel::error::from_result;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::uaccess::{UserPtr, UserSlice};

use super::attributes::{AttributeChanges, Time, TimeChange, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use super::{file_ops, inode, permission, Dentry, FileSystem, InodeRef};

struct Table<T>(core::marker::PhantomData<T>);

/// The operations of directories.
pub(super) fn directory<T: FileSystem>() -> &'static bindings::inode_operations {
    Table::<T>::DIRECTORY
}

/// The operations of regular files.
pub(super) fn file<T: FileSystem>() -> &'static bindings::inode_operations {
    Table::<T>::FILE
}

/// The operations of symbolic links.
pub(super) fn symlink<T: FileSystem>() -> &'static bindings::inode_operations {
    Table::<T>::SYMLINK
}

/// The operations of devices, FIFOs and sockets.
pub(super) fn special<T: FileSystem>() -> &'static bindings::inode_operations {
    Table::<T>::FILE
}

/// All callbacks are called by VFS with inodes and dentries of this file system, referenced for the
/// time of the call, and with the locks that `Documentation/filesystems/locking.rst` says.
impl<T: FileSystem> Table<T> {
    const FILE: &'static bindings::inode_operations = &bindings::inode_operations {
        permission: Some(permission::check::<T>),
        getattr: Some(Self::getattr),
        setattr: Some(Self::setattr),
        ..pin_init::zeroed()
    };

    const SYMLINK: &'static bindings::inode_operations = &bindings::inode_operations {
        readlink: Some(Self::readlink),
        get_link: Some(Self::get_link),
        permission: Some(permission::check::<T>),
        getattr: Some(Self::getattr),
        setattr: Some(Self::setattr),
        ..pin_init::zeroed()
    };

    const DIRECTORY: &'static bindings::inode_operations = &bindings::inode_operations {
        lookup: Some(Self::lookup),
        atomic_open: Some(Self::atomic_open),
        create: Some(Self::create),
        link: Some(Self::link),
        unlink: Some(Self::unlink),
        symlink: Some(Self::symlink),
        mkdir: Some(Self::mkdir),
        rmdir: Some(Self::rmdir),
        mknod: Some(Self::mknod),
        rename: Some(Self::rename),
        permission: Some(permission::check::<T>),
        getattr: Some(Self::getattr),
        setattr: Some(Self::setattr),
        ..pin_init::zeroed()
    };

    /// VFS's `lookup`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn lookup(
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        _flags: c_uint,
    ) -> *mut bindings::dentry {
        // SAFETY: See above.
        let name = unsafe { Dentry::<T>::from_raw(dentry) };
        match T::lookup(name, name.super_block()) {
            Ok(found) => {
                let inode = found.map_or(ptr::null_mut(), inode::into_raw);
                // SAFETY: The call takes over the inode's reference, also when it fails.
                unsafe { bindings::d_splice_alias(inode, dentry) }
            }
            Err(e) => e.to_ptr(),
        }
    }

    /// VFS's `atomic_open`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn atomic_open(
        dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        file: *mut bindings::file,
        flags: c_uint,
        mode: bindings::umode_t,
    ) -> c_int {
        // SAFETY: See above. What is to be done with the file is left to VFS where the name means
        // something: it opens what it finds as it does otherwise.
        let name = unsafe {
            if (*dentry).d_flags & bindings::dentry_flags_DCACHE_PAR_LOOKUP != 0 {
                let found = Self::lookup(dir, dentry, 0);
                if !found.is_null() || !(*dentry).d_inode.is_null() {
                    return bindings::finish_no_open(file, found);
                }
            }
            if flags & bindings::O_CREAT == 0 {
                return bindings::finish_no_open(file, ptr::null_mut());
            }
            Dentry::<T>::from_raw(dentry)
        };
        from_result(|| {
            let opened = T::atomic_open(name, name.super_block(), flags, mode)?;
            let inode = opened.inode.clone();
            if inode.kind() != S_IFREG {
                // What the other node says it has opened is nothing that can be opened so: with the
                // operations of another type VFS would take the handle for what it is not.
                T::release(&inode, &opened.handle);
                return Err(EPROTO);
            }
            Self::instantiate(name, opened.inode, S_IFREG)?;
            // SAFETY: The file is being opened, and the name means the handle's file now, which is a
            // regular one.
            unsafe {
                if opened.created {
                    (*file).f_mode |= bindings::FMODE_CREATED;
                }
                file_ops::finish_open::<T>(file, name, &inode, opened.handle)?;
            }
            Ok(0)
        })
    }

    /// Lets the name `dentry` mean the inode that was just made.
    ///
    /// # Errors
    ///
    /// `EPROTO` if it is not of the type `kind` that was asked for.
    fn instantiate(dentry: &Dentry<T>, made: InodeRef<T>, kind: u16) -> Result {
        if made.kind() != kind {
            return Err(EPROTO);
        }
        // SAFETY: VFS gave us a negative dentry, with its directory locked; the call takes over
        // the inode's reference. A directory's inode is a new one, which has no other name.
        unsafe { bindings::d_instantiate(dentry.as_ptr(), inode::into_raw(made)) };
        Ok(())
    }

    /// VFS's `create`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn create(
        _idmap: *mut bindings::mnt_idmap,
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> c_int {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        from_result(|| {
            let made = T::create(dentry, dentry.super_block(), mode)?;
            Self::instantiate(dentry, made, S_IFREG)?;
            Ok(0)
        })
    }

    /// VFS's `mkdir`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn mkdir(
        _idmap: *mut bindings::mnt_idmap,
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
    ) -> *mut bindings::dentry {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        let made = T::mkdir(dentry, dentry.super_block(), mode);
        match made.and_then(|made| Self::instantiate(dentry, made, S_IFDIR)) {
            // The dentry that was given is the one that is used.
            Ok(()) => ptr::null_mut(),
            Err(e) => e.to_ptr(),
        }
    }

    /// VFS's `mknod`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn mknod(
        _idmap: *mut bindings::mnt_idmap,
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        mode: bindings::umode_t,
        rdev: bindings::dev_t,
    ) -> c_int {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        from_result(|| {
            let made = T::mknod(dentry, dentry.super_block(), mode, rdev)?;
            Self::instantiate(dentry, made, mode & S_IFMT)?;
            Ok(0)
        })
    }

    /// VFS's `symlink`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn symlink(
        _idmap: *mut bindings::mnt_idmap,
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
        target: *const c_char,
    ) -> c_int {
        // SAFETY: See above; the target is a string that lives as long as the call.
        let (dentry, target) =
            unsafe { (Dentry::<T>::from_raw(dentry), CStr::from_char_ptr(target)) };
        from_result(|| {
            let made = T::symlink(dentry, dentry.super_block(), target)?;
            Self::instantiate(dentry, made, S_IFLNK)?;
            Ok(0)
        })
    }

    /// VFS's `link`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn link(
        old: *mut bindings::dentry,
        _dir: *mut bindings::inode,
        new: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: See above.
        let (old, new) = unsafe { (Dentry::<T>::from_raw(old), Dentry::<T>::from_raw(new)) };
        from_result(|| {
            let inode = old.inode().ok_or(ENOENT)?;
            T::link(old, inode, new)?;
            Self::instantiate(new, inode.into(), inode.kind())?;
            Ok(0)
        })
    }

    /// VFS's `unlink`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn unlink(
        _dir: *mut bindings::inode,
        dentry: *mut bindings::dentry,
    ) -> c_int {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        from_result(|| {
            T::unlink(dentry, dentry.inode().ok_or(ENOENT)?)?;
            Ok(0)
        })
    }

    /// VFS's `rmdir`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn rmdir(_dir: *mut bindings::inode, dentry: *mut bindings::dentry) -> c_int {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        from_result(|| {
            T::rmdir(dentry)?;
            if let Some(inode) = dentry.inode() {
                inode.set_removed();
            }
            Ok(0)
        })
    }

    /// VFS's `rename`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn rename(
        _idmap: *mut bindings::mnt_idmap,
        _old_dir: *mut bindings::inode,
        old: *mut bindings::dentry,
        _new_dir: *mut bindings::inode,
        new: *mut bindings::dentry,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: See above.
        let (old, new) = unsafe { (Dentry::<T>::from_raw(old), Dentry::<T>::from_raw(new)) };
        from_result(|| {
            T::rename(old, new, flags)?;
            Ok(0)
        })
    }

    /// VFS's `getattr`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn getattr(
        idmap: *mut bindings::mnt_idmap,
        path: *const bindings::path,
        stat: *mut bindings::kstat,
        wanted: u32,
        flags: c_uint,
    ) -> c_int {
        // SAFETY: See above; the path is referenced.
        let dentry = unsafe { Dentry::<T>::from_raw((*path).dentry) };
        from_result(|| {
            let inode = dentry.inode().ok_or(ENOENT)?;
            T::getattr(dentry, inode, flags & bindings::AT_STATX_FORCE_SYNC != 0)?;
            // SAFETY: VFS gives the idmap of the path's mount and a `kstat` to fill.
            unsafe {
                bindings::generic_fillattr(idmap, wanted, inode.as_ptr(), stat);
                let kind = (*stat).mode & S_IFMT;
                (*stat).mode = kind | (T::shown_mode(inode) & !S_IFMT);
                if let Some(device) = T::shown_device(inode) {
                    (*stat).dev = device;
                }
            }
            Ok(0)
        })
    }

    /// VFS's `setattr`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn setattr(
        _idmap: *mut bindings::mnt_idmap,
        dentry: *mut bindings::dentry,
        attr: *mut bindings::iattr,
    ) -> c_int {
        // SAFETY: See above; the changes are valid for the call.
        let (dentry, attr) = unsafe { (Dentry::<T>::from_raw(dentry), &*attr) };
        let handle = if attr.ia_valid & bindings::ATTR_FILE != 0 {
            // SAFETY: VFS says that the file is valid; it is one of this inode's.
            unsafe { file_ops::handle::<T>(attr.ia_file) }
        } else {
            None
        };
        let mut changes = changes(attr);
        if attr.ia_valid & (bindings::ATTR_KILL_SUID | bindings::ATTR_KILL_SGID) != 0 {
            // Not whoever writes to a file or gives it away takes its privileges off, but VFS; and
            // so does the one of the node that has the file.
            changes.mode = None;
        }
        from_result(|| {
            let inode = dentry.inode().ok_or(ENOENT)?;
            T::setattr(dentry, inode, &changes, handle)?;
            Ok(0)
        })
    }

    /// VFS's `readlink`: what `readlink(2)` gives.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn readlink(
        dentry: *mut bindings::dentry,
        buffer: *mut c_char,
        len: c_int,
    ) -> c_int {
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        from_result(|| {
            let text = T::readlink(dentry)?;
            let text = text.to_bytes();
            let len = usize::try_from(len).map_err(|_| EINVAL)?;
            // What does not fit is cut off.
            let text = &text[..text.len().min(len)];
            let to = UserPtr::from_addr(buffer.addr());
            UserSlice::new(to, text.len()).writer().write_slice(text)?;
            c_int::try_from(text.len()).map_err(|_| EINVAL)
        })
    }

    /// VFS's `get_link`: where a walk goes on.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn get_link(
        dentry: *mut bindings::dentry,
        _inode: *mut bindings::inode,
        done: *mut bindings::delayed_call,
    ) -> *const c_char {
        if dentry.is_null() {
            // RCU walk: come again when it is allowed to sleep.
            return ECHILD.to_ptr::<c_char>();
        }
        // SAFETY: See above.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        match T::get_link(dentry) {
            Ok(target) => {
                let target = KBox::new(target, GFP_KERNEL);
                let Ok(target) = target else {
                    return ENOMEM.to_ptr::<c_char>();
                };
                let text = target.as_char_ptr();
                // SAFETY: VFS gives a delayed call to set; it will be called once, with the
                // argument that is set here.
                unsafe {
                    (*done).fn_ = Some(Self::free_link);
                    (*done).arg = KBox::into_raw(target).cast();
                }
                text
            }
            Err(e) => e.to_ptr::<c_char>(),
        }
    }

    /// VFS's `free_link`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn free_link(target: *mut c_void) {
        // SAFETY: As set up by `get_link`, which made it with `KBox::into_raw`.
        drop(unsafe { KBox::from_raw(target.cast::<CString>()) });
    }
}

/// The changes that an `iattr` asks for. The flags that ask for set-id bits to be cleared are left
/// out: clearing them is up to the file system that the file really is in.
fn changes(attr: &bindings::iattr) -> AttributeChanges {
    let valid = |flag: u32| attr.ia_valid & flag != 0;
    let time = |flag, set, to| {
        valid(flag).then(|| {
            if valid(set) {
                TimeChange::To(Time::from_c(to))
            } else {
                TimeChange::Now
            }
        })
    };
    // SAFETY: Both variants of the unions are one number.
    let (uid, gid) = unsafe {
        (
            attr.__bindgen_anon_1.ia_uid.val,
            attr.__bindgen_anon_2.ia_gid.val,
        )
    };
    AttributeChanges {
        mode: valid(bindings::ATTR_MODE).then_some(attr.ia_mode & 0o7777),
        uid: valid(bindings::ATTR_UID).then_some(uid),
        gid: valid(bindings::ATTR_GID).then_some(gid),
        size: valid(bindings::ATTR_SIZE).then(|| u64::try_from(attr.ia_size).unwrap_or(0)),
        atime: time(
            bindings::ATTR_ATIME,
            bindings::ATTR_ATIME_SET,
            &attr.ia_atime,
        ),
        mtime: time(
            bindings::ATTR_MTIME,
            bindings::ATTR_MTIME_SET,
            &attr.ia_mtime,
        ),
    }
}
