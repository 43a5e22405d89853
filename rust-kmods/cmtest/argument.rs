// SPDX-License-Identifier: GPL-2.0-only

//! The argument of an ioctl: structures and bytes in the caller's memory.

use kernel::prelude::*;
use kernel::uaccess::{UserPtr, UserSlice};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// An address in the caller's memory.
#[derive(Clone, Copy)]
pub(crate) struct Argument(usize);

impl Argument {
    /// The last argument of `ioctl(2)`, or an address inside of a structure.
    pub(crate) fn new(address: u64) -> Result<Self> {
        Ok(Self(usize::try_from(address)?))
    }

    fn slice(self, len: usize) -> UserSlice {
        UserSlice::new(UserPtr::from_addr(self.0), len)
    }

    /// Reads a structure.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub(crate) fn read<T: FromBytes + IntoBytes + KnownLayout>(self) -> Result<T> {
        let mut value = T::new_zeroed();
        self.slice(size_of::<T>())
            .reader()
            .read_slice(value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a structure.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub(crate) fn write<T: IntoBytes + Immutable>(self, value: &T) -> Result {
        self.write_bytes(value.as_bytes())
    }

    /// Reads `len` bytes.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `ENOMEM`.
    pub(crate) fn read_bytes(self, len: usize) -> Result<KVVec<u8>> {
        let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
        self.slice(len).reader().read_all(&mut bytes, GFP_KERNEL)?;
        Ok(bytes)
    }

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub(crate) fn write_bytes(self, bytes: &[u8]) -> Result {
        self.slice(bytes.len()).writer().write_slice(bytes)
    }
}
