// SPDX-License-Identifier: GPL-2.0-only

//! Requests: a fixed part, then paths or data.

use zerocopy::big_endian::{U16, U32, U64};

use super::{Op, SetAttr, MAX_IO, MAX_NAME, MAX_PATH};
use crate::codec::{self, Creds, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// How every request that names files begins: 88 bytes.
///
/// Then come the operation's own arguments, the path and, where there is one, the second path
/// (`new path` of Rename and Link, target of Symlink).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct PathArgs {
    /// On whose behalf.
    pub creds: Creds,
    /// Bytes of the path.
    pub path_len: U16,
    /// Bytes of the second path.
    pub second_len: U16,
}

impl PathArgs {
    /// The beginning of a request for `path` (and `second`, empty where there is none).
    ///
    /// # Errors
    ///
    /// [`Malformed::Length`] for a path longer than [`MAX_PATH`].
    pub fn new(creds: Creds, path: &[u8], second: &[u8]) -> Result<Self, Malformed> {
        if path.len() > MAX_PATH || second.len() > MAX_PATH {
            return Err(Malformed::Length);
        }
        Ok(Self {
            creds,
            path_len: U16::new(path.len() as u16),
            second_len: U16::new(second.len() as u16),
        })
    }
}

/// Arguments of [`Op::Open`]: 16 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OpenArgs {
    /// `O_*` flags as Linux numbers them on x86.
    pub flags: U32,
    /// Permission bits of a file that is made, the umask already taken off.
    pub mode: U32,
    /// How many of the file's first bytes the answer may bring along.
    pub first: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
}

/// Arguments of [`Op::Create`], [`Op::Mkdir`] and [`Op::Mknod`]: 16 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CreateArgs {
    /// Type and permission bits, the umask already taken off.
    pub mode: U32,
    /// [`CreateArgs::EXCLUSIVE`] or 0.
    pub flags: U32,
    /// Mknod of a device: its major number.
    pub rdev_major: U32,
    /// Mknod of a device: its minor number.
    pub rdev_minor: U32,
}

impl CreateArgs {
    /// EEXIST when the name is there already (only Create looks at it; the others always do so).
    pub const EXCLUSIVE: u32 = 1;
}

/// Arguments of [`Op::Setattr`] and [`Op::Fsetattr`].
pub type SetattrArgs = SetAttr;

/// Arguments of [`Op::Readdir`]: 16 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ReaddirArgs {
    /// Where to go on: 0, or the last entry's `next`.
    pub cursor: U64,
    /// Most bytes of entries, at most [`MAX_IO`].
    pub max: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
}

/// Arguments of [`Op::Rename`]: 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct RenameArgs {
    /// `RENAME_*` flags as of `renameat2(2)`.
    pub flags: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
}

/// Arguments of [`Op::Read`]: 16 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ReadArgs {
    /// Where in the file.
    pub offset: U64,
    /// How many bytes, at most [`MAX_IO`].
    pub len: U32,
    /// Reserved: sent as 0, not looked at.
    pub reserved: U32,
}

/// Arguments of [`Op::Write`]: 16 bytes, then the data.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct WriteArgs {
    /// Where in the file; not looked at with [`WriteArgs::APPEND`].
    pub offset: U64,
    /// How many bytes follow, at most [`MAX_IO`].
    pub len: U32,
    /// How they are written: the constants of this type.
    pub flags: U32,
}

impl WriteArgs {
    /// Before the answer, with what is needed to read them again, whatever the file was opened with
    /// (`RWF_DSYNC`).
    pub const DSYNC: u32 = 1 << 0;
    /// As [`WriteArgs::DSYNC`], and all attributes, too (`RWF_SYNC`).
    pub const SYNC: u32 = 1 << 1;
    /// At the file's end, whatever the file was opened with (`RWF_APPEND`); without it, not there
    /// (`RWF_NOAPPEND`).
    pub const APPEND: u32 = 1 << 2;
    /// Only if the last Write on the circuit wrote all its bytes, of which these are the rest:
    /// `ECANCELED` if not.
    pub const FOLLOWS: u32 = 1 << 3;
    /// All bits that have a meaning.
    pub const KNOWN: u32 = 0xf;
}

/// Arguments of [`Op::Fsync`] and [`Op::Fsyncdir`]: 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct FsyncArgs {
    /// 1: the data is enough (`fdatasync`); 0: the attributes too.
    pub datasync: U32,
}

/// Arguments of [`Op::Truncate`]: 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TruncateArgs {
    /// The new size in bytes.
    pub size: U64,
}

