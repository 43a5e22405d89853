// SPDX-License-Identifier: GPL-2.0-only

//! Messages: round trips, lengths and counts that lie, and no panic on any bytes.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::codec::Creds;

fn creds() -> Creds {
    Creds::new(1000, 100, 1 << 1, [4, 24, 27])
}

/// A request as its sender puts it together.
fn message(path: &[u8], second: &[u8], args: &[u8]) -> Vec<u8> {
    let head = PathArgs::new(creds(), path, second).unwrap();
    [head.as_bytes(), args, path, second].concat()
}

fn decode(op: Op, bytes: &[u8]) -> Result<Request<'_>, Malformed> {
    Request::decode(op as u8, bytes)
}

/// Bytes of the arguments that stand between the head and the paths.
fn args_len(op: Op) -> usize {
    match op {
        Op::Setattr => size_of::<SetAttr>(),
        Op::Readdir => size_of::<ReaddirArgs>(),
        Op::Create | Op::Mkdir | Op::Mknod => size_of::<CreateArgs>(),
        Op::Rename => size_of::<RenameArgs>(),
        Op::Fsyncdir => size_of::<FsyncArgs>(),
        Op::Open => size_of::<OpenArgs>(),
        _ => 0,
    }
}

fn has_second(op: Op) -> bool {
    matches!(op, Op::Symlink | Op::Link | Op::Rename)
}

fn ops() -> impl Iterator<Item = Op> {
    (0..32).filter_map(Op::from_raw)
}

#[test]
fn sizes_are_those_of_the_document() {
    let document = include_str!("../../../../docs/wire-protocol.md");
    for (name, size) in [
        ("Creds", size_of::<Creds>()),
        ("Groups", size_of::<crate::codec::Groups>()),
        ("Timestamp", size_of::<crate::codec::Timestamp>()),
        ("PathArgs", size_of::<PathArgs>()),
        ("OpenArgs", size_of::<OpenArgs>()),
        ("CreateArgs", size_of::<CreateArgs>()),
        ("SetAttr", size_of::<SetAttr>()),
        ("ReaddirArgs", size_of::<ReaddirArgs>()),
        ("RenameArgs", size_of::<RenameArgs>()),
        ("ReadArgs", size_of::<ReadArgs>()),
        ("WriteArgs", size_of::<WriteArgs>()),
        ("FsyncArgs", size_of::<FsyncArgs>()),
        ("TruncateArgs", size_of::<TruncateArgs>()),
        ("Reply", size_of::<Reply>()),
        ("Attr", size_of::<Attr>()),
        ("Statfs", size_of::<Statfs>()),
        ("OpenReply", size_of::<OpenReply>()),
        ("WriteReply", size_of::<WriteReply>()),
        ("ReaddirReply", size_of::<ReaddirReply>()),
        ("DirentHead", size_of::<DirentHead>()),
        ("Hello", size_of::<crate::hello::Hello>()),
        ("Beacon", size_of::<crate::rm::Beacon>()),
        ("ProcessCreds", size_of::<crate::gipc::ProcessCreds>()),
        ("Limit", size_of::<crate::gipc::Limit>()),
        ("OpenRequest", size_of::<crate::gipc::OpenRequest>()),
        ("Started", size_of::<crate::gipc::Started>()),
        ("Signal", size_of::<crate::gipc::Signal>()),
        ("Exit", size_of::<crate::gipc::Exit>()),
        ("Failed", size_of::<crate::gipc::Failed>()),
    ] {
        let heading = std::format!("`{name}`, {size} bytes");
        assert!(
            document.contains(&heading),
            "docs/wire-protocol.md lacks \"{heading}\""
        );
    }
}

#[test]
fn numbers_survive() {
    assert_eq!(ops().count(), 24);
    for op in ops() {
        assert_eq!(Op::from_raw(op as u8), Some(op));
    }
    assert_eq!(Request::decode(0, &[]), Err(Malformed::Value));
    assert_eq!(
        Request::decode(24, &message(b"a", b"", &[])),
        Err(Malformed::Value)
    );
}

