// SPDX-License-Identifier: GPL-2.0-only

//! Who asks for a program, and the identity and privileges that it will have.

use zerocopy::big_endian::{U32, U64};

use crate::codec::{self, Groups, Malformed};
use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
use crate::Gpid;

/// Resources that a process can be limited in (Linux's `RLIM_NLIMITS`).
pub const LIMITS: usize = 16;

/// What a process is and may, as `execve(2)` looks at it: 140 bytes.
///
/// A program that is started with them gets no more and no less than one that the process had
/// started itself.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct ProcessCreds {
    /// Real user id.
    pub uid: U32,
    /// Real group id.
    pub gid: U32,
    /// Effective user id.
    pub euid: U32,
    /// Effective group id.
    pub egid: U32,
    /// User id for file access.
    pub fsuid: U32,
    /// Group id for file access.
    pub fsgid: U32,
    /// Linux's `SECBIT_*`.
    pub securebits: U32,
    /// [`ProcessCreds::NO_NEW_PRIVS`] or 0.
    pub flags: U32,
    /// Capabilities: bit `n` is the one that Linux calls `n`.
    pub inheritable: U64,
    /// Capabilities that the process may put into effect.
    pub permitted: U64,
    /// Capabilities in effect.
    pub effective: U64,
    /// The only capabilities that a program file can give the process.
    pub bounding: U64,
    /// Capabilities that programs keep which know nothing of capabilities.
    pub ambient: U64,
    /// Supplementary groups.
    pub groups: Groups,
}

impl ProcessCreds {
    /// No program gives the process anything that it does not have (`PR_SET_NO_NEW_PRIVS`).
    pub const NO_NEW_PRIVS: u32 = 1;
    /// The bits that securebits have. One that is not known would be a fence that is not kept.
    pub const SECUREBITS: u32 = 0xfff;

    /// Checks what Linux takes for granted.
    ///
    /// # Errors
    ///
    /// Those of [`Groups::get`]; [`Malformed::Value`] for an id that is nobody's, an unknown flag
    /// or securebit, and sets of capabilities that no process can have.
    pub fn check(&self) -> Result<(), Malformed> {
        self.groups.get()?;
        let users = [self.uid, self.euid, self.fsuid];
        let groups = [self.gid, self.egid, self.fsgid];
        codec::check_ids(&users).and(codec::check_ids(&groups))?;
        let permitted = self.permitted.get();
        let all_known = self.flags.get() & !Self::NO_NEW_PRIVS == 0
            && self.securebits.get() & !Self::SECUREBITS == 0;
        let effective_permitted = self.effective.get() & !permitted == 0;
        let ambient_kept = self.ambient.get() & !(permitted & self.inheritable.get()) == 0;
        if all_known && effective_permitted && ambient_kept {
            Ok(())
        } else {
            Err(Malformed::Value)
        }
    }
}

/// How much of one resource a process may take: 16 bytes. All bits set: without limit.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Limit {
    /// What holds.
    pub soft: U64,
    /// How far the process may raise it.
    pub hard: U64,
}

/// Body of [`super::Op::Open`]: 416 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OpenRequest {
    /// Whose the program will be.
    pub creds: ProcessCreds,
    /// [`OpenRequest::PROGRAM_AT_CALLER`] or 0.
    pub flags: U32,
    /// Host id of the node whose files the program is one of: the caller's.
    pub caller_host: U32,
    /// The process that opened.
    pub caller: U64,
    /// Permission bits that files made by the program do not get.
    pub umask: U32,
    /// The program's limits, by Linux's `RLIMIT_*` on x86.
    pub limits: [Limit; LIMITS],
}

impl OpenRequest {
    /// `O_GIPC_CALLER`: the program file is at the caller's node (paper, section 5.4.2).
    pub const PROGRAM_AT_CALLER: u32 = 1;

    /// The request of the process `caller` with these credentials and flags, under the given
    /// umask and limits.
    pub fn new(
        caller: Gpid,
        creds: ProcessCreds,
        flags: u32,
        umask: u32,
        limits: [Limit; LIMITS],
    ) -> Self {
        Self {
            creds,
            flags: U32::new(flags),
            caller_host: U32::new(caller.host().raw()),
            caller: U64::new(caller.raw()),
            umask: U32::new(umask),
            limits,
        }
    }

