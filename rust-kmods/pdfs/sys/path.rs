// SPDX-License-Identifier: GPL-2.0-only

//! Paths of this node's own tree, as the server and the administrator name them.

use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::error::{from_err_ptr, to_result};
use kernel::prelude::*;
use kernel::str::CString;

use super::attributes::{AttributeChanges, Attributes, Statistics, Time, TimeChange};
use super::deleg::with_deleg_broken;
use super::{DirOp, FileSystemType};

/// A name for the calls that take one by length; the hash is computed by them.
pub(super) fn qstr(name: &[u8]) -> bindings::qstr {
    let mut qstr = bindings::qstr {
        name: name.as_ptr(),
        ..Default::default()
    };
    qstr.__bindgen_anon_1.__bindgen_anon_1.len = name.len() as u32;
    qstr
}

/// A `struct path`: a place in the tree of this node.
///
/// # Invariants
///
/// Mount and dentry are referenced by this value, and the dentry is positive.
pub(crate) struct Path(bindings::path);

// SAFETY: A path is two reference-counted objects with locks of their own.
unsafe impl Send for Path {}
// SAFETY: As above.
unsafe impl Sync for Path {}

impl Path {
    /// The root directory of this node, which is that of PID 1.
    pub(crate) fn root() -> Self {
        let mut path = MaybeUninit::uninit();
        // SAFETY: `userspace_init_fs` is set at boot and never changes; the call fills the path.
        unsafe {
            bindings::get_fs_root(bindings::userspace_init_fs, path.as_mut_ptr());
            // INVARIANT: `get_fs_root` took the references.
            Self(path.assume_init())
        }
    }

    /// What `name` means to the current task.
    ///
    /// # Errors
    ///
    /// Those of a walk: `ENOENT`, `EACCES`, ...
    pub(crate) fn of_task(name: &CStr) -> Result<Self> {
        let mut path = MaybeUninit::uninit();
        // SAFETY: The name is a string, the call fills the path if it succeeds.
        unsafe {
            to_result(bindings::kern_path(
                name.as_char_ptr(),
                bindings::LOOKUP_FOLLOW,
                path.as_mut_ptr(),
            ))?;
            // INVARIANT: `kern_path` took the references.
            Ok(Self(path.assume_init()))
        }
    }

    /// Another reference to a path of VFS's.
    ///
    /// # Safety
    ///
    /// `raw` is a path whose mount and dentry are referenced, the dentry positive.
    pub(super) unsafe fn from_raw(raw: *const bindings::path) -> Self {
        // SAFETY: By the safety requirement.
        unsafe {
            bindings::path_get(raw);
            // INVARIANT: Referenced just now.
            Self(*raw)
        }
    }

    pub(super) fn dentry(&self) -> *mut bindings::dentry {
        self.0.dentry
    }

    pub(super) fn mount(&self) -> *mut bindings::vfsmount {
        self.0.mnt
    }

    pub(super) fn as_ptr(&self) -> *const bindings::path {
        &self.0
    }

    pub(super) fn idmap(&self) -> *mut bindings::mnt_idmap {
        // SAFETY: By the type invariant.
        unsafe { bindings::mnt_idmap(self.mount()) }
    }

    pub(super) fn inode(&self) -> *mut bindings::inode {
        // SAFETY: By the type invariant; a positive dentry that is referenced stays positive.
        unsafe { (*self.dentry()).d_inode }
    }

    /// What the path `name` from here means; this path is the root of the walk. Mounts are crossed,
    /// an empty name means this path.
    ///
    /// Symbolic links are not followed: whoever asks has read those that he met, and one that is
    /// there now was put there since. It may lead to where he did not mean to go.
    ///
    /// # Errors
    ///
    /// Those of a walk; `ENOENT` if there is a symbolic link in the middle.
    pub(crate) fn walk(&self, name: &CStr) -> Result<Self> {
        self.walk_with(name, 0)
    }

    /// As [`Path::walk`]; `ENOTDIR` if it is not a directory in the end, `ENOENT` if it is a
    /// symbolic link.
    pub(crate) fn walk_to_directory(&self, name: &CStr) -> Result<Self> {
        self.walk_with(name, bindings::LOOKUP_FOLLOW | bindings::LOOKUP_DIRECTORY)
    }

    fn walk_with(&self, name: &CStr, flags: c_uint) -> Result<Self> {
        let name = if name.is_empty() { c"." } else { name };
        let mut path = MaybeUninit::uninit();
        // SAFETY: By the type invariant; the name is a string; the call fills the path if it
        // succeeds.
        let found = to_result(unsafe {
            bindings::vfs_path_lookup(
                self.dentry(),
                self.mount(),
                name.as_char_ptr(),
                flags | bindings::LOOKUP_NO_SYMLINKS,
                path.as_mut_ptr(),
            )
        });
        match found {
            // SAFETY: Filled just now.
            // INVARIANT: `vfs_path_lookup` took the references.
            Ok(()) => Ok(Self(unsafe { path.assume_init() })),
            // What was walked through is not there any more.
            Err(e) if e == ELOOP => Err(ENOENT),
            Err(e) => Err(e),
        }
    }