#[test]
fn path_requests_survive_the_wire() {
    for op in ops().filter(|op| op.has_path()) {
        let second: &[u8] = if has_second(op) { b"etc/shadow" } else { b"" };
        let bytes = message(b"etc/hostname", second, &vec![0; args_len(op)]);
        let (creds, path, other) = match decode(op, &bytes).unwrap() {
            Request::Lookup { creds, path }
            | Request::Getattr { creds, path }
            | Request::Setattr { creds, path, .. }
            | Request::Readdir { creds, path, .. }
            | Request::Readlink { creds, path }
            | Request::Statfs { creds, path }
            | Request::Create { creds, path, .. }
            | Request::Mkdir { creds, path, .. }
            | Request::Mknod { creds, path, .. }
            | Request::Unlink { creds, path }
            | Request::Rmdir { creds, path }
            | Request::Fsyncdir { creds, path, .. }
            | Request::Open { creds, path, .. } => (creds, path, &b""[..]),
            Request::Symlink {
                creds,
                path,
                target,
            } => (creds, path, target),
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
            } => (creds, path, new_path),
            other => panic!("{op:?} became {other:?}"),
        };
        assert_eq!(
            (creds.fsuid.get(), creds.groups.get().unwrap().len()),
            (1000, 3)
        );
        assert_eq!((path, other), (&b"etc/hostname"[..], second));
        for len in 0..bytes.len() {
            assert!(decode(op, &bytes[..len]).is_err(), "{op:?} cut to {len}");
        }
        assert!(
            decode(op, &[&bytes[..], b"x"].concat()).is_err(),
            "{op:?} and one byte more"
        );
    }
}

#[test]
fn arguments_come_through() {
    let args = OpenArgs {
        flags: U32::new(0o102),
        mode: U32::new(0o644),
        first: U32::new(4096),
        reserved: U32::ZERO,
    };
    let bytes = message(b"tmp/x", b"", args.as_bytes());
    let expected = Request::Open {
        creds: &creds(),
        path: b"tmp/x",
        args: &args,
    };
    assert_eq!(decode(Op::Open, &bytes), Ok(expected));

    let read = ReadArgs {
        offset: U64::new(1 << 40),
        len: U32::new(MAX_IO),
        reserved: U32::ZERO,
    };
    assert_eq!(decode(Op::Read, read.as_bytes()), Ok(Request::Read(&read)));
    let too_much = ReadArgs {
        len: U32::new(MAX_IO + 1),
        ..read
    };
    assert_eq!(
        decode(Op::Read, too_much.as_bytes()),
        Err(Malformed::Length)
    );

    let write = WriteArgs {
        offset: U64::new(3),
        len: U32::new(5),
        flags: U32::new(WriteArgs::SYNC),
    };
    let bytes = [write.as_bytes(), b"hello"].concat();
    let expected = Request::Write {
        args: &write,
        data: b"hello",
    };
    assert_eq!(decode(Op::Write, &bytes), Ok(expected));
    assert_eq!(
        decode(Op::Write, &bytes[..bytes.len() - 1]),
        Err(Malformed::Truncated)
    );
    assert_eq!(
        decode(Op::Write, &[&bytes[..], b"!"].concat()),
        Err(Malformed::Trailing)
    );

    let unknown = WriteArgs {
        flags: U32::new(WriteArgs::KNOWN + 1),
        ..write
    };
    let bytes = [unknown.as_bytes(), b"hello"].concat();
    assert_eq!(decode(Op::Write, &bytes), Err(Malformed::Value));
    assert_eq!(
        Request::decode_write(unknown.as_bytes(), bytes.len()),
        Err(Malformed::Value)
    );

    let bytes = U32::new(1).as_bytes().to_vec();
    assert_eq!(
        decode(Op::Fsync, &bytes),
        Ok(Request::Fsync { datasync: true })
    );
    assert_eq!(decode(Op::Fsync, &[0, 0, 0, 2]), Err(Malformed::Value));
    let fsyncdir = Request::Fsyncdir {
        creds: &creds(),
        path: b"var/spool",
        datasync: true,
    };
    assert_eq!(
        decode(Op::Fsyncdir, &message(b"var/spool", b"", &bytes)),
        Ok(fsyncdir)
    );
    assert_eq!(
        decode(Op::Fsyncdir, &message(b"var", b"", &[0, 0, 0, 2])),
        Err(Malformed::Value)
    );
    let size = TruncateArgs { size: U64::new(9) };
    assert_eq!(
        decode(Op::Truncate, size.as_bytes()),
        Ok(Request::Truncate { size: 9 })
    );
    assert_eq!(decode(Op::Fgetattr, &[]), Ok(Request::Fgetattr));
    assert_eq!(decode(Op::Close, &[]), Ok(Request::Close));
    assert_eq!(decode(Op::Close, &[0]), Err(Malformed::Trailing));
    // What there is of a message that was cut is nobody's business.
    for bytes in [&[][..], b"a", write.as_bytes()] {
        assert_eq!(decode(Op::Cut, bytes), Ok(Request::Cut));
    }

    let mut set = SetAttr {
        valid: U32::new(SetAttr::SIZE),
        ..SetAttr::default()
    };
    set.size.set(77);
    assert_eq!(
        decode(Op::Fsetattr, set.as_bytes()),
        Ok(Request::Fsetattr(&set))
    );
    set.valid.set(0x100);
    assert_eq!(decode(Op::Fsetattr, set.as_bytes()), Err(Malformed::Value));
}

