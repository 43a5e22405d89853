// SPDX-License-Identifier: GPL-2.0-only

//! Arrays of C strings, as `argv` and `envp`.

use core::ptr;
use kernel::prelude::*;

/// Strings, each ended by a NUL and without any other.
///
/// # Invariants
///
/// `bytes` is empty or ends with a NUL, and every element of `starts` is the offset in it of the
/// first byte of a string.
#[derive(Default)]
pub(crate) struct StringList {
    bytes: KVVec<u8>,
    starts: KVec<usize>,
}

impl StringList {
    pub(crate) fn new() -> Self {
        Self {
            bytes: KVVec::new(),
            starts: KVec::new(),
        }
    }

    /// Adds the string that `parts` make up.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a NUL in it, `ENOMEM`.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> Result {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(EINVAL);
        }
        self.starts.reserve(1, GFP_KERNEL)?;
        self.bytes.reserve(len + 1, GFP_KERNEL)?;
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part, GFP_KERNEL)?;
        }
        self.bytes.push(0, GFP_KERNEL)?;
        // INVARIANT: The string was added at `start`, with its NUL.
        self.starts.push(start, GFP_KERNEL).map_err(Error::from)
    }

    /// The strings, without their NULs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().map(|&start| {
            let rest = self.bytes.get(start..).unwrap_or(&[]);
            let len = rest.iter().position(|&byte| byte == 0);
            rest.get(..len.unwrap_or(0)).unwrap_or(&[])
        })
    }

    /// Pointers to the strings, with a null pointer behind them; valid while `self` is borrowed.
    pub(super) fn pointers(&self) -> Result<KVec<*mut c_char>> {
        let mut pointers = KVec::with_capacity(self.starts.len() + 1, GFP_KERNEL)?;
        for string in self.iter() {
            pointers.push(string.as_ptr().cast_mut().cast(), GFP_KERNEL)?;
        }
        pointers.push(ptr::null_mut(), GFP_KERNEL)?;
        Ok(pointers)
    }
}
