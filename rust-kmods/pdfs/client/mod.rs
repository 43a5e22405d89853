// SPDX-License-Identifier: GPL-2.0-only

//! The active end: other nodes' trees as file systems here.

mod ahead;
mod directory;
mod file;
mod file_circuit;
mod kept;
mod names;
mod node;
mod numbers;
mod session;
mod volume;

use kernel::iov::{IovIterDest, IovIterSource};
use kernel::module::this_module;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::Arc;
use podos_cm::Content;
use podos_proto::pdfs::{Attr, Op, SetAttr};

use crate::convert;
use crate::sys::attributes::{AttributeChanges, Statistics};
use crate::sys::{
    self, DirEmitter, FileSystem, FileSystemType, Opened, RawFile, Refused, WriteHow,
};

use directory::RemoteDirectory;
use file::RemoteFile;
pub(crate) use kept::{Kept, KEPT};
use node::{Key, Node, Report};
use volume::Volume;
pub(crate) use volume::{name_of_host, Options};

type Dentry = sys::Dentry<Pdfs>;
type Inode = sys::Inode<Pdfs>;
type InodeRef = sys::InodeRef<Pdfs>;
type SuperBlock = sys::SuperBlock<Pdfs>;

/// The file system.
pub(crate) struct Pdfs;

static FILE_SYSTEM_TYPE: FileSystemType = FileSystemType::new::<Pdfs>(c"pdfs");

/// Looks at a file's attributes until they are newer than what was done here meanwhile.
const LOOKS: usize = 3;

impl Pdfs {
    /// Asks what the file's attributes are; whether they are newer than what was known.
    fn look(dentry: &Dentry, inode: &Inode, force: bool) -> Result<bool> {
        let by_name = if dentry.is_gone() {
            Err(ENOENT)
        } else {
            names::attributes(dentry, Op::Getattr).and_then(|report| node::update(inode, &report))
        };
        match by_name {
            // The name is gone, or another file's, but the file itself may still be open.
            Err(e) if e == ENOENT || e == ESTALE => match inode.node().any_open() {
                Some(file) => {
                    let report = Report::of(|| file.attributes())?;
                    node::update_open(inode, &report)
                }
                None if dentry.is_gone() => Ok(true),
                None => Err(e),
            },
            // Listing the directory that the nodes' directories are in should not fail over one
            // that is down; going in does.
            Err(e) if e == EHOSTDOWN && !force && dentry.is_root() => Ok(true),
            other => other,
        }
    }
}

impl FileSystem for Pdfs {
    type Options = Options;
    type Volume = Volume;
    type Key = Key;
    type Node = Node;
    type Handle = RemoteFile;
    type Directory = RemoteDirectory;

    const MODULE: &'static ThisModule = this_module::<crate::Module>();
    /// "PDFS".
    const MAGIC: u64 = 0x5044_4653;

