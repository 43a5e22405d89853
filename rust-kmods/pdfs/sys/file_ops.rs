// SPDX-License-Identifier: GPL-2.0-only

//! The `file_operations` of our file system: regular files, directories, the root directory.

use kernel::bindings;
use kernel::error::{from_result, to_result};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::sync::{Arc, ArcBorrow};
use kernel::types::Opaque;

use super::{Dentry, DirEmitter, FileSystem, Inode, WriteHow, WriteSync};

struct Table<T>(core::marker::PhantomData<T>);

/// The operations of regular files.
pub(super) fn file<T: FileSystem>() -> &'static bindings::file_operations {
    Table::<T>::FILE
}

/// The operations of directories.
pub(super) fn directory<T: FileSystem>() -> &'static bindings::file_operations {
    Table::<T>::DIRECTORY
}

/// The operations of the root directory.
pub(super) fn root<T: FileSystem>() -> &'static bindings::file_operations {
    Table::<T>::ROOT
}

/// What belongs to an open file, `None` if it is not a regular file of `T`.
///
/// # Safety
///
/// `file` is null or an open file that stays so for `'a`.
pub(super) unsafe fn handle<'a, T: FileSystem>(file: *mut bindings::file) -> Option<&'a T::Handle> {
    if file.is_null() {
        return None;
    }
    // SAFETY: By the safety requirement. `open` is the one place that sets `private_data` of a
    // file with these operations, to what `Arc::into_raw` gave, and `release` takes it back.
    unsafe { core::ptr::eq((*file).f_op, self::file::<T>()).then(|| &*(*file).private_data.cast()) }
}

/// Completes the opening of a regular file by `atomic_open`.
///
/// # Safety
///
/// `file` is the file that `atomic_open` was given; `dentry` names `inode`, a regular file, of which
/// `handle` is.
pub(super) unsafe fn finish_open<T: FileSystem>(
    file: *mut bindings::file,
    dentry: &Dentry<T>,
    inode: &Inode<T>,
    handle: Arc<T::Handle>,
) -> Result {
    // SAFETY: By the safety requirement; `release` takes the reference back.
    let done = to_result(unsafe {
        (*file).private_data = Arc::into_raw(handle).cast_mut().cast();
        bindings::finish_open(file, dentry.as_ptr(), Some(Table::<T>::opened))
    });
    if done.is_err() {
        // SAFETY: VFS won't call `release`, so that the reference is still here.
        let handle =
            unsafe { Arc::from_raw((*file).private_data.cast::<T::Handle>().cast_const()) };
        T::release(inode, &handle);
    }
    done
}

/// A `struct file` that is being opened, for whoever takes it over.
#[repr(transparent)]
pub(crate) struct RawFile(Opaque<bindings::file>);

impl RawFile {
    /// The C object.
    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }
}

/// The dentry that an open file was opened by.
///
/// # Safety
///
/// `file` is an open file, or one that is being opened, of the file system `T`, for `'a`.
unsafe fn dentry<'a, T: FileSystem>(file: *mut bindings::file) -> &'a Dentry<T> {
    // SAFETY: By the safety requirement; the path of an open file never changes.
    unsafe { Dentry::from_raw((*file).__bindgen_anon_1.f_path.dentry) }
}

/// All callbacks are called by VFS with inodes and open files of this file system, referenced for
/// the time of the call, and with the locks that `Documentation/filesystems/locking.rst` says.
impl<T: FileSystem> Table<T> {
    const FILE: &'static bindings::file_operations = &bindings::file_operations {
        owner: T::MODULE.as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(Self::llseek),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        fsync: Some(Self::fsync),
        mmap_prepare: Some(Self::mmap_prepare),
        splice_read: Some(bindings::copy_splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        ..pin_init::zeroed()
    };

