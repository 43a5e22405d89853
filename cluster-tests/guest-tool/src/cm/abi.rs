// SPDX-License-Identifier: MIT OR Apache-2.0

//! The interface of `/dev/podos-cm`, the test module's device, in numbers.
//!
//! An open file is an endpoint of circuits of class Test:
//!
//! - [`CONNECT`] names the other end; the first `write(2)` opens the circuit and travels with it.
//! - [`LISTEN`] makes the file take circuits: those for the process that called it, and, if it was
//!   the first one on its node, those for the node. [`ACCEPT`] gives a new descriptor for the next.
//! - `write(2)` sends one message of at most [`MAX_MESSAGE`] bytes (`EMSGSIZE`), `read(2)` takes
//!   one. With too small a buffer it fails with `EMSGSIZE` and the message stays. A message without
//!   bytes and the other end's [`SHUTDOWN`] both read as 0; after the latter all reads do.
//! - `poll(2)`: `POLLIN` a message, an end, or a circuit to accept; `POLLOUT` room for a segment;
//!   `POLLERR` and `POLLHUP` a broken circuit. With `O_NONBLOCK` a read that would wait gives
//!   `EAGAIN`, and so does a write without room for its first segment; [`ACCEPT`] always waits.
//! - One read and one write may run at a time; a second one of the same kind gives `EBUSY`.
//!
//! A broken circuit gives `EHOSTDOWN`, `ECONNREFUSED` (nobody listens), `ECONNRESET` (the other
//! end called [`ABORT`] or closed its file early), `ETIMEDOUT`.

use rustix::ioctl::{opcode, Opcode};

/// Where it is while the test module is loaded.
pub const DEVICE: &str = "/dev/podos-cm";
/// Bytes of the longest message.
pub const MAX_MESSAGE: usize = 1 << 20;
/// Bytes of the longest message of a group, and of its answers.
pub const MAX_GROUP_MESSAGE: usize = 64 * 1024;
/// Most members of a group.
pub const MAX_MEMBERS: usize = 64;
/// Bytes of the longest ephemeral message.
pub const MAX_EPHEMERAL: usize = 1428;

/// Names the other end; once for each file (`EISCONN`).
pub const CONNECT: Opcode = opcode::write::<Connect>(0x50, 0x40);
/// Takes circuits from now on; `EADDRINUSE` if the process does already.
pub const LISTEN: Opcode = opcode::none(0x50, 0x41);
/// Returns a descriptor that is the other end of the next circuit. Waits; a signal ends the wait.
pub const ACCEPT: Opcode = opcode::none(0x50, 0x42);
/// Sends nothing more.
pub const SHUTDOWN: Opcode = opcode::none(0x50, 0x43);
/// Breaks the circuit at both ends.
pub const ABORT: Opcode = opcode::none(0x50, 0x44);
/// What the circuit has done.
pub const INFO: Opcode = opcode::read::<Info>(0x50, 0x45);
/// Round trips from kernel to kernel, against the other node's echo service.
pub const PING: Opcode = opcode::read_write::<Ping>(0x50, 0x46);
/// A message to all members of a group at once.
pub const GROUP: Opcode = opcode::write::<Group>(0x50, 0x47);
/// Sends ephemeral messages.
pub const EPHEMERAL: Opcode = opcode::write::<Ephemeral>(0x50, 0x48);
/// Which ephemeral messages this node has received since the module was loaded.
pub const EPHEMERALS: Opcode = opcode::read::<Ephemerals>(0x50, 0x49);

/// The argument of [`CONNECT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Connect {
    /// The node; not looked at if `gpid` is not 0.
    pub host: u32,
    /// The transmission group: 0 the cluster's, 1 single, 2 round-robin, 3 load, 4 stripe.
    pub group: u32,
    /// The process at the other end; 0 for whoever listens for the node.
    pub gpid: u64,
}

/// The result of [`INFO`]; `ENOTCONN` before the first write.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Info {
    /// Who is at the other end; the process is 0 until it has answered.
    pub remote: u64,
    /// This end's index in the CDT.
    pub index: u32,
    /// The rail in use; `u32::MAX` before the first frame.
    pub rail: u32,
    /// Segments sent, also again.
    pub sent: u64,
    /// Segments received, each once.
    pub received: u64,
    /// Segments sent again.
    pub retransmitted: u64,
    /// Retransmission time-outs.
    pub timeouts: u64,
}

/// The argument and result of [`PING`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Ping {
    /// The node to ask.
    pub host: u32,
    /// Bytes of each message, both ways; at most 65536.
    pub size: u32,
    /// How many round trips, at most 1000000, one after the other on one circuit.
    pub count: u32,
    pub reserved: u32,
    /// Time of all of them, but for a first one that opens the circuit.
    pub ns_total: u64,
    /// Time of the fastest one.
    pub ns_min: u64,
}

/// The argument of [`GROUP`]; the results are put into its members. It fails as a whole only if the argument makes no sense, or if the
/// process is killed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Group {
    /// The address of `count` times [`Member`].
    pub members: u64,
    pub count: u32,
    /// [`GROUP_CALL`] or [`GROUP_SEND`].
    pub what: u32,
    /// The address of the message.
    pub message: u64,
    /// Its bytes, at most [`MAX_GROUP_MESSAGE`].
    pub len: u32,
    /// After this time a member that has not answered gives `ETIMEDOUT`; 0 waits as long as it is
    /// alive.
    pub timeout_ms: u32,
}

/// To the kernel's echo service of each member, which answers with the same message; another
/// answer gives `EBADMSG`.
pub const GROUP_CALL: u32 = 0;
/// To whoever listens at each member, and no answer: done when it has closed its end.
pub const GROUP_SEND: u32 = 1;

/// One member of a group, and what became of its message.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// The process, or its node (process id 0); a boot sequence of 0 stands for any.
    pub gpid: u64,
    /// 0, or the error as a negative number.
    pub status: i32,
    /// Microseconds from the call to the result.
    pub us: u32,
}

/// The argument of [`EPHEMERAL`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Ephemeral {
    /// The node, or 0 for all.
    pub to: u64,
    /// The address of the message.
    pub message: u64,
    /// Its bytes, at most [`MAX_EPHEMERAL`].
    pub len: u32,
    /// How many times.
    pub count: u32,
}

/// The result of [`EPHEMERALS`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Ephemerals {
    pub messages: u64,
    pub bytes: u64,
    /// Who sent the last one; 0 if none came.
    pub last_from: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that the kernel's side has, see rust-kmods/cmtest/abi.rs.
    #[test]
    fn numbers() {
        assert_eq!(CONNECT, 0x4010_5040);
        assert_eq!(LISTEN, 0x5041);
        assert_eq!(ACCEPT, 0x5042);
        assert_eq!(SHUTDOWN, 0x5043);
        assert_eq!(ABORT, 0x5044);
        assert_eq!(INFO, 0x8030_5045);
        assert_eq!(PING, 0xc020_5046);
        assert_eq!(GROUP, 0x4020_5047);
        assert_eq!(EPHEMERAL, 0x4018_5048);
        assert_eq!(EPHEMERALS, 0x8018_5049);
        assert_eq!(size_of::<Member>(), 16);
    }
}
