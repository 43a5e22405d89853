// SPDX-License-Identifier: GPL-2.0-only

//! What PDFS's clients and servers say to each other.

use podos_proto::codec::{Creds, Timestamp};
use podos_proto::pdfs::{
    Attr, CreateArgs, Dirent, DirentWriter, FsyncArgs, Op, OpenArgs, OpenReply, PathArgs, ReadArgs,
    ReaddirArgs, ReaddirReply, RenameArgs, Reply, ReplyError, Request, SetAttr, Statfs,
    TruncateArgs, WriteArgs, WriteReply, MAX_IO, MAX_NAME, MAX_PATH,
};
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::Target;
use crate::bytes::{Bytes, Outcome};

/// The first byte is the operation, the rest the message.
pub(super) const REQUEST: Target = Target {
    name: "pdfs-request",
    run: request,
    seeds: request_seeds,
};

fn check_path(path: &[u8]) {
    assert!(path.len() <= MAX_PATH);
    if path.is_empty() {
        return;
    }
    for part in path.split(|&byte| byte == b'/') {
        assert!(!part.is_empty() && part.len() <= MAX_NAME && !part.contains(&0));
        assert!(part != b"." && part != b"..", "a path that climbs");
    }
}

fn check_new_path(path: &[u8]) {
    assert!(
        !path.is_empty(),
        "the root directory is not to be made or unmade"
    );
    check_path(path);
}

fn request(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let op = bytes.u8();
    let message = bytes.rest();
    let request = match Request::decode(op, message) {
        Ok(request) => request,
        Err(why) => return Outcome::PLAIN.and(op).and_debug(why),
    };
    assert!(Op::from_raw(op).is_some());
    match request {
        Request::Lookup { creds, path }
        | Request::Getattr { creds, path }
        | Request::Readlink { creds, path }
        | Request::Statfs { creds, path }
        | Request::Setattr { creds, path, .. } => {
            assert!(creds.groups.get().is_ok());
            check_path(path);
        }
        Request::Unlink { creds, path } | Request::Rmdir { creds, path } => {
            assert!(creds.groups.get().is_ok());
            check_new_path(path);
        }
        Request::Readdir { creds, path, args } => {
            assert!(creds.groups.get().is_ok() && args.max.get() <= MAX_IO);
            check_path(path);
        }
        Request::Create { creds, path, .. }
        | Request::Mkdir { creds, path, .. }
        | Request::Mknod { creds, path, .. } => {
            assert!(creds.groups.get().is_ok());
            check_new_path(path);
        }
        Request::Symlink {
            creds,
            path,
            target,
        } => {
            assert!(creds.groups.get().is_ok());
            check_new_path(path);
            assert!(!target.is_empty() && target.len() <= MAX_PATH && !target.contains(&0));
        }
        Request::Link {
            creds,
            path,
            new_path,
        }
        | Request::Rename {
            creds,
            path,
            new_path,
            ..
        } => {
            assert!(creds.groups.get().is_ok());
            check_new_path(path);
            check_new_path(new_path);
        }
        Request::Fsyncdir { creds, path, .. } => {
            assert!(creds.groups.get().is_ok());
            check_path(path);
        }
        Request::Open { creds, path, args } => {
            assert!(creds.groups.get().is_ok() && args.first.get() <= MAX_IO);
            check_path(path);
        }
        Request::Read(args) => assert!(args.len.get() <= MAX_IO),
        Request::Write { args, data } => {
            assert_eq!(args.len.get() as usize, data.len());
            assert!(args.len.get() <= MAX_IO);
            assert_eq!(args.flags.get() & !WriteArgs::KNOWN, 0);
        }
        Request::Fsetattr(args) => assert_eq!(args.valid.get() & !SetAttr::KNOWN, 0),
        Request::Fsync { .. }
        | Request::Truncate { .. }
        | Request::Fgetattr
        | Request::Close
        | Request::Cut => {}
    }
    Outcome::PLAIN.and(op)
}