    /// Whether it lies in a file system of this type.
    pub(crate) fn is_of(&self, kind: &FileSystemType) -> bool {
        // SAFETY: By the type invariant; a superblock lives as long as its mounts.
        unsafe { core::ptr::eq((*(*self.mount()).mnt_sb).s_type, kind.as_ptr()) }
    }

    /// What this path would be if nothing were mounted on it.
    ///
    /// # Errors
    ///
    /// `ENOENT` for a root that is mounted on nothing.
    pub(crate) fn covered(mut self) -> Result<Self> {
        // SAFETY: By the type invariant, which the call keeps: it exchanges the references.
        if unsafe { bindings::follow_up(&mut self.0) } == 0 {
            return Err(ENOENT);
        }
        Ok(self)
    }

    /// The type bits of its mode.
    pub(crate) fn kind(&self) -> u16 {
        // SAFETY: By the type invariant; the type of an inode stays.
        unsafe { (*self.inode()).i_mode & bindings::S_IFMT as u16 }
    }

    /// Whether nothing is to be executed there.
    pub(super) fn is_noexec(&self) -> bool {
        // SAFETY: By the type invariant; a superblock lives as long as its mounts.
        unsafe {
            let mount = self.mount();
            (*mount).mnt_flags & bindings::mount_flags_MNT_NOEXEC as c_int != 0
                || (*(*mount).mnt_sb).s_iflags & bindings::SB_I_NOEXEC as usize != 0
        }
    }

    /// Whether the current task may do what `mask` says: `MAY_*`.
    ///
    /// # Errors
    ///
    /// `EACCES`, `EROFS` and the file system's.
    pub(super) fn permission(&self, mask: u32) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::inode_permission(self.idmap(), self.inode(), mask as c_int) })
    }

    /// Its attributes.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(crate) fn attributes(&self) -> Result<Attributes> {
        let mut stat = MaybeUninit::zeroed();
        // SAFETY: By the type invariant; the call fills the `kstat` if it succeeds, and all zeroes
        // are one, too.
        let stat = unsafe {
            to_result(bindings::vfs_getattr(
                self.as_ptr(),
                stat.as_mut_ptr(),
                bindings::STATX_BASIC_STATS,
                bindings::AT_STATX_SYNC_AS_STAT,
            ))?;
            stat.assume_init()
        };
        // SAFETY: By the type invariant.
        let generation = unsafe { (*self.inode()).i_generation };
        Ok(Attributes {
            mount: self.mount_flags(),
            ..from_kstat(&stat, generation)
        })
    }

    /// The file system that it lies in.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub(crate) fn statistics(&self) -> Result<Statistics> {
        let mut figures = MaybeUninit::<bindings::kstatfs>::zeroed();
        // SAFETY: As in `attributes`.
        let figures = unsafe {
            to_result(bindings::vfs_statfs(self.as_ptr(), figures.as_mut_ptr()))?;
            figures.assume_init()
        };
        Ok(Statistics {
            kind: figures.f_type as u64,
            block_size: figures.f_bsize as u64,
            fragment_size: figures.f_frsize as u64,
            blocks: figures.f_blocks,
            blocks_free: figures.f_bfree,
            blocks_available: figures.f_bavail,
            files: figures.f_files,
            files_free: figures.f_ffree,
            name_len: figures.f_namelen as u64,
            mount: self.mount_flags(),
        })
    }

    /// Changes attributes but the size, for whom the current task acts.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EROFS` and the file system's.
    pub(crate) fn set_attributes(&self, changes: &AttributeChanges) -> Result {
        let _writing = WriteAccess::new(self)?;
        // SAFETY: By the type invariant.
        let regular_bits = unsafe { (*self.inode()).i_mode };
        let mut attr = to_iattr(changes, regular_bits);
        if attr.ia_valid == 0 {
            return Ok(());
        }
        attr.ia_valid |= bindings::ATTR_CTIME;
        if attr.ia_valid & (bindings::ATTR_UID | bindings::ATTR_GID) != 0
            && regular_bits & bindings::S_IFMT as u16 != bindings::S_IFDIR as u16
        {
            // As chown(2) does: who is given a file does not get the power to act for its old owner.
            attr.ia_valid |= bindings::ATTR_KILL_PRIV;
            if attr.ia_valid & bindings::ATTR_MODE == 0 {
                attr.ia_valid |= bindings::ATTR_KILL_SUID | bindings::ATTR_KILL_SGID;
            }
        }
        self.notify_change(&attr)
    }

    /// The write access that the change of the attributes needs is the caller's business.
    pub(super) fn notify_change(&self, attr: &bindings::iattr) -> Result {
        let inode = self.inode();
        with_deleg_broken(|delegated| {
            // The call makes its own of what it is given.
            let mut attr = *attr;
            // SAFETY: By the type invariant; the inode is locked around the call, as it wants.
            to_result(unsafe {
                bindings::inode_lock(inode);
                let done =
                    bindings::notify_change(self.idmap(), self.dentry(), &mut attr, delegated);
                bindings::inode_unlock(inode);
                done
            })
        })
    }

    /// Sets the size, for whom the current task acts.
    ///
    /// # Errors
    ///
    /// Those of `truncate(2)`.
    pub(crate) fn truncate(&self, size: u64) -> Result {
        let size = i64::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::vfs_truncate(self.as_ptr(), size) })
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is not one, `EOPNOTSUPP` if it has no text.
    pub(crate) fn read_link(&self) -> Result<CString> {
        // SAFETY: By the type invariant.
        if unsafe { (*(*self.inode()).i_op).readlink.is_some() } {
            // Not a text but a jump, as in /proc/PID/fd, which only a walk can make.
            return Err(EOPNOTSUPP);
        }
        let mut done = bindings::delayed_call::default();
        // SAFETY: By the type invariant; the target lives until the delayed call is done, and the
        // delayed call is valid if there is one.
        unsafe {
            let target = from_err_ptr(bindings::vfs_get_link(self.dentry(), &mut done).cast_mut())?;
            let target = CString::try_from(CStr::from_char_ptr(target));
            if let Some(end) = done.fn_ {
                end(done.arg);
            }
            Ok(target?)
        }
    }

    /// Begins a change of the directory that this is.
    pub(crate) fn change(&self) -> Result<DirOp<'_>> {
        DirOp::begin(self)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::path_put(self.as_ptr()) };
    }
}

