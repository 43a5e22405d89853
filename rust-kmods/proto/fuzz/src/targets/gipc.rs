// SPDX-License-Identifier: GPL-2.0-only

//! What GIPC's ends say to each other, and what its users write.

use podos_proto::codec::Groups;
use podos_proto::gipc::{
    Command, Exit, Failed, Limit, Op, OpenRequest, ProcessCreds, Signal, Started, LIMITS,
    MAX_COMMAND,
};
use podos_proto::{Gpid, HostId};
use zerocopy::big_endian::{U32, U64};
use zerocopy::IntoBytes;

use super::Target;
use crate::bytes::{Bytes, Outcome};

/// The first byte is the operation, the rest the body.
pub(super) const BODIES: Target = Target {
    name: "gipc-bodies",
    run: bodies,
    seeds: || {
        let gpid = Gpid::new(HostId::new(3), 4, 5);
        let open = OpenRequest::new(gpid, creds(), 1, 0o022, [Limit::default(); LIMITS]);
        let with = |op: Op, body: &[u8]| [&[op as u8][..], body].concat();
        vec![
            ("open", with(Op::Open, open.as_bytes())),
            ("exec", with(Op::Exec, b"/bin/echo\0hello\0")),
            ("signal", with(Op::Signal, Signal::new(gpid, -9).as_bytes())),
            ("started", with(Op::Started, Started::new(gpid).as_bytes())),
            ("exit", with(Op::Exit, Exit::new(1 << 8).as_bytes())),
            ("failed", with(Op::Failed, Failed::new(2).as_bytes())),
        ]
    },
};

fn bodies(bytes: &[u8]) -> Outcome {
    let mut bytes = Bytes::new(bytes);
    let raw = bytes.u8();
    let body = bytes.rest();
    let outcome = Outcome::PLAIN.and(raw);
    match Op::from_raw(raw) {
        Some(Op::Open) => match OpenRequest::decode(body) {
            Ok(open) => {
                check_open(open);
                outcome.and(open.flags.get()).and(open.creds.flags.get())
            }
            Err(why) => outcome.and_debug(why),
        },
        Some(Op::Exec) => outcome.and(command(body).value()),
        Some(Op::Signal) => match Signal::decode(body) {
            Ok((_, signo)) => {
                assert!(signo != 0 && (-64..=64).contains(&signo));
                outcome.and(signo)
            }
            Err(why) => outcome.and_debug(why),
        },
        Some(Op::Started) => outcome.and_debug(Started::decode(body).map(|_| ())),
        Some(Op::Exit) => outcome.and_debug(Exit::decode(body).map(|_| ())),
        Some(Op::Failed | Op::StdinFailed) => match Failed::decode(body) {
            Ok(errno) => {
                assert!((-4095..=-1).contains(&errno), "a failure that is none");
                outcome.and(errno == -5)
            }
            Err(why) => outcome.and_debug(why),
        },
        Some(Op::Stdin | Op::StdinEof | Op::Stdout | Op::Stderr) | None => outcome,
    }
}

/// A user with two of root's capabilities, one of them ambient.
fn creds() -> ProcessCreds {
    ProcessCreds {
        uid: U32::new(1000),
        gid: U32::new(100),
        euid: U32::new(1000),
        egid: U32::new(100),
        fsuid: U32::new(1000),
        fsgid: U32::new(100),
        securebits: U32::new(0x2f),
        flags: U32::new(ProcessCreds::NO_NEW_PRIVS),
        inheritable: U64::new(0b01),
        permitted: U64::new(0b11),
        effective: U64::new(0b11),
        bounding: U64::new(u64::MAX >> 23),
        ambient: U64::new(0b01),
        groups: Groups::new([3, 4]),
    }
}

/// What a process is started with must be what a process can have: the kernel warns if not.
fn check_open(open: &OpenRequest) {
    let creds = &open.creds;
    assert!(creds.groups.get().is_ok());
    assert_eq!(creds.effective.get() & !creds.permitted.get(), 0);
    assert_eq!(creds.ambient.get() & !creds.permitted.get(), 0);
    assert_eq!(creds.ambient.get() & !creds.inheritable.get(), 0);
    assert_eq!(open.flags.get() & !OpenRequest::PROGRAM_AT_CALLER, 0);
    assert!(open.umask.get() <= 0o777);
    assert!(open
        .limits
        .iter()
        .all(|limit| limit.soft.get() <= limit.hard.get()));
}

pub(super) const COMMAND: Target = Target {
    name: "gipc-command",
    run: command,
    seeds: || {
        vec![
            ("one", b"/bin/true".to_vec()),
            ("arguments", b"/bin/echo\0hello\0world\0".to_vec()),
            (
                "environment",
                b"/bin/env\0-i\0\0PATH=/bin\0HOME=/\0".to_vec(),
            ),
            ("directory", b"/bin/pwd\0\0A=b\0\0/tmp\0".to_vec()),
            ("counted", b"\x002\x001\0/bin/echo\0\0A=b\0/tmp\0".to_vec()),
        ]
    },
};

fn command(bytes: &[u8]) -> Outcome {
    let command = match Command::parse(bytes) {
        Ok(command) => command,
        Err(why) => return Outcome::PLAIN.and_debug(why),
    };
    assert!(bytes.len() <= MAX_COMMAND);
    let mut argv = command.argv();
    assert_eq!(argv.next(), Some(command.program()));
    assert!(!command.program().is_empty(), "no program to run");
    let strings = command.argv().chain(command.env()).chain(command.cwd());
    let mut count = 0;
    for string in strings {
        assert!(!string.contains(&0), "a string of two");
        count += 1;
    }
    assert!(count <= bytes.len() + 1);
    assert!(command.cwd().is_none_or(|cwd| !cwd.is_empty()));
    let counts = (command.argv().count().min(4), command.env().count().min(4));
    Outcome::PLAIN.and(counts).and(command.cwd().is_some())
}