fn request_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let creds = Creds::new(1000, 100, 1 << 1, [4, 24, 27]);
    let with_path = |op: Op, args: &[u8], path: &[u8], second: &[u8]| {
        let head = PathArgs::new(creds, path, second).expect("the paths are short");
        [&[op as u8][..], head.as_bytes(), args, path, second].concat()
    };
    let of_file = |op: Op, args: &[u8], data: &[u8]| [&[op as u8][..], args, data].concat();
    let path = b"home/user/file";
    let setattr = SetAttr {
        valid: U32::new(SetAttr::MODE | SetAttr::SIZE),
        mode: U32::new(0o644),
        ..SetAttr::default()
    };
    let readdir = ReaddirArgs {
        cursor: U64::ZERO,
        max: U32::new(4096),
        reserved: U32::ZERO,
    };
    let create = CreateArgs {
        mode: U32::new(0o100_644),
        flags: U32::new(CreateArgs::EXCLUSIVE),
        rdev_major: U32::new(8),
        rdev_minor: U32::new(1),
    };
    let open = OpenArgs {
        flags: U32::new(2),
        mode: U32::new(0o644),
        first: U32::new(8192),
        reserved: U32::ZERO,
    };
    let rename = RenameArgs {
        flags: U32::new(1),
        reserved: U32::ZERO,
    };
    let read = ReadArgs {
        offset: U64::new(4096),
        len: U32::new(512),
        reserved: U32::ZERO,
    };
    let write = WriteArgs {
        offset: U64::new(4096),
        len: U32::new(4),
        flags: U32::new(WriteArgs::DSYNC),
    };
    let truncate = TruncateArgs {
        size: U64::new(1 << 40),
    };
    let fsync = FsyncArgs {
        datasync: U32::new(1),
    };
    vec![
        ("lookup", with_path(Op::Lookup, &[], path, &[])),
        ("getattr-root", with_path(Op::Getattr, &[], &[], &[])),
        (
            "setattr",
            with_path(Op::Setattr, setattr.as_bytes(), path, &[]),
        ),
        (
            "readdir",
            with_path(Op::Readdir, readdir.as_bytes(), path, &[]),
        ),
        ("readlink", with_path(Op::Readlink, &[], path, &[])),
        ("statfs", with_path(Op::Statfs, &[], path, &[])),
        (
            "create",
            with_path(Op::Create, create.as_bytes(), path, &[]),
        ),
        ("mkdir", with_path(Op::Mkdir, create.as_bytes(), path, &[])),
        ("mknod", with_path(Op::Mknod, create.as_bytes(), path, &[])),
        ("symlink", with_path(Op::Symlink, &[], path, b"../target")),
        ("link", with_path(Op::Link, &[], path, b"home/other")),
        ("unlink", with_path(Op::Unlink, &[], path, &[])),
        ("rmdir", with_path(Op::Rmdir, &[], path, &[])),
        (
            "rename",
            with_path(Op::Rename, rename.as_bytes(), path, b"home/other"),
        ),
        (
            "fsyncdir",
            with_path(Op::Fsyncdir, fsync.as_bytes(), path, &[]),
        ),
        ("open", with_path(Op::Open, open.as_bytes(), path, &[])),
        ("read", of_file(Op::Read, read.as_bytes(), &[])),
        ("write", of_file(Op::Write, write.as_bytes(), b"data")),
        ("fsync", of_file(Op::Fsync, fsync.as_bytes(), &[])),
        ("truncate", of_file(Op::Truncate, truncate.as_bytes(), &[])),
        ("fgetattr", of_file(Op::Fgetattr, &[], &[])),
        ("fsetattr", of_file(Op::Fsetattr, setattr.as_bytes(), &[])),
        ("close", of_file(Op::Close, &[], &[])),
        ("cut", of_file(Op::Cut, write.as_bytes(), b"da")),
    ]
}

/// Any answer, read as each that there is.
pub(super) const REPLY: Target = Target {
    name: "pdfs-reply",
    run: reply,
    seeds: reply_seeds,
};

fn reply(bytes: &[u8]) -> Outcome {
    let body = match Reply::decode(bytes) {
        Ok(body) => body,
        Err(ReplyError::Status(status)) => {
            assert!((-4095..=-1).contains(&status), "a failure that is none");
            return Outcome::PLAIN.and(status == -5);
        }
        Err(ReplyError::Malformed(why)) => return Outcome::PLAIN.and_debug(why),
    };
    assert_eq!(Reply::decode_empty(bytes).is_ok(), body.is_empty());
    let attr = Reply::decode_as::<Attr>(bytes).is_ok();
    let statfs = Reply::decode_as::<Statfs>(bytes).is_ok();
    let write = Reply::decode_as::<WriteReply>(bytes).is_ok();
    let open = Reply::decode_open(bytes);
    if let Ok((_, first)) = open {
        assert!(first.len() < body.len());
    }
    let mut names = 0;
    let mut damaged = None;
    if let Ok((_, entries)) = Reply::decode_readdir(bytes) {
        let mut again = vec![0; bytes.len()];
        let mut writer = DirentWriter::new(&mut again);
        for entry in entries {
            assert_eq!(damaged, None, "nothing follows a damaged entry");
            match entry {
                Ok(entry) => {
                    assert!(!entry.name.is_empty() && entry.name.len() <= MAX_NAME);
                    assert!(!entry.name.contains(&b'/') && !entry.name.contains(&0));
                    // What was packed so can be packed so.
                    assert_eq!(writer.push(&entry), Ok(()));
                    names += 1;
                }
                Err(why) => damaged = Some(why),
            }
        }
        assert_eq!(writer.count(), names);
    }
    let kinds = (attr, statfs, write, open.is_ok());
    Outcome::PLAIN
        .and(kinds)
        .and(names.min(4))
        .and_debug(damaged)
}

fn reply_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let good = |body: &[u8]| [Reply::OK.as_bytes(), body].concat();
    let attr = Attr::read_from_bytes(&[0x11; size_of::<Attr>()]).unwrap_or(Attr::new_zeroed());
    let open = OpenReply {
        attr,
        flags: U32::new(OpenReply::CREATED),
        reserved: U32::ZERO,
    };
    let write = WriteReply {
        offset: U64::new(9),
        written: U32::new(4),
        reserved: U32::ZERO,
        size: U64::new(13),
        mtime: Timestamp::new(1, 2),
        ctime: Timestamp::new(3, 4),
    };
    let mut buffer = [0; 200];
    let mut writer = DirentWriter::new(&mut buffer);
    for (ino, name) in [(1, &b"."[..]), (2, b".."), (3, b"file"), (4, b"directory")] {
        let entry = Dirent {
            ino,
            next: ino,
            kind: 8,
            name,
        };
        writer.push(&entry).expect("four entries fit");
    }
    let (count, used) = (writer.count(), writer.used());
    let head = ReaddirReply {
        count: U32::new(count),
        flags: U32::new(ReaddirReply::EOF),
    };
    let readdir = [head.as_bytes(), &buffer[..used]].concat();
    vec![
        ("empty", good(&[])),
        ("error", Reply::error(2).as_bytes().to_vec()),
        ("attr", good(attr.as_bytes())),
        ("statfs", good(Statfs::default().as_bytes())),
        ("write", good(write.as_bytes())),
        ("open", good(&[open.as_bytes(), b"first bytes"].concat())),
        ("readdir", good(&readdir)),
    ]
}