/// A request, taken apart and checked; borrows from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the variants are the operations, their fields the arguments"
)]
pub enum Request<'a> {
    Lookup {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Getattr {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Setattr {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a SetAttr,
    },
    Readdir {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a ReaddirArgs,
    },
    Readlink {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Statfs {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Create {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a CreateArgs,
    },
    Mkdir {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a CreateArgs,
    },
    Mknod {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a CreateArgs,
    },
    Symlink {
        creds: &'a Creds,
        path: &'a [u8],
        target: &'a [u8],
    },
    Link {
        creds: &'a Creds,
        path: &'a [u8],
        new_path: &'a [u8],
    },
    Unlink {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Rmdir {
        creds: &'a Creds,
        path: &'a [u8],
    },
    Rename {
        creds: &'a Creds,
        path: &'a [u8],
        new_path: &'a [u8],
        args: &'a RenameArgs,
    },
    Fsyncdir {
        creds: &'a Creds,
        path: &'a [u8],
        datasync: bool,
    },
    Open {
        creds: &'a Creds,
        path: &'a [u8],
        args: &'a OpenArgs,
    },
    Read(&'a ReadArgs),
    Write {
        args: &'a WriteArgs,
        data: &'a [u8],
    },
    Fsync {
        datasync: bool,
    },
    Truncate {
        size: u64,
    },
    Fgetattr,
    Fsetattr(&'a SetAttr),
    Close,
    Cut,
}

impl<'a> Request<'a> {
    /// Takes the message `bytes` with the operation `op` apart.
    ///
    /// # Errors
    ///
    /// What is wrong with it. [`Malformed::Value`] for an operation that is not known.
    pub fn decode(op: u8, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let op = Op::from_raw(op).ok_or(Malformed::Value)?;
        if op.has_path() {
            Self::decode_path(op, bytes)
        } else {
            Self::decode_file(op, bytes)
        }
    }

    fn decode_path(op: Op, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = codec::split::<PathArgs>(bytes)?;
        let creds = &head.creds;
        creds.check()?;
        Ok(match op {
            Op::Lookup => Request::Lookup {
                creds,
                path: path(head, rest)?,
            },
            Op::Getattr => Request::Getattr {
                creds,
                path: path(head, rest)?,
            },
            Op::Readlink => Request::Readlink {
                creds,
                path: path(head, rest)?,
            },
            Op::Statfs => Request::Statfs {
                creds,
                path: path(head, rest)?,
            },
            Op::Unlink => Request::Unlink {
                creds,
                path: entry_path(head, rest)?,
            },
            Op::Rmdir => Request::Rmdir {
                creds,
                path: entry_path(head, rest)?,
            },
            Op::Setattr => {
                let (args, rest) = codec::split::<SetAttr>(rest)?;
                check_setattr(args)?;
                Request::Setattr {
                    creds,
                    path: path(head, rest)?,
                    args,
                }
            }
            Op::Readdir => {
                let (args, rest) = codec::split::<ReaddirArgs>(rest)?;
                check_io(args.max)?;
                Request::Readdir {
                    creds,
                    path: path(head, rest)?,
                    args,
                }
            }
            Op::Create => {
                let (args, rest) = codec::split(rest)?;
                Request::Create {
                    creds,
                    path: entry_path(head, rest)?,
                    args,
                }
            }
            Op::Mkdir => {
                let (args, rest) = codec::split(rest)?;
                Request::Mkdir {
                    creds,
                    path: entry_path(head, rest)?,
                    args,
                }
            }
            Op::Mknod => {
                let (args, rest) = codec::split(rest)?;
                Request::Mknod {
                    creds,
                    path: entry_path(head, rest)?,
                    args,
                }
            }
            Op::Symlink => {
                let (path, target) = two_paths(head, rest)?;
                check_entry_path(path)?;
                if target.is_empty() || target.contains(&0) {
                    return Err(Malformed::Name);
                }
                Request::Symlink {
                    creds,
                    path,
                    target,
                }
            }
            Op::Link => {
                let (path, new_path) = two_paths(head, rest)?;
                check_entry_path(path)?;
                check_entry_path(new_path)?;
                Request::Link {
                    creds,
                    path,
                    new_path,
                }
            }
            Op::Rename => {
                let (args, rest) = codec::split(rest)?;
                let (path, new_path) = two_paths(head, rest)?;
                check_entry_path(path)?;
                check_entry_path(new_path)?;
                Request::Rename {
                    creds,
                    path,
                    new_path,
                    args,
                }
            }
            Op::Fsyncdir => {
                let (args, rest) = codec::split::<FsyncArgs>(rest)?;
                Request::Fsyncdir {
                    creds,
                    path: path(head, rest)?,
                    datasync: datasync(args)?,
                }
            }
            Op::Open => {
                let (args, rest) = codec::split::<OpenArgs>(rest)?;
                check_io(args.first)?;
                Request::Open {
                    creds,
                    path: path(head, rest)?,
                    args,
                }
            }
            _ => return Err(Malformed::Value),
        })
    }

    /// As [`Request::decode`] for [`Op::Write`], with only the start of the message in one place:
    /// `message_len` is all of it. The data are what follows the arguments.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn decode_write(start: &[u8], message_len: usize) -> Result<&WriteArgs, Malformed> {
        let (args, _) = codec::split::<WriteArgs>(start)?;
        check_write(args)?;
        let data_len = message_len.saturating_sub(size_of::<WriteArgs>());
        check_count(data_len, args.len.get() as usize)?;
        Ok(args)
    }

    fn decode_file(op: Op, bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match op {
            Op::Read => {
                let args = codec::whole::<ReadArgs>(bytes)?;
                check_io(args.len)?;
                Request::Read(args)
            }
            Op::Write => {
                let (args, data) = codec::split::<WriteArgs>(bytes)?;
                check_write(args)?;
                check_len(data, args.len.get() as usize)?;
                Request::Write { args, data }
            }
            Op::Fsync => Request::Fsync {
                datasync: datasync(codec::whole(bytes)?)?,
            },
            Op::Truncate => Request::Truncate {
                size: codec::whole::<TruncateArgs>(bytes)?.size.get(),
            },
            Op::Fgetattr => {
                check_len(bytes, 0)?;
                Request::Fgetattr
            }
            Op::Fsetattr => {
                let args = codec::whole::<SetAttr>(bytes)?;
                check_setattr(args)?;
                Request::Fsetattr(args)
            }
            Op::Close => {
                check_len(bytes, 0)?;
                Request::Close
            }
            Op::Cut => Request::Cut,
            _ => return Err(Malformed::Value),
        })
    }
}

/// The one path of a request, which may be empty: the root directory.
fn path<'a>(head: &PathArgs, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let (path, second) = two_paths(head, bytes)?;
    if !second.is_empty() {
        return Err(Malformed::Trailing);
    }
    check_path(path)?;
    Ok(path)
}

/// The one path of a request that makes or takes away the name: not the root directory.
fn entry_path<'a>(head: &PathArgs, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let path = path(head, bytes)?;
    check_entry_path(path)?;
    Ok(path)
}

fn two_paths<'a>(head: &PathArgs, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let (first, second) = codec::split_len(bytes, usize::from(head.path_len.get()))?;
    check_len(second, usize::from(head.second_len.get()))?;
    if first.len() > MAX_PATH || second.len() > MAX_PATH {
        return Err(Malformed::Length);
    }
    Ok((first, second))
}

fn check_len(bytes: &[u8], expected: usize) -> Result<(), Malformed> {
    check_count(bytes.len(), expected)
}

fn check_count(len: usize, expected: usize) -> Result<(), Malformed> {
    match len {
        len if len < expected => Err(Malformed::Truncated),
        len if len > expected => Err(Malformed::Trailing),
        _ => Ok(()),
    }
}

/// A path that climbs would leave the tree that its sender sees, so it never goes onto the wire.
fn check_path(path: &[u8]) -> Result<(), Malformed> {
    if path.is_empty() {
        return Ok(());
    }
    let proper = |part: &[u8]| {
        !part.is_empty()
            && part.len() <= MAX_NAME
            && part != b"."
            && part != b".."
            && !part.contains(&0)
    };
    if path.split(|&byte| byte == b'/').all(proper) {
        Ok(())
    } else {
        Err(Malformed::Name)
    }
}

fn check_entry_path(path: &[u8]) -> Result<(), Malformed> {
    if path.is_empty() {
        return Err(Malformed::Name);
    }
    check_path(path)
}

fn check_io(len: U32) -> Result<(), Malformed> {
    if len.get() > MAX_IO {
        return Err(Malformed::Length);
    }
    Ok(())
}

fn check_write(args: &WriteArgs) -> Result<(), Malformed> {
    check_io(args.len)?;
    if args.flags.get() & !WriteArgs::KNOWN != 0 {
        return Err(Malformed::Value);
    }
    Ok(())
}

fn datasync(args: &FsyncArgs) -> Result<bool, Malformed> {
    match args.datasync.get() {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Value),
    }
}

fn check_setattr(args: &SetAttr) -> Result<(), Malformed> {
    if args.valid.get() & !SetAttr::KNOWN != 0 {
        return Err(Malformed::Value);
    }
    Ok(())
}