    /// Takes a body apart.
    ///
    /// # Errors
    ///
    /// [`Malformed`] for another length, an unknown flag, a umask that is none, a soft limit above
    /// its hard one, and what [`ProcessCreds::check`] refuses.
    pub fn decode(body: &[u8]) -> Result<&Self, Malformed> {
        let request = codec::whole::<Self>(body)?;
        request.creds.check()?;
        let limits_fit = request
            .limits
            .iter()
            .all(|limit| limit.soft.get() <= limit.hard.get());
        if request.flags.get() & !Self::PROGRAM_AT_CALLER != 0
            || request.umask.get() & !0o777 != 0
            || !limits_fit
        {
            return Err(Malformed::Value);
        }
        Ok(request)
    }

    /// The process that opened.
    pub fn caller(&self) -> Gpid {
        Gpid::from_raw(self.caller.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostId;

    fn request() -> OpenRequest {
        let creds = ProcessCreds {
            uid: U32::new(1000),
            gid: U32::new(100),
            euid: U32::new(0),
            egid: U32::new(100),
            fsuid: U32::new(0),
            fsgid: U32::new(100),
            securebits: U32::new(0xff),
            flags: U32::new(ProcessCreds::NO_NEW_PRIVS),
            inheritable: U64::new(0b0111),
            permitted: U64::new(0b1110),
            effective: U64::new(0b1000),
            bounding: U64::new(1 << 40),
            ambient: U64::new(0b0110),
            groups: Groups::new([4, 24, 27]),
        };
        let limit = Limit {
            soft: U64::new(1024),
            hard: U64::new(u64::MAX),
        };
        OpenRequest::new(
            Gpid::new(HostId::new(3), 4, 5),
            creds,
            1,
            0o077,
            [limit; LIMITS],
        )
    }

    fn refusal(change: impl FnOnce(&mut OpenRequest)) -> Option<Malformed> {
        let mut request = request();
        change(&mut request);
        OpenRequest::decode(request.as_bytes()).err()
    }

    #[test]
    fn survives_the_wire() {
        let request = request();
        assert_eq!(OpenRequest::decode(request.as_bytes()), Ok(&request));
        assert_eq!(request.caller(), Gpid::new(HostId::new(3), 4, 5));
        assert_eq!(request.caller_host.get(), 3);
        let bytes = request.as_bytes();
        assert_eq!(OpenRequest::decode(&bytes[1..]), Err(Malformed::Truncated));
        let longer = [bytes, &[0]].concat();
        assert_eq!(OpenRequest::decode(&longer), Err(Malformed::Trailing));
    }

    #[test]
    fn flags_without_meaning() {
        let value = Some(Malformed::Value);
        assert_eq!(refusal(|r| r.flags.set(2)), value);
        assert_eq!(refusal(|r| r.creds.flags.set(2)), value);
        assert_eq!(refusal(|r| r.creds.securebits.set(1 << 12)), value);
        assert_eq!(refusal(|r| r.umask.set(0o1000)), value);
    }

    #[test]
    fn nobodys_ids_are_nobodys() {
        let changes: [fn(&mut OpenRequest); 6] = [
            |r| r.creds.uid.set(u32::MAX),
            |r| r.creds.gid.set(u32::MAX),
            |r| r.creds.euid.set(u32::MAX),
            |r| r.creds.egid.set(u32::MAX),
            |r| r.creds.fsuid.set(u32::MAX),
            |r| r.creds.fsgid.set(u32::MAX),
        ];
        for change in changes {
            assert_eq!(refusal(change), Some(Malformed::Value));
        }
    }

    #[test]
    fn counts_and_limits_that_lie() {
        let crowded = refusal(|r| r.creds.groups.ngroups.set(17));
        assert_eq!(crowded, Some(Malformed::Length));
        let raised = refusal(|r| r.limits[15].hard.set(1023));
        assert_eq!(raised, Some(Malformed::Value));
        assert_eq!(refusal(|r| r.limits[15].soft.set(u64::MAX)), None);
    }

    /// The kernel warns of the last two, and a warning can be made a panic.
    #[test]
    fn sets_of_capabilities_that_no_process_has() {
        let value = Some(Malformed::Value);
        assert_eq!(refusal(|r| r.creds.effective.set(0b0001)), value);
        assert_eq!(refusal(|r| r.creds.ambient.set(0b1000)), value);
        assert_eq!(refusal(|r| r.creds.ambient.set(0b0001)), value);
        assert_eq!(refusal(|r| r.creds.bounding.set(0)), None);
    }
}
