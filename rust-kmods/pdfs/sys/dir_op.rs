// SPDX-License-Identifier: GPL-2.0-only

//! Changes of this node's own directories, for whom the current task acts.

use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::prelude::*;

use super::path::{qstr, WriteAccess};
use super::Path;

/// A change of a directory; holds write access to its mount.
pub(crate) struct DirOp<'a> {
    dir: &'a Path,
    _writing: WriteAccess<'a>,
}

/// A name in a directory that is locked against other changes.
///
/// # Invariants
///
/// `0` was given by `start_creating` or `start_removing` and was not ended.
struct Locked(*mut bindings::dentry);

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Also ends what `start_removing` began.
        unsafe { bindings::end_creating(self.0) };
    }
}

impl<'a> DirOp<'a> {
    pub(super) fn begin(dir: &'a Path) -> Result<Self> {
        Ok(Self {
            dir,
            _writing: WriteAccess::new(dir)?,
        })
    }

    /// Locks the directory, to put something where nothing is yet.
    fn start_creating(&self, name: &[u8]) -> Result<Locked> {
        let mut name = qstr(name);
        // SAFETY: By the path's type invariant; the name lives as long as the call.
        let dentry = from_err_ptr(unsafe {
            bindings::start_creating(self.dir.idmap(), self.dir.dentry(), &mut name)
        })?;
        // INVARIANT: Given just now.
        let locked = Locked(dentry);
        // SAFETY: The dentry is referenced, and in a locked directory.
        if !unsafe { (*dentry).d_inode }.is_null() {
            return Err(EEXIST);
        }
        Ok(locked)
    }

    /// Locks the directory, to take something away.
    fn start_removing(&self, name: &[u8]) -> Result<Locked> {
        let mut name = qstr(name);
        // SAFETY: By the path's type invariant; the name lives as long as the call.
        let dentry = from_err_ptr(unsafe {
            bindings::start_removing(self.dir.idmap(), self.dir.dentry(), &mut name)
        })?;
        // INVARIANT: Given just now.
        Ok(Locked(dentry))
    }

    /// Makes a regular file.
    pub(crate) fn create(&self, name: &[u8], mode: u16) -> Result {
        let at = self.start_creating(name)?;
        // SAFETY: The directory is locked and the name free.
        to_result(unsafe {
            bindings::vfs_create(self.dir.idmap(), at.0, mode, core::ptr::null_mut())
        })
    }

    /// Makes a directory.
    pub(crate) fn mkdir(&self, name: &[u8], mode: u16) -> Result {
        let mut at = self.start_creating(name)?;
        // SAFETY: The directory is locked and the name free. The call takes the dentry, and gives
        // back the one that is to be ended in its place, which may be an error: that is ended, too.
        at.0 = unsafe {
            bindings::vfs_mkdir(
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                mode,
                core::ptr::null_mut(),
            )
        };
        from_err_ptr(at.0).map(drop)
    }

    /// Makes a device node, FIFO or socket.
    pub(crate) fn mknod(&self, name: &[u8], mode: u16, rdev: u32) -> Result {
        let at = self.start_creating(name)?;
        // SAFETY: The directory is locked and the name free.
        to_result(unsafe {
            bindings::vfs_mknod(
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                mode,
                rdev,
                core::ptr::null_mut(),
            )
        })
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, name: &[u8], target: &CStr) -> Result {
        let at = self.start_creating(name)?;
        // SAFETY: The directory is locked and the name free; the target is a string.
        to_result(unsafe {
            bindings::vfs_symlink(
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                target.as_char_ptr(),
                core::ptr::null_mut(),
            )
        })
    }

    /// Gives `file` one more name.
    pub(crate) fn link(&self, file: &Path, name: &[u8]) -> Result {
        if file.mount() != self.dir.mount() {
            return Err(EXDEV);
        }
        let at = self.start_creating(name)?;
        // SAFETY: The directory is locked and the name free; the file's dentry is positive.
        to_result(unsafe {
            bindings::vfs_link(
                file.dentry(),
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                core::ptr::null_mut(),
            )
        })
    }

    /// Removes a name that is not a directory's.
    pub(crate) fn unlink(&self, name: &[u8]) -> Result {
        let at = self.start_removing(name)?;
        // SAFETY: The directory is locked and the name taken.
        to_result(unsafe {
            bindings::vfs_unlink(
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                core::ptr::null_mut(),
            )
        })
    }

    /// Removes an empty directory.
    pub(crate) fn rmdir(&self, name: &[u8]) -> Result {
        let at = self.start_removing(name)?;
        // SAFETY: The directory is locked and the name taken.
        to_result(unsafe {
            bindings::vfs_rmdir(
                self.dir.idmap(),
                self.dir.inode(),
                at.0,
                core::ptr::null_mut(),
            )
        })
    }

    /// Renames `old` in this directory to `new` in `to`; `flags` are `RENAME_*`.
    pub(crate) fn rename(&self, old: &[u8], to: &Path, new: &[u8], flags: u32) -> Result {
        if to.mount() != self.dir.mount() {
            return Err(EXDEV);
        }
        let mut rename = bindings::renamedata {
            mnt_idmap: self.dir.idmap(),
            old_parent: self.dir.dentry(),
            new_parent: to.dentry(),
            flags,
            ..Default::default()
        };
        let (mut old, mut new) = (qstr(old), qstr(new));
        // SAFETY: By the paths' type invariants; `start_renaming` finds and locks what the other
        // two work on.
        unsafe {
            to_result(bindings::start_renaming(&mut rename, 0, &mut old, &mut new))?;
            let renamed = to_result(bindings::vfs_rename(&mut rename));
            bindings::end_renaming(&mut rename);
            renamed
        }
    }
}
