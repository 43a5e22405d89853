// SPDX-License-Identifier: GPL-2.0-only

//! The operations that a file system of ours provides, as a safe trait.

use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;
use podos_cm::Content;

use super::attributes::{AttributeChanges, Statistics};
use super::{Dentry, DirEmitter, FileSystemType, Inode, SuperBlock};

/// A reference to an inode of `T`.
pub(crate) type InodeRef<T> = ARef<Inode<T>>;

/// What [`FileSystem::atomic_open`] has opened.
pub(crate) struct Opened<T: FileSystem> {
    /// The file.
    pub(crate) inode: InodeRef<T>,
    /// What belongs to it being open.
    pub(crate) handle: Arc<T::Handle>,
    /// Whether it was made.
    pub(crate) created: bool,
}

/// When what is written has to be on the disk, beyond what its file was opened with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteSync {
    /// At some time.
    No,
    /// When the write returns, and with it what is needed to read it again.
    Data,
    /// When the write returns, and with it all attributes.
    All,
}

/// How something is written.
#[derive(Clone, Copy)]
pub(crate) struct WriteHow {
    /// At the file's end.
    pub(crate) append: bool,
    pub(crate) sync: WriteSync,
}

/// What is refused to everybody, root included, whatever the permissions say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Every change: `EROFS`.
    pub(crate) changes: bool,
    /// To execute the file, or a mapping of it.
    pub(crate) execution: bool,
}