/// The right to write to a mount, held against its becoming read-only.
pub(super) struct WriteAccess<'a>(&'a Path);

impl<'a> WriteAccess<'a> {
    pub(super) fn new(path: &'a Path) -> Result<Self> {
        // SAFETY: By the path's type invariant.
        to_result(unsafe { bindings::mnt_want_write(path.mount()) })?;
        Ok(Self(path))
    }
}

impl Drop for WriteAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: Got in `new`.
        unsafe { bindings::mnt_drop_write(self.0.mount()) };
    }
}

/// The plain values of a `kstat`.
fn from_kstat(stat: &bindings::kstat, generation: u32) -> Attributes {
    Attributes {
        ino: stat.ino,
        dev: stat.dev,
        generation,
        mode: stat.mode,
        nlink: stat.nlink,
        uid: stat.uid.val,
        gid: stat.gid.val,
        rdev: stat.rdev,
        size: stat.size as u64,
        blocks: stat.blocks,
        blksize: stat.blksize,
        atime: Time::from_c(&stat.atime),
        mtime: Time::from_c(&stat.mtime),
        ctime: Time::from_c(&stat.ctime),
        ..Attributes::default()
    }
}

/// The C form of all changes but the size's; `mode` is the present one, for its type.
pub(super) fn to_iattr(changes: &AttributeChanges, mode: u16) -> bindings::iattr {
    let mut attr = bindings::iattr::default();
    if let Some(bits) = changes.mode {
        attr.ia_valid |= bindings::ATTR_MODE;
        attr.ia_mode = (mode & bindings::S_IFMT as u16) | (bits & 0o7777);
    }
    if let Some(uid) = changes.uid {
        attr.ia_valid |= bindings::ATTR_UID;
        attr.__bindgen_anon_1.ia_uid = bindings::kuid_t { val: uid };
    }
    if let Some(gid) = changes.gid {
        attr.ia_valid |= bindings::ATTR_GID;
        attr.__bindgen_anon_2.ia_gid = bindings::kgid_t { val: gid };
    }
    if let Some(atime) = changes.atime {
        attr.ia_valid |= bindings::ATTR_ATIME;
        if let TimeChange::To(time) = atime {
            attr.ia_valid |= bindings::ATTR_ATIME_SET;
            attr.ia_atime = time.to_c();
        }
    }
    if let Some(mtime) = changes.mtime {
        attr.ia_valid |= bindings::ATTR_MTIME;
        if let TimeChange::To(time) = mtime {
            attr.ia_valid |= bindings::ATTR_MTIME_SET;
            attr.ia_mtime = time.to_c();
        }
    }
    match (changes.atime, changes.mtime) {
        (None, None) => {}
        // As utimes(2) without times: who may write to the file may do that.
        (Some(TimeChange::Now), Some(TimeChange::Now)) => attr.ia_valid |= bindings::ATTR_TOUCH,
        // Any other change of times is the owner's.
        _ => attr.ia_valid |= bindings::ATTR_TIMES_SET,
    }
    attr
}
