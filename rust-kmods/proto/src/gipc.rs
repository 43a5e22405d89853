// SPDX-License-Identifier: GPL-2.0-only

//! The messages of remote execution (paper, section 5).
//!
//! The caller opens a circuit with [`Op::Open`] and later sends one [`Op::Exec`], then its input.
//! The other end answers with [`Op::Started`] or [`Op::Failed`], then output and [`Op::Exit`].
//!
//! A signal takes a circuit of its own, so that it is not held up by input which the program does
//! not read: [`Op::Signal`] is its first message, and the other end finishes it, after an
//! [`Op::Failed`] if the signal could not be sent.

mod admission;
mod command;
mod open;

pub use admission::{OnBehalf, ProgramLimits, Reached};
pub use command::{Command, Strings, MAX_COMMAND};
pub use open::{Limit, OpenRequest, ProcessCreds, LIMITS};

use zerocopy::big_endian::{I32, U64};

use crate::codec::{self, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::Gpid;

/// What a message is: the `op` of each of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// To the passive end, the first message: who asks. Body: [`OpenRequest`].
    Open = 1,
    /// To the passive end, once: the command. Body: see [`Command`].
    Exec = 2,
    /// To the passive end: bytes for the program's standard input.
    Stdin = 3,
    /// To the passive end: the end of the program's standard input. No body.
    StdinEof = 4,
    /// To the passive end, the first message: a signal for a program. Body: [`Signal`].
    Signal = 5,
    /// To the passive end: of the program's standard input no more can be read. Body: [`Failed`].
    StdinFailed = 6,
    /// To the active end: the program runs. Body: [`Started`].
    Started = 8,
    /// To the active end: bytes from the program's standard output.
    Stdout = 9,
    /// To the active end: bytes from the program's standard error.
    Stderr = 10,
    /// To the active end: the program ended. Output of processes that it left behind may follow.
    /// Body: [`Exit`].
    Exit = 11,
    /// To the active end: there is no program; nothing follows. Body: [`Failed`].
    Failed = 12,
}

impl Op {
    /// The operation with this number.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            1 => Op::Open,
            2 => Op::Exec,
            3 => Op::Stdin,
            4 => Op::StdinEof,
            5 => Op::Signal,
            6 => Op::StdinFailed,
            8 => Op::Started,
            9 => Op::Stdout,
            10 => Op::Stderr,
            11 => Op::Exit,
            12 => Op::Failed,
            _ => return None,
        })
    }
}

/// Body of [`Op::Started`]: 8 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Started {
    /// The program's GPID.
    pub gpid: U64,
}

impl Started {
    /// The news that the process `gpid` runs.
    pub fn new(gpid: Gpid) -> Self {
        Self {
            gpid: U64::new(gpid.raw()),
        }
    }

    /// Takes a body apart.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another length.
    pub fn decode(body: &[u8]) -> Result<Gpid, Malformed> {
        Ok(Gpid::from_raw(codec::whole::<Self>(body)?.gpid.get()))
    }
}

/// Body of [`Op::Signal`]: 12 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Signal {
    /// The program, which the sender's node has started.
    pub target: U64,
    /// The signal's number on x86, from 1 to 64; negative for the program's whole process group.
    pub signo: I32,
}

impl Signal {
    /// The signal `signo` for `target`.
    pub fn new(target: Gpid, signo: i32) -> Self {
        Self {
            target: U64::new(target.raw()),
            signo: I32::new(signo),
        }
    }

    /// Takes a body apart into target and signal.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another length or a number that is no signal.
    pub fn decode(body: &[u8]) -> Result<(Gpid, i32), Malformed> {
        let signal = codec::whole::<Self>(body)?;
        match signal.signo.get() {
            signo @ (1..=64 | -64..=-1) => Ok((Gpid::from_raw(signal.target.get()), signo)),
            _ => Err(Malformed::Value),
        }
    }
}

/// Body of [`Op::Exit`]: 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Exit {
    /// As `wait(2)` tells it: exit status << 8, or the signal that ended the program.
    pub wait_status: I32,
}

impl Exit {
    /// The end with this wait status.
    pub fn new(wait_status: i32) -> Self {
        Self {
            wait_status: I32::new(wait_status),
        }
    }

    /// Takes a body apart into the wait status.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another length.
    pub fn decode(body: &[u8]) -> Result<i32, Malformed> {
        Ok(codec::whole::<Self>(body)?.wait_status.get())
    }
}

/// Body of [`Op::Failed`]: 4 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Failed {
    /// A negative errno of Linux on x86.
    pub status: I32,
}

impl Failed {
    /// The failure with `errno`, given positive or negative.
    pub fn new(errno: i32) -> Self {
        Self {
            status: I32::new(codec::negative_errno(errno)),
        }
    }

    /// Takes a body apart into the errno: from -4095 to -1.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another length.
    pub fn decode(body: &[u8]) -> Result<i32, Malformed> {
        Ok(codec::negative_errno(
            codec::whole::<Self>(body)?.status.get(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostId;

    #[test]
    fn bodies_survive_the_wire() {
        let caller = Gpid::new(HostId::new(3), 4, 5);
        assert_eq!(Started::decode(Started::new(caller).as_bytes()), Ok(caller));
        for signo in [1, 15, 64, -9] {
            let signal = Signal::new(caller, signo);
            assert_eq!(Signal::decode(signal.as_bytes()), Ok((caller, signo)));
        }
        assert_eq!(Exit::decode(Exit::new(7 << 8).as_bytes()), Ok(7 << 8));
        assert_eq!(Failed::decode(Failed::new(2).as_bytes()), Ok(-2));
        for raw in 0..=u8::MAX {
            assert!(Op::from_raw(raw).is_none_or(|op| op as u8 == raw));
        }
    }

    #[test]
    fn bodies_that_lie() {
        for signo in [i32::MIN, -65, 0, 65] {
            assert_eq!(
                Signal::decode(Signal::new(Gpid::default(), signo).as_bytes()),
                Err(Malformed::Value)
            );
        }
        for errno in [0, 4096, i32::MIN] {
            assert_eq!(Failed::decode(I32::new(errno).as_bytes()), Ok(-5));
        }
        assert_eq!(Exit::decode(&[0; 3]), Err(Malformed::Truncated));
        assert_eq!(Exit::decode(&[0; 5]), Err(Malformed::Trailing));
    }
}