/// A network file system: the operations that VFS asks of it.
///
/// The callbacks of the C tables (`super_operations`, `inode_operations`, ...) are thin shims in
/// this folder that check what can be checked and call these. All may sleep. Names are given as
/// dentries: [`Dentry::path`] is the way from the file system's root.
pub(crate) trait FileSystem: Sized + 'static {
    /// What `mount` was told.
    type Options: Send + Default;
    /// What belongs to a superblock.
    type Volume: Send + Sync;
    /// What tells two inodes of a superblock apart.
    type Key: Copy + Eq + Send + Sync;
    /// What belongs to an inode.
    type Node: Send + Sync;
    /// What belongs to an open regular file.
    type Handle: Send + Sync;
    /// What belongs to an open directory.
    type Directory: Send + Sync;
    /// The module that has all this code.
    const MODULE: &'static ThisModule;

    /// The magic number that `statfs` shows.
    const MAGIC: u64;

    /// The registered type.
    fn file_system_type() -> &'static FileSystemType;

    /// Takes one mount option; false if it is not known.
    fn parse_param(options: &mut Self::Options, key: &CStr, value: &CStr) -> Result<bool>;
    /// The volume of a mount of `source`.
    fn volume(options: Self::Options, source: &CStr) -> Result<Pin<KBox<Self::Volume>>>;
    /// Whether `new` would be the same volume as `mounted`, whose superblock is then shared.
    /// Must not sleep.
    fn same_volume(mounted: &Self::Volume, new: &Self::Volume) -> bool;
    /// The root directory of a new superblock.
    fn root(sb: &SuperBlock<Self>) -> Result<InodeRef<Self>>;
    /// Figures of the file system.
    fn statfs(root: &Dentry<Self>) -> Result<Statistics>;

    /// What an inode is recognised by. Must not sleep.
    fn key(node: &Self::Node) -> Self::Key;

    /// Whether the name still means the same inode; brings that inode up to date.
    fn revalidate(dentry: &Dentry<Self>, inode: &Inode<Self>) -> Result<bool>;
    /// What the name means, `None` if nothing.
    fn lookup(dentry: &Dentry<Self>, sb: &SuperBlock<Self>) -> Result<Option<InodeRef<Self>>>;
    /// Makes a regular file; `EEXIST` if there is something.
    fn create(dentry: &Dentry<Self>, sb: &SuperBlock<Self>, mode: u16) -> Result<InodeRef<Self>>;
    /// Makes a regular file, and opens it; `flags` are `O_*`. Without `O_EXCL` one that somebody
    /// else has made in the meantime will do.
    fn atomic_open(
        dentry: &Dentry<Self>,
        sb: &SuperBlock<Self>,
        flags: u32,
        mode: u16,
    ) -> Result<Opened<Self>>;
    /// Makes a directory.
    fn mkdir(dentry: &Dentry<Self>, sb: &SuperBlock<Self>, mode: u16) -> Result<InodeRef<Self>>;
    /// Makes a special file.
    fn mknod(
        dentry: &Dentry<Self>,
        sb: &SuperBlock<Self>,
        mode: u16,
        rdev: u32,
    ) -> Result<InodeRef<Self>>;
    /// Makes a symbolic link.
    fn symlink(
        dentry: &Dentry<Self>,
        sb: &SuperBlock<Self>,
        target: &CStr,
    ) -> Result<InodeRef<Self>>;
    /// Gives `inode`, known as `old`, the name `new` too.
    fn link(old: &Dentry<Self>, inode: &Inode<Self>, new: &Dentry<Self>) -> Result;
    /// Removes a name that is not a directory's.
    fn unlink(dentry: &Dentry<Self>, inode: &Inode<Self>) -> Result;
    /// Removes an empty directory.
    fn rmdir(dentry: &Dentry<Self>) -> Result;
    /// Renames; `flags` are `RENAME_*`.
    fn rename(old: &Dentry<Self>, new: &Dentry<Self>, flags: u32) -> Result;
    /// Brings the inode's attributes up to date; `force` means that no cached ones will do.
    fn getattr(dentry: &Dentry<Self>, inode: &Inode<Self>, force: bool) -> Result;
    /// What is refused to everybody. Must not sleep.
    fn refused(inode: &Inode<Self>) -> Refused;
    /// The device number that `stat` shows, if not the superblock's.
    fn shown_device(inode: &Inode<Self>) -> Option<u32>;
    /// The permissions that `stat` shows; those in the inode are the ones that count.
    fn shown_mode(inode: &Inode<Self>) -> u16;
    /// Changes attributes; `handle` is the open file that the request came through, if any.
    fn setattr(
        dentry: &Dentry<Self>,
        inode: &Inode<Self>,
        changes: &AttributeChanges,
        handle: Option<&Self::Handle>,
    ) -> Result;
    /// The text of a symbolic link, as it was stored.
    fn readlink(dentry: &Dentry<Self>) -> Result<CString>;
    /// Where a walk goes on that comes to a symbolic link.
    fn get_link(dentry: &Dentry<Self>) -> Result<CString>;

    /// Opens a regular file; `flags` are `O_*`.
    fn open(dentry: &Dentry<Self>, inode: &Inode<Self>, flags: u32) -> Result<Arc<Self::Handle>>;
    /// The last reference to an open file is gone.
    fn release(inode: &Inode<Self>, handle: &Arc<Self::Handle>);
    /// Reads from `position`; 0 at the end of the file.
    fn read_iter(
        inode: &Inode<Self>,
        handle: &Self::Handle,
        position: u64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize>;
    /// Writes at `position`, or at the file's end if `how` says so; gives the number of bytes and the
    /// position after them. Called with the inode locked.
    fn write_iter(
        inode: &Inode<Self>,
        handle: &Self::Handle,
        position: u64,
        how: WriteHow,
        from: &mut IovIterSource<'_>,
    ) -> Result<(usize, u64)>;
    /// Reads `len` bytes from the file's byte `position` on, for the page cache; fewer only at the
    /// end of the file.
    fn read_folio(handle: &Self::Handle, position: u64, len: usize) -> Result<Content>;
    /// Makes what was written last.
    fn fsync(handle: &Self::Handle, data_only: bool) -> Result;

    /// Whether the file can be mapped.
    fn can_be_mapped(handle: &Self::Handle) -> bool;

    /// Brings a directory's entries to its disk.
    fn fsync_directory(
        dentry: &Dentry<Self>,
        directory: &Self::Directory,
        data_only: bool,
    ) -> Result;

    /// Opens a directory.
    fn open_directory(inode: &Inode<Self>) -> Result<Arc<Self::Directory>>;
    /// Emits entries from the emitter's position on, until it is full or the directory ends.
    fn iterate_shared(
        dentry: &Dentry<Self>,
        directory: &Self::Directory,
        emitter: &mut DirEmitter<'_>,
    ) -> Result;
    /// Opens the root directory with `O_GIPC`: whoever takes `file` over sets its operations and
    /// private data.
    fn connect(sb: &SuperBlock<Self>, file: &super::RawFile, flags: u32) -> Result;
}
