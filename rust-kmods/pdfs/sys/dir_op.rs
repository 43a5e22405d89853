// SPDX-License-Identifier: GPL-2.0-only

//! Changes to this node's own directories, with the current task's credentials.

use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::prelude::*;

use super::deleg::with_deleg_broken;
use super::path::{qstr, WriteAccess};
use super::{OpenFlags, OwnFile, Path};

/// A change of a directory; holds write access to its mount.
///
/// What makes something gives back the very file that it made: whoever looks the name up again may
/// find another one.
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

impl Locked {
    fn is_positive(&self) -> bool {
        // SAFETY: By the type invariant the dentry is referenced, and in a locked directory, or an
        // error that stands for a change that failed, of which nobody asks this.
        !unsafe { (*self.0).d_inode }.is_null()
    }
}

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
        if locked.is_positive() {
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

    /// What was made at the locked name.
    ///
    /// # Errors
    ///
    /// `ESTALE` if its file system has not kept it, and would have to look the name up.
    fn made(&self, at: &Locked) -> Result<Path> {
        if !at.is_positive() {
            return Err(ESTALE);
        }
        let path = bindings::path {
            mnt: self.dir.mount(),
            dentry: at.0,
        };
        // SAFETY: The directory is in that mount; the dentry is referenced, and was seen to be
        // positive while its directory is locked.
        Ok(unsafe { Path::from_raw(&path) })
    }

    /// Makes something by `make`, which is given the locked name.
    fn make(
        &self,
        name: &[u8],
        mut make: impl FnMut(&mut Locked, *mut bindings::delegated_inode) -> Result,
    ) -> Result<Path> {
        with_deleg_broken(|delegated| {
            let mut at = self.start_creating(name)?;
            make(&mut at, delegated)?;
            self.made(&at)
        })
    }

    /// Makes a regular file.
    pub(crate) fn create(&self, name: &[u8], mode: u16) -> Result<Path> {
        self.make(name, |at, delegated| {
            // SAFETY: The directory is locked and the name free.
            to_result(unsafe { bindings::vfs_create(self.dir.idmap(), at.0, mode, delegated) })
        })
    }

    /// Makes a regular file and opens it, whatever its mode lets others do.
    pub(crate) fn create_open(&self, name: &[u8], mode: u16, flags: OpenFlags) -> Result<OwnFile> {
        // SAFETY: By the path's type invariant.
        if unsafe { (*(*self.dir.inode()).i_op).atomic_open.is_some() } {
            return self.create_open_atomic(name, mode, flags);
        }
        OwnFile::open_made(self.create(name, mode)?, flags)
    }

    /// As [`DirOp::create_open`], in a file system that has to do both at once: a file that another
    /// machine has made can't be opened any more if its mode forbids it.
    fn create_open_atomic(&self, name: &[u8], mode: u16, flags: OpenFlags) -> Result<OwnFile> {
        let mut at = self.start_creating(name)?;
        let mut path = bindings::path {
            mnt: self.dir.mount(),
            dentry: at.0,
        };
        let bits = flags.bits() | bindings::O_CREAT | bindings::O_EXCL;
        // SAFETY: The directory is locked and the name free; the credentials are the current task's.
        // The call takes the dentry, and gives back the one that is to be ended in its place.
        let file = from_err_ptr(unsafe {
            let cred = (*bindings::get_current()).cred;
            bindings::dentry_create(&mut path, bits as c_int, mode, cred)
        });
        at.0 = path.dentry;
        // SAFETY: The file was given just now, and nobody else has it.
        unsafe { OwnFile::from_created(file?, self.made(&at)) }
    }

    /// Makes a directory.
    pub(crate) fn mkdir(&self, name: &[u8], mode: u16) -> Result<Path> {
        self.make(name, |at, delegated| {
            // SAFETY: The directory is locked and the name free. The call takes the dentry, and
            // gives back the one that is to be ended in its place, which may be an error: that is
            // ended, too.
            at.0 = unsafe {
                bindings::vfs_mkdir(self.dir.idmap(), self.dir.inode(), at.0, mode, delegated)
            };
            from_err_ptr(at.0).map(drop)
        })
    }

    /// Makes a device node, FIFO or socket.
    pub(crate) fn mknod(&self, name: &[u8], mode: u16, rdev: u32) -> Result<Path> {
        self.make(name, |at, delegated| {
            let dir = self.dir.inode();
            // SAFETY: The directory is locked and the name free.
            to_result(unsafe {
                bindings::vfs_mknod(self.dir.idmap(), dir, at.0, mode, rdev, delegated)
            })
        })
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, name: &[u8], target: &CStr) -> Result<Path> {
        self.make(name, |at, delegated| {
            let (dir, target) = (self.dir.inode(), target.as_char_ptr());
            // SAFETY: The directory is locked and the name free; the target is a string.
            to_result(unsafe {
                bindings::vfs_symlink(self.dir.idmap(), dir, at.0, target, delegated)
            })
        })
    }

    /// Gives `file` one more name.
    pub(crate) fn link(&self, file: &Path, name: &[u8]) -> Result<Path> {
        if file.mount() != self.dir.mount() {
            return Err(EXDEV);
        }
        self.make(name, |at, delegated| {
            let (dir, idmap) = (self.dir.inode(), self.dir.idmap());
            // SAFETY: The directory is locked and the name free; the file's dentry is positive.
            to_result(unsafe { bindings::vfs_link(file.dentry(), idmap, dir, at.0, delegated) })
        })
    }

    /// Removes a name that is not a directory's.
    pub(crate) fn unlink(&self, name: &[u8]) -> Result {
        with_deleg_broken(|delegated| {
            let at = self.start_removing(name)?;
            // SAFETY: The directory is locked and the name taken.
            to_result(unsafe {
                bindings::vfs_unlink(self.dir.idmap(), self.dir.inode(), at.0, delegated)
            })
        })
    }

    /// Removes an empty directory.
    pub(crate) fn rmdir(&self, name: &[u8]) -> Result {
        with_deleg_broken(|delegated| {
            let at = self.start_removing(name)?;
            // SAFETY: The directory is locked and the name taken.
            to_result(unsafe {
                bindings::vfs_rmdir(self.dir.idmap(), self.dir.inode(), at.0, delegated)
            })
        })
    }

    /// Renames `old` in this directory to `new` in `to`; `flags` are `RENAME_*`.
    pub(crate) fn rename(&self, old: &[u8], to: &Path, new: &[u8], flags: u32) -> Result {
        if to.mount() != self.dir.mount() {
            return Err(EXDEV);
        }
        with_deleg_broken(|delegated| {
            let mut rename = bindings::renamedata {
                mnt_idmap: self.dir.idmap(),
                old_parent: self.dir.dentry(),
                new_parent: to.dentry(),
                delegated_inode: delegated,
                flags,
                ..Default::default()
            };
            let (mut old, mut new) = (qstr(old), qstr(new));
            // SAFETY: By the paths' type invariants; `start_renaming` finds and locks what the
            // other two work on.
            unsafe {
                to_result(bindings::start_renaming(&mut rename, 0, &mut old, &mut new))?;
                let renamed = to_result(bindings::vfs_rename(&mut rename));
                bindings::end_renaming(&mut rename);
                renamed
            }
        })
    }
}