#[test]
fn paths_that_climb_or_hide_are_refused() {
    for bad in [
        &b"/etc"[..],
        b"etc/",
        b"a//b",
        b".",
        b"..",
        b"a/../b",
        b"a/.",
        b"a\0b",
        b"/",
    ] {
        assert_eq!(
            decode(Op::Getattr, &message(bad, b"", &[])),
            Err(Malformed::Name),
            "{bad:?}"
        );
        let bytes = message(b"a", bad, &[]);
        assert_eq!(decode(Op::Link, &bytes), Err(Malformed::Name), "{bad:?}");
    }
    for good in [&b""[..], b"a", b"...", b"a/.b/..c", b"\xff\xfe"] {
        assert!(
            decode(Op::Getattr, &message(good, b"", &[])).is_ok(),
            "{good:?}"
        );
    }
    assert_eq!(
        decode(Op::Unlink, &message(b"", b"", &[])),
        Err(Malformed::Name)
    );
    assert_eq!(
        decode(Op::Getattr, &message(b"a", b"b", &[])),
        Err(Malformed::Trailing)
    );
    let name = [b'n'; MAX_NAME + 1];
    assert!(decode(Op::Getattr, &message(&name[1..], b"", &[])).is_ok());
    assert_eq!(
        decode(Op::Getattr, &message(&name, b"", &[])),
        Err(Malformed::Name)
    );
    assert_eq!(
        PathArgs::new(creds(), &[b'a'; MAX_PATH + 1], b""),
        Err(Malformed::Length)
    );
    // What a symbolic link points to is nobody's business, but for NUL and nothing at all.
    assert!(decode(Op::Symlink, &message(b"l", b"/../..//x/", &[])).is_ok());
    assert_eq!(
        decode(Op::Symlink, &message(b"l", b"a\0", &[])),
        Err(Malformed::Name)
    );
    assert_eq!(
        decode(Op::Symlink, &message(b"l", b"", &[])),
        Err(Malformed::Name)
    );
}

#[test]
fn too_many_groups() {
    let mut bytes = message(b"a", b"", &[]);
    bytes[19] = 17;
    assert_eq!(decode(Op::Getattr, &bytes), Err(Malformed::Length));
}

#[test]
fn answers() {
    assert_eq!(Reply::decode(Reply::OK.as_bytes()), Ok(&[][..]));
    assert_eq!(Reply::decode_empty(Reply::OK.as_bytes()), Ok(()));
    assert_eq!(
        Reply::decode(Reply::error(2).as_bytes()),
        Err(ReplyError::Status(-2))
    );
    assert_eq!(Reply::error(-2), Reply::error(2));
    for odd in [0, 4096, -4096, i32::MIN, i32::MAX] {
        assert_eq!(
            Reply::decode(Reply::error(odd).as_bytes()),
            Err(ReplyError::Status(-5))
        );
    }
    let hostile = Reply {
        status: I32::new(i32::MIN),
    };
    assert_eq!(
        Reply::decode(hostile.as_bytes()),
        Err(ReplyError::Status(-5))
    );
    let short = Err(ReplyError::Malformed(Malformed::Truncated));
    assert_eq!(Reply::decode(&[0, 0, 0]), short);
    let statfs = Statfs {
        blocks: U64::new(5),
        ..Statfs::default()
    };
    let bytes = [Reply::OK.as_bytes(), statfs.as_bytes()].concat();
    assert_eq!(Reply::decode_as::<Statfs>(&bytes), Ok(&statfs));
    let trailing = Err(ReplyError::Malformed(Malformed::Trailing));
    assert_eq!(Reply::decode_empty(&bytes), trailing);
    assert_eq!(Reply::decode_as::<Statfs>(&bytes[..30]).err(), short.err());
    assert!(Reply::decode_open(&bytes).is_err());
    let bytes = [Reply::OK.as_bytes(), &[0; 124], b"first bytes"].concat();
    assert_eq!(Reply::decode_open(&bytes).unwrap().1, b"first bytes");
}