    fn file_system_type() -> &'static FileSystemType {
        &FILE_SYSTEM_TYPE
    }

    fn parse_param(options: &mut Options, key: &CStr, value: &CStr) -> Result<bool> {
        if key.to_bytes() != b"links" {
            return Ok(false);
        }
        options.links = Some(CString::try_from(value)?);
        Ok(true)
    }

    fn volume(options: Options, source: &CStr) -> Result<Pin<KBox<Volume>>> {
        Volume::new(volume::host_of_name(source)?, options)
    }

    fn same_volume(mounted: &Volume, new: &Volume) -> bool {
        mounted.is_same(new)
    }

    fn root(sb: &SuperBlock) -> Result<InodeRef> {
        let report = Report::of(|| {
            let answer = sb.volume().sessions().ask(Op::Lookup, &(), b"", &[])?;
            answer.read::<Attr>().copied()
        })?;
        sb.volume().numbers().set_root(report.attr.dev.get());
        let root = node::inode(sb, &report)?;
        root.make_root()?;
        Ok(root)
    }

    fn statfs(dentry: &Dentry) -> Result<Statistics> {
        let path = dentry.path()?;
        let sessions = dentry.super_block().volume().sessions();
        let answer = sessions.ask(Op::Statfs, &(), path.as_bytes(), &[])?;
        Ok(convert::statistics_from_wire(answer.read()?))
    }

    fn key(node: &Node) -> Key {
        node.key()
    }

    fn revalidate(dentry: &Dentry, inode: &Inode) -> Result<bool> {
        names::revalidate(dentry, inode)
    }

    fn lookup(dentry: &Dentry, sb: &SuperBlock) -> Result<Option<InodeRef>> {
        names::lookup(dentry, sb)
    }

    fn create(dentry: &Dentry, sb: &SuperBlock, mode: u16) -> Result<InodeRef> {
        names::make(dentry, sb, Op::Create, mode, 0)
    }

    fn atomic_open(
        dentry: &Dentry,
        sb: &SuperBlock,
        flags: u32,
        mode: u16,
    ) -> Result<Opened<Self>> {
        let opened = RemoteFile::create(dentry, sb, flags, mode)?;
        opened.inode.node().opened(opened.handle.clone())?;
        Ok(opened)
    }

    fn mkdir(dentry: &Dentry, sb: &SuperBlock, mode: u16) -> Result<InodeRef> {
        names::make(dentry, sb, Op::Mkdir, mode, 0)
    }

    fn mknod(dentry: &Dentry, sb: &SuperBlock, mode: u16, rdev: u32) -> Result<InodeRef> {
        names::make(dentry, sb, Op::Mknod, mode, rdev)
    }

    fn symlink(dentry: &Dentry, sb: &SuperBlock, target: &CStr) -> Result<InodeRef> {
        names::symlink(dentry, sb, target)
    }

    fn link(old: &Dentry, inode: &Inode, new: &Dentry) -> Result {
        names::link(old, inode, new)
    }

    fn unlink(dentry: &Dentry, inode: &Inode) -> Result {
        names::unlink(dentry, inode)
    }

    fn rmdir(dentry: &Dentry) -> Result {
        names::rmdir(dentry)
    }

    fn rename(old: &Dentry, new: &Dentry, flags: u32) -> Result {
        names::rename(old, new, flags)
    }

    fn getattr(dentry: &Dentry, inode: &Inode, force: bool) -> Result {
        if !force && inode.node().is_fresh() {
            return Ok(());
        }
        // Who writes all the time may let no answer be new.
        for _ in 0..LOOKS {
            if Self::look(dentry, inode, force)? {
                break;
            }
        }
        Ok(())
    }

    fn setattr(
        dentry: &Dentry,
        inode: &Inode,
        changes: &AttributeChanges,
        handle: Option<&RemoteFile>,
    ) -> Result {
        let open = if dentry.is_gone() {
            inode.node().any_open()
        } else {
            None
        };
        let by_file = handle
            .filter(|file| file.writes() || changes.size.is_none())
            .or(open.as_deref());
        let report = match by_file {
            Some(file) => {
                let report = Report::of(|| file.set_attributes(changes))?;
                node::update_open(inode, &report)?;
                report
            }
            None => {
                let wire: SetAttr = convert::changes_to_wire(changes);
                let path = dentry.path()?;
                let sessions = dentry.super_block().volume().sessions();
                let report = Report::of(|| {
                    let answer = sessions.ask(Op::Setattr, &wire, path.as_bytes(), &[])?;
                    answer.read::<Attr>().copied()
                })?;
                node::update(inode, &report)?;
                report
            }
        };
        if changes.size.is_some() {
            node::wrote(inode, report.attr.size.get());
        }
        Ok(())
    }

    fn refused(inode: &Inode) -> Refused {
        inode.node().refused()
    }

    fn shown_device(inode: &Inode) -> Option<u32> {
        inode.node().shown().device()
    }

    fn shown_mode(inode: &Inode) -> u16 {
        inode.node().mode()
    }

    fn readlink(dentry: &Dentry) -> Result<CString> {
        names::read_link(dentry)
    }

    fn get_link(dentry: &Dentry) -> Result<CString> {
        names::follow_link(dentry)
    }

    fn open(dentry: &Dentry, inode: &Inode, flags: u32) -> Result<Arc<RemoteFile>> {
        let file = RemoteFile::open(dentry, inode, flags)?;
        if !inode.is_mapped() {
            // What nobody looks at may as well be what the file has now.
            let _ = inode.forget_pages(0, i64::MAX as u64);
        }
        inode.node().opened(file.clone())?;
        Ok(file)
    }

    fn release(inode: &Inode, file: &Arc<RemoteFile>) {
        file.close();
        inode.node().closed(file);
    }

    fn read_iter(
        _inode: &Inode,
        file: &RemoteFile,
        position: u64,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        file.read(position, to)
    }

    fn write_iter(
        inode: &Inode,
        file: &RemoteFile,
        position: u64,
        how: WriteHow,
        from: &mut IovIterSource<'_>,
    ) -> Result<(usize, u64)> {
        file.write(inode, position, how, from)
    }

    fn read_folio(file: &RemoteFile, position: u64, len: usize) -> Result<Content> {
        file.read_pages(position, len)
    }

    fn fsync(file: &RemoteFile, data_only: bool) -> Result {
        file.sync(data_only)
    }

    fn can_be_mapped(file: &RemoteFile) -> bool {
        file.can_be_mapped()
    }

    fn open_directory(inode: &Inode) -> Result<Arc<RemoteDirectory>> {
        RemoteDirectory::new(inode.super_block().volume().host())
    }

    fn fsync_directory(dentry: &Dentry, directory: &RemoteDirectory, data_only: bool) -> Result {
        directory.sync(dentry, data_only)
    }

    fn iterate_shared(
        dentry: &Dentry,
        directory: &RemoteDirectory,
        emitter: &mut DirEmitter<'_>,
    ) -> Result {
        directory.read(dentry, dentry.inode().ok_or(ENOENT)?, emitter)
    }

    fn connect(sb: &SuperBlock, file: &RawFile, flags: u32) -> Result {
        crate::root_open::connect(sb.volume().host(), file, flags)
    }
}
