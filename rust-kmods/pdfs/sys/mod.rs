// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for VFS's objects, and the operation tables through which VFS calls us.
//!
//! All of pdfs's `unsafe` code is here: one C object, one file. The first half is for a file system
//! of our own, described by [`FileSystem`]; the second for the files of this node that are served
//! to others.

mod anon_device;
pub(crate) mod attributes;
pub(crate) mod capability;
mod cred;
mod deleg;
mod dentry;
mod dentry_ops;
mod dir_emitter;
mod dir_op;
mod expiry;
mod file_ops;
mod filesystem;
mod fs_context;
mod inode;
mod inode_ops;
mod mapping_ops;
mod mount_flags;
mod own_file;
mod path;
mod permission;
mod remap;
mod shrinker;
mod super_block;
pub(crate) mod thread;
mod user_window;

pub(crate) use anon_device::AnonDevice;
pub(crate) use cred::{Assumed, Ids};
pub(crate) use dentry::Dentry;
pub(crate) use dir_emitter::DirEmitter;
pub(crate) use expiry::IdleMounts;
pub(crate) use file_ops::RawFile;
pub(crate) use filesystem::{FileSystem, InodeRef, Opened, Refused, WriteHow, WriteSync};
pub(crate) use fs_context::{FileSystemType, Mount, Registration};
pub(crate) use inode::Inode;
pub(crate) use shrinker::{Shrinkable, Shrinker};
pub(crate) use super_block::SuperBlock;

pub(crate) use dir_op::DirOp;
pub(crate) use own_file::{OpenFlags, OwnFile};
pub(crate) use path::Path;
pub(crate) use remap::{Destination, Remap};
