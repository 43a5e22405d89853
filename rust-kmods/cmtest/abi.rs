// SPDX-License-Identifier: GPL-2.0-only

//! The device's interface in numbers; cluster-tests/guest-tool/src/cm/abi.rs says what they mean.

use kernel::ioctl::{_IO, _IOR, _IOW, _IOWR};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

const TYPE: u32 = b'P' as u32;

pub(crate) const CONNECT: u32 = _IOW::<Connect>(TYPE, 0x40);
pub(crate) const LISTEN: u32 = _IO(TYPE, 0x41);
pub(crate) const ACCEPT: u32 = _IO(TYPE, 0x42);
pub(crate) const SHUTDOWN: u32 = _IO(TYPE, 0x43);
pub(crate) const ABORT: u32 = _IO(TYPE, 0x44);
pub(crate) const INFO: u32 = _IOR::<Info>(TYPE, 0x45);
pub(crate) const PING: u32 = _IOWR::<Ping>(TYPE, 0x46);
pub(crate) const GROUP: u32 = _IOW::<Group>(TYPE, 0x47);
pub(crate) const EPHEMERAL: u32 = _IOW::<Ephemeral>(TYPE, 0x48);
pub(crate) const EPHEMERALS: u32 = _IOR::<Ephemerals>(TYPE, 0x49);

pub(crate) const MAX_GROUP_MESSAGE: usize = 64 * 1024;
pub(crate) const MAX_MEMBERS: usize = 64;
pub(crate) const MAX_PING: usize = 64 * 1024;
pub(crate) const MAX_PINGS: u32 = 1_000_000;

/// [`Group::what`]: the members' echo services answer.
pub(crate) const GROUP_CALL: u32 = 0;
/// [`Group::what`]: whoever listens there takes the message.
pub(crate) const GROUP_SEND: u32 = 1;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Connect {
    pub(crate) host: u32,
    pub(crate) group: u32,
    pub(crate) gpid: u64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Info {
    pub(crate) remote: u64,
    pub(crate) index: u32,
    pub(crate) rail: u32,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) retransmitted: u64,
    pub(crate) timeouts: u64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Ping {
    pub(crate) host: u32,
    pub(crate) size: u32,
    pub(crate) count: u32,
    pub(crate) reserved: u32,
    pub(crate) ns_total: u64,
    pub(crate) ns_min: u64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Group {
    pub(crate) members: u64,
    pub(crate) count: u32,
    pub(crate) what: u32,
    pub(crate) message: u64,
    pub(crate) len: u32,
    pub(crate) timeout_ms: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Member {
    pub(crate) gpid: u64,
    pub(crate) status: i32,
    pub(crate) us: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Ephemeral {
    pub(crate) to: u64,
    pub(crate) message: u64,
    pub(crate) len: u32,
    pub(crate) count: u32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Ephemerals {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) last_from: u64,
}
