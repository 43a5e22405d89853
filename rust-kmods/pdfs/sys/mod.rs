// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for VFS's objects, and the tables that VFS calls us by.
//!
//! All of pdfs's `unsafe` code is here: one C object, one file. The first half is for a file system
//! of our own, described by [`FileSystem`]; the second for the files of this node that are served
//! to others.

pub mod attributes;
mod cred;
mod dentry;
mod dentry_ops;
mod dir_emitter;
mod dir_op;
mod file_ops;
mod filesystem;
mod fs_context;
mod inode;
mod inode_ops;
mod mapping_ops;
mod own_file;
mod path;
mod remap;
mod super_block;
pub mod thread;

pub use cred::{Assumed, Ids};
pub use dentry::Dentry;
pub use dir_emitter::DirEmitter;
pub use file_ops::RawFile;
pub use filesystem::{FileSystem, InodeRef};
pub use fs_context::{FileSystemType, Mount, Registration};
pub use inode::Inode;
pub use super_block::SuperBlock;

pub use dir_op::DirOp;
pub use own_file::{OpenFlags, OwnFile};
pub use path::Path;
pub use remap::{Destination, Remap};