#[test]
fn entries_survive_the_wire() {
    let entries: Vec<(u64, Vec<u8>)> = (1u8..9).map(|n| (n.into(), vec![b'a'; n.into()])).collect();
    let mut buffer = [0; 190];
    let mut writer = DirentWriter::new(&mut buffer);
    let mut fitted = 0;
    for (ino, name) in &entries {
        let entry = Dirent {
            ino: *ino,
            next: ino * 2,
            kind: 8,
            name,
        };
        fitted += usize::from(writer.push(&entry).is_ok());
    }
    assert_eq!((writer.count() as usize, fitted), (7, 7));
    assert_eq!(writer.used(), 7 * 20 + 28);
    let slash = Dirent {
        ino: 1,
        next: 1,
        kind: 0,
        name: b"/",
    };
    assert_eq!(writer.push(&slash), Err(NoRoom));
    let used = writer.used();
    let head = ReaddirReply {
        count: U32::new(7),
        flags: U32::new(ReaddirReply::EOF),
    };
    let bytes = [Reply::OK.as_bytes(), head.as_bytes(), &buffer[..used]].concat();
    let (told, dirents) = Reply::decode_readdir(&bytes).unwrap();
    assert_eq!(told, &head);
    let got: Vec<Dirent<'_>> = dirents.map(Result::unwrap).collect();
    for (got, (ino, name)) in got.iter().zip(&entries) {
        assert_eq!(
            (got.ino, got.next, got.kind, got.name),
            (*ino, ino * 2, 8, &name[..])
        );
    }
    assert_eq!(got.len(), 7);
    let (_, cut) = Reply::decode_readdir(&bytes[..bytes.len() - 1]).unwrap();
    let results: Vec<_> = cut.collect();
    assert_eq!((results.len(), results[6]), (7, Err(Malformed::Truncated)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(op: u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::decode(op, &bytes);
        let _ = Reply::decode_as::<Attr>(&bytes);
        if let Ok((_, dirents)) = Reply::decode_readdir(&bytes) {
            prop_assert!(dirents.count() <= bytes.len());
        }
    }

    #[test]
    fn mutated_requests_never_lie(
        op in (0u8..32).prop_filter_map("op", Op::from_raw),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        resize in prop_oneof![Just(0isize), -3isize..4],
    ) {
        let second: &[u8] = if has_second(op) { b"x/y" } else { b"" };
        let mut bytes = if op.has_path() {
            message(b"a/b", second, &vec![0; args_len(op)])
        } else {
            vec![0; 48]
        };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.resize(bytes.len().saturating_add_signed(resize), 0);
        match decode(op, &bytes) {
            Ok(Request::Write { args, data }) => {
                prop_assert_eq!(args.len.get() as usize, data.len());
            }
            Ok(Request::Rename { path, new_path, creds, .. }) => {
                prop_assert!(!path.is_empty() && !new_path.is_empty());
                prop_assert!(creds.groups.get().is_ok());
            }
            _ => {}
        }
    }

    #[test]
    fn damaged_entries_end_the_list(bytes in prop::collection::vec(0u8..3, 0..200)) {
        let bytes = [Reply::OK.as_bytes(), &[0; 8], &bytes[..]].concat();
        let (_, mut dirents) = Reply::decode_readdir(&bytes).unwrap();
        let after = dirents.by_ref().skip_while(Result::is_ok).count();
        prop_assert!(after <= 1, "nothing may follow damage");
        prop_assert_eq!(dirents.next(), None);
    }
}