    const DIRECTORY: &'static bindings::file_operations = &bindings::file_operations {
        owner: T::MODULE.as_ptr(),
        open: Some(Self::open_directory),
        release: Some(Self::release_directory),
        llseek: Some(Self::llseek_directory),
        read: Some(bindings::generic_read_dir),
        iterate_shared: Some(Self::iterate),
        fsync: Some(Self::fsync_directory),
        ..pin_init::zeroed()
    };

    const ROOT: &'static bindings::file_operations = &bindings::file_operations {
        fop_flags: bindings::FOP_GIPC,
        open: Some(Self::open_root),
        ..*Self::DIRECTORY
    };

    /// VFS's `open`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: See above.
        let (inode, dentry) = unsafe { (Inode::<T>::from_raw(inode), dentry::<T>(file)) };
        from_result(|| {
            // SAFETY: The file is being opened, so that nobody else changes its flags.
            let handle = T::open(dentry, inode, unsafe { (*file).f_flags })?;
            // SAFETY: As above; `release` takes the reference back. Reads and writes go past the
            // page cache, so that O_DIRECT asks for nothing new.
            unsafe {
                (*file).private_data = Arc::into_raw(handle).cast_mut().cast();
                (*file).f_mode |= bindings::FMODE_CAN_ODIRECT;
            }
            Ok(0)
        })
    }

    /// In place of `open`, for a file that [`finish_open`] has given its handle.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn opened(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The file is being opened, so that nobody else changes its mode.
        unsafe { (*file).f_mode |= bindings::FMODE_CAN_ODIRECT };
        0
    }

    /// VFS's `release`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: See above; `open` put the reference there, and this is the last call.
        let (inode, handle) = unsafe {
            (
                Inode::<T>::from_raw(inode),
                Arc::from_raw((*file).private_data.cast::<T::Handle>().cast_const()),
            )
        };
        T::release(inode, &handle);
        0
    }

    /// What belongs to an open regular file.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is open for `'a`.
    unsafe fn handle<'a>(file: *mut bindings::file) -> ArcBorrow<'a, T::Handle> {
        // SAFETY: By the safety requirement.
        unsafe { ArcBorrow::from_raw((*file).private_data.cast::<T::Handle>().cast_const()) }
    }

    /// VFS's `llseek`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // SAFETY: See above.
        let (inode, dentry) = unsafe { (Inode::<T>::from_raw((*file).f_inode), dentry::<T>(file)) };
        if !matches!(whence as c_uint, bindings::SEEK_SET | bindings::SEEK_CUR) {
            if let Err(e) = T::getattr(dentry, inode, true) {
                return e.to_errno().into();
            }
        }
        // SAFETY: See above.
        unsafe { bindings::generic_file_llseek(file, offset, whence) }
    }

    /// VFS's `read_iter`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn read_iter(
        iocb: *mut bindings::kiocb,
        to: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: See above; the iterator and the control block are ours for the call.
        let (iocb, to) = unsafe { (&mut *iocb, IovIterDest::from_raw(to)) };
        // SAFETY: See above.
        let (inode, handle) = unsafe {
            (
                Inode::<T>::from_raw((*iocb.ki_filp).f_inode),
                Self::handle(iocb.ki_filp),
            )
        };
        from_ssize(|| {
            let position = u64::try_from(iocb.ki_pos).map_err(|_| EINVAL)?;
            let read = T::read_iter(inode, &handle, position, to)?;
            iocb.ki_pos += read as i64;
            Ok(read)
        })
    }

    /// VFS's `write_iter`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn write_iter(
        iocb: *mut bindings::kiocb,
        from: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: See above.
        let (file, inode) = unsafe {
            let file = (*iocb).ki_filp;
            (file, Inode::<T>::from_raw((*file).f_inode))
        };
        // SAFETY: The inode is referenced, and VFS holds no lock of it here.
        unsafe { bindings::inode_lock(inode.as_ptr()) };
        let written = from_ssize(|| {
            // SAFETY: See above; the check wants the inode locked.
            let left = unsafe { bindings::generic_write_checks(iocb, from) };
            if left <= 0 {
                to_result(left as c_int)?;
                return Ok(0);
            }
            // SAFETY: See above; the iterator is ours for the call.
            let (handle, from, how) = unsafe {
                (
                    Self::handle(file),
                    IovIterSource::from_raw(from),
                    write_how((*iocb).ki_flags),
                )
            };
            // SAFETY: The control block is ours for the call.
            let position = unsafe { &mut (*iocb).ki_pos };
            let start = u64::try_from(*position).map_err(|_| EINVAL)?;
            let (written, end) = T::write_iter(inode, &handle, start, how, from)?;
            *position = i64::try_from(end).map_err(|_| EFBIG)?;
            Ok(written)
        });
        // SAFETY: Locked above.
        unsafe { bindings::inode_unlock(inode.as_ptr()) };
        written
    }

    /// VFS's `mmap_prepare`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn mmap_prepare(area: *mut bindings::vm_area_desc) -> c_int {
        const EXECUTABLE: c_ulong = 1 << bindings::VMA_EXEC_BIT;
        const MAY_BECOME_SO: c_ulong = 1 << bindings::VMA_MAYEXEC_BIT;
        // SAFETY: VFS gives a mapping in the making that is nobody else's, of an open file of ours.
        let (flags, inode) = unsafe {
            (
                &mut (*area).vma_flags.__vma_flags[0],
                Inode::<T>::from_raw((*(*area).file).f_inode),
            )
        };
        if T::refused(inode).execution {
            // As for a file of a mount that is `noexec`.
            if *flags & EXECUTABLE != 0 {
                return EPERM.to_errno();
            }
            *flags &= !MAY_BECOME_SO;
        }
        // SAFETY: The file is open during the call.
        let handle = unsafe { Self::handle((*area).file) };
        if !T::can_be_mapped(&handle) {
            return ENODEV.to_errno();
        }
        // Not shared and writable: the page cache never has anything that the server lacks.
        // SAFETY: Passed on as it came.
        unsafe { bindings::generic_file_readonly_mmap_prepare(area) }
    }

    /// VFS's `fsync`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        data_only: c_int,
    ) -> c_int {
        // SAFETY: See above.
        let handle = unsafe { Self::handle(file) };
        from_result(|| {
            T::fsync(&handle, data_only != 0)?;
            Ok(0)
        })
    }

    /// VFS's `fsync` of directories.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn fsync_directory(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        data_only: c_int,
    ) -> c_int {
        // SAFETY: See above; `open_directory` put the reference there.
        let (dentry, directory) = unsafe { (dentry::<T>(file), Self::opened_directory(file)) };
        from_result(|| {
            T::fsync_directory(dentry, &directory, data_only != 0)?;
            Ok(0)
        })
    }

    /// What belongs to an open directory.
    ///
    /// # Safety
    ///
    /// `file` is one that [`Table::open_directory`] has opened, and stays open for `'a`.
    unsafe fn opened_directory<'a>(file: *mut bindings::file) -> ArcBorrow<'a, T::Directory> {
        // SAFETY: By the safety requirement.
        unsafe { ArcBorrow::from_raw((*file).private_data.cast::<T::Directory>().cast_const()) }
    }

    /// VFS's `open_directory`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn open_directory(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: See above.
        let inode = unsafe { Inode::<T>::from_raw(inode) };
        from_result(|| {
            let directory = T::open_directory(inode)?;
            // SAFETY: The file is being opened; `release_directory` takes the reference back.
            unsafe { (*file).private_data = Arc::into_raw(directory).cast_mut().cast() };
            Ok(0)
        })
    }

    /// VFS's `open_root`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn open_root(
        inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: The file is being opened, so that nobody else changes its flags.
        let flags = unsafe { (*file).f_flags };
        if flags & bindings::O_GIPC == 0 {
            // SAFETY: Passed on as it came.
            return unsafe { Self::open_directory(inode, file) };
        }
        // SAFETY: See above; `RawFile` is transparent.
        let (inode, file) = unsafe { (Inode::<T>::from_raw(inode), &*file.cast::<RawFile>()) };
        from_result(|| {
            T::connect(inode.super_block(), file, flags)?;
            Ok(0)
        })
    }

    /// VFS's `release_directory`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn release_directory(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> c_int {
        // SAFETY: `open_directory` put the reference there, and this is the last call.
        drop(unsafe { Arc::from_raw((*file).private_data.cast::<T::Directory>().cast_const()) });
        0
    }

    /// VFS's `llseek_directory`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn llseek_directory(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // Positions are the server's and mean nothing here, so that only going back to the start or
        // to where one was makes sense.
        // SAFETY: See above.
        unsafe { bindings::generic_file_llseek_size(file, offset, whence, i64::MAX, 0) }
    }

    /// VFS's `iterate`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn iterate(
        file: *mut bindings::file,
        context: *mut bindings::dir_context,
    ) -> c_int {
        // SAFETY: See above; `open_directory` put the reference there.
        let (dentry, directory) = unsafe { (dentry::<T>(file), Self::opened_directory(file)) };
        // SAFETY: The context is ours for the call.
        let mut emitter = unsafe { DirEmitter::from_raw(context) };
        from_result(|| {
            T::iterate_shared(dentry, &directory, &mut emitter)?;
            Ok(0)
        })
    }
}

/// What the flags of a write say, of which those that the file has now are a part.
fn write_how(flags: c_int) -> WriteHow {
    let has = |flag| flags & flag != 0;
    WriteHow {
        append: has(bindings::IOCB_APPEND),
        sync: match () {
            () if has(bindings::IOCB_SYNC) => WriteSync::All,
            () if has(bindings::IOCB_DSYNC) => WriteSync::Data,
            () => WriteSync::No,
        },
    }
}

/// [`from_result`] for a number of bytes.
fn from_ssize(f: impl FnOnce() -> Result<usize>) -> isize {
    match f() {
        Ok(len) => len as isize,
        Err(e) => e.to_errno() as isize,
    }
}
