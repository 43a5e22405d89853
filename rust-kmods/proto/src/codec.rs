// SPDX-License-Identifier: GPL-2.0-only

//! What the message codecs of the layers share.

use core::fmt;

use zerocopy::big_endian::{I64, U32, U64};

use crate::derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Why bytes are not the message they were taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its fixed part, or than a length inside it says.
    Truncated,
    /// Longer than it says.
    Trailing,
    /// A count or length that is out of its range.
    Length,
    /// A field with a value that has no meaning.
    Value,
    /// A name or path that is empty, or has a byte that it must not have.
    Name,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Truncated => "message is shorter than it says",
            Malformed::Trailing => "message is longer than it says",
            Malformed::Length => "message has a length or count out of range",
            Malformed::Value => "message has a value without meaning",
            Malformed::Name => "message has a name that cannot be one",
        })
    }
}

impl core::error::Error for Malformed {}

/// The fixed part `T` at the start of `bytes`, and what follows it.
pub(crate) fn split<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
) -> Result<(&T, &[u8]), Malformed> {
    T::ref_from_prefix(bytes).map_err(|_| Malformed::Truncated)
}

/// `bytes` as exactly one `T`.
pub(crate) fn whole<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
) -> Result<&T, Malformed> {
    match split(bytes)? {
        (value, []) => Ok(value),
        _ => Err(Malformed::Trailing),
    }
}

/// The first `len` of `bytes`, and what follows them.
pub(crate) fn split_len(bytes: &[u8], len: usize) -> Result<(&[u8], &[u8]), Malformed> {
    bytes.split_at_checked(len).ok_or(Malformed::Truncated)
}

/// EIO: what a failure without a sensible number counts as.
const EIO: i32 = 5;
/// Linux's own bound of errno values.
const MAX_ERRNO: i32 = 4095;

/// An errno, given positive or negative, as the wire has it: from -4095 to -1. Others, 0 among
/// them, become EIO, so that a failure can never look like a success.
pub(crate) fn negative_errno(errno: i32) -> i32 {
    match errno.checked_abs() {
        Some(positive @ 1..=MAX_ERRNO) => -positive,
        _ => -EIO,
    }
}

/// Most supplementary groups that travel with a request.
pub const MAX_GROUPS: usize = 16;

/// Supplementary groups: 68 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Groups {
    /// How many of `groups` count, at most [`MAX_GROUPS`].
    pub ngroups: U32,
    /// The groups; unused ones are 0.
    pub groups: [U32; MAX_GROUPS],
}

impl Groups {
    /// The first [`MAX_GROUPS`] of `groups`.
    pub fn new(groups: impl IntoIterator<Item = u32>) -> Self {
        let mut room = [U32::ZERO; MAX_GROUPS];
        let mut count = 0;
        for (slot, group) in room.iter_mut().zip(groups) {
            slot.set(group);
            count += 1;
        }
        Self {
            ngroups: U32::new(count),
            groups: room,
        }
    }

    /// Those that count.
    ///
    /// # Errors
    ///
    /// [`Malformed::Length`] when the count says more than there is room for, [`Malformed::Value`]
    /// for a group that is nobody's.
    pub fn get(&self) -> Result<&[U32], Malformed> {
        let groups = usize::try_from(self.ngroups.get())
            .ok()
            .and_then(|count| self.groups.get(..count))
            .ok_or(Malformed::Length)?;
        check_ids(groups)?;
        Ok(groups)
    }
}

/// Checks that none of `ids` is the one that Linux has for "no such user or group": what belongs
/// to nobody would be the caller's.
pub(crate) fn check_ids(ids: &[U32]) -> Result<(), Malformed> {
    match ids.iter().any(|id| id.get() == u32::MAX) {
        true => Err(Malformed::Value),
        false => Ok(()),
    }
}

/// On whose behalf a request is made: 84 bytes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Creds {
    /// File system user id of the caller.
    pub fsuid: U32,
    /// File system group id of the caller.
    pub fsgid: U32,
    /// The capabilities that the caller has in effect, in the initial user namespace: bit `n` is
    /// the one that Linux calls `n`. An id alone gives none, not even 0.
    pub effective: U64,
    /// The caller's supplementary groups.
    pub groups: Groups,
}

impl Creds {
    /// The credentials with these ids and capabilities, and the first [`MAX_GROUPS`] of `groups`.
    pub fn new(
        fsuid: u32,
        fsgid: u32,
        effective: u64,
        groups: impl IntoIterator<Item = u32>,
    ) -> Self {
        Creds {
            fsuid: U32::new(fsuid),
            fsgid: U32::new(fsgid),
            effective: U64::new(effective),
            groups: Groups::new(groups),
        }
    }

    /// Checks what Linux takes for granted.
    ///
    /// # Errors
    ///
    /// Those of [`Groups::get`]; [`Malformed::Value`] for an id that is nobody's.
    pub fn check(&self) -> Result<(), Malformed> {
        self.groups.get()?;
        check_ids(&[self.fsuid, self.fsgid])
    }
}

/// A moment of a file's life: 12 bytes.
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
pub struct Timestamp {
    /// Seconds since 1970.
    pub sec: I64,
    /// Nanoseconds, below 1,000,000,000.
    pub nsec: U32,
}

impl Timestamp {
    /// The moment `sec` seconds and `nsec` nanoseconds after 1970 began.
    pub fn new(sec: i64, nsec: u32) -> Self {
        Self {
            sec: I64::new(sec),
            nsec: U32::new(nsec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_never_exceed_their_room() {
        let mut groups = Groups::new(0..40);
        assert_eq!(groups.get().unwrap().len(), MAX_GROUPS);
        assert_eq!(groups.get().unwrap()[15].get(), 15);
        groups.ngroups.set(17);
        assert_eq!(groups.get(), Err(Malformed::Length));
        groups.ngroups.set(u32::MAX);
        assert_eq!(groups.get(), Err(Malformed::Length));
    }

    #[test]
    fn nobodys_ids_are_nobodys() {
        let nobody = u32::MAX;
        let refused = [
            Creds::new(nobody, 0, 0, []),
            Creds::new(0, nobody, 0, []),
            Creds::new(0, 0, 0, [1, nobody]),
        ];
        for creds in refused {
            assert_eq!(creds.check(), Err(Malformed::Value));
        }
        assert_eq!(Creds::new(nobody - 1, 0, 0, [1]).check(), Ok(()));
    }

    #[test]
    fn a_user_id_gives_no_capabilities() {
        let creds = Creds::new(0, 0, 1 << 40, [7]);
        assert_eq!(creds.effective.get(), 1 << 40);
        assert_eq!(creds.as_bytes().len(), 84);
        assert_eq!(creds.as_bytes()[8..16], [0, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(Creds::new(0, 0, 0, []).effective.get(), 0);
    }

    #[test]
    fn exact_lengths_only() {
        assert_eq!(whole::<Timestamp>(&[0; 11]), Err(Malformed::Truncated));
        assert_eq!(whole::<Timestamp>(&[0; 13]), Err(Malformed::Trailing));
        assert_eq!(whole::<Timestamp>(&[0xff; 12]).unwrap().sec.get(), -1);
    }
}
