// SPDX-License-Identifier: GPL-2.0-only

//! Memory at user addresses, for files that can copy their data only there.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;
use kernel::uaccess::{UserPtr, UserSlice};

/// Bytes of it: most that one call of such a file moves. Their own buffers are a page.
pub(super) const SIZE: usize = 16 * 1024;

/// Where it begins: above what even root is kept from mapping.
const ADDRESS: usize = 1 << 20;

const PROTECTION: u32 = bindings::PROT_READ | bindings::PROT_WRITE;
const MAPPING: u32 = bindings::MAP_PRIVATE | bindings::MAP_FIXED | bindings::MAP_ANONYMOUS;

/// An address space with nothing but the window, for a kernel thread.
///
/// # Invariants
///
/// `mm` is a reference to an address space that nobody else uses, made by the current thread, in
/// which [`SIZE`] bytes from [`ADDRESS`] on may be read and written.
pub(super) struct UserWindow {
    mm: NonNull<bindings::mm_struct>,
    /// The kernel remembers whose address space it is, which must not outlive its thread.
    _here: NotThreadSafe,
}

impl UserWindow {
    /// A window for the current thread, which is a kernel thread.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: No requirements.
        let mm = NonNull::new(unsafe { bindings::mm_alloc() }).ok_or(ENOMEM)?;
        // INVARIANT: Given just now; the window is mapped below, or the value dropped.
        let window = Self {
            mm,
            _here: NotThreadSafe,
        };
        let mapped = window.with(|| {
            // SAFETY: The current address space is the new one, in which there is nothing yet.
            unsafe {
                bindings::vm_mmap(
                    core::ptr::null_mut(),
                    ADDRESS,
                    SIZE,
                    PROTECTION as usize,
                    MAPPING as usize,
                    0,
                )
            }
        });
        if mapped != ADDRESS {
            return Err(Error::from_errno(mapped as c_int));
        }
        Ok(window)
    }

    /// Has the current thread use the window while `f` runs.
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: By the type invariant; the current thread is a kernel thread, which uses no other
        // address space, as nobody calls this inside of `f`.
        unsafe { bindings::kthread_use_mm(self.mm.as_ptr()) };
        let result = f();
        // SAFETY: Begun above.
        unsafe { bindings::kthread_unuse_mm(self.mm.as_ptr()) };
        result
    }

    fn slice(len: usize) -> UserSlice {
        UserSlice::new(UserPtr::from_addr(ADDRESS), len.min(SIZE))
    }

    /// Lets `fill` write up to `len` bytes at the address that it is given, and hands those that it
    /// says it wrote to `take`, piece by piece.
    pub(super) fn fill(
        &self,
        len: usize,
        fill: impl FnOnce(*mut c_char, usize) -> Result<usize>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize> {
        let mut piece = KVec::from_elem(0u8, 1024, GFP_KERNEL)?;
        self.with(|| {
            let filled = fill(ADDRESS as *mut c_char, len.min(SIZE))?;
            let mut reader = Self::slice(filled).reader();
            while !reader.is_empty() {
                let len = reader.len().min(piece.len());
                reader.read_slice(&mut piece[..len])?;
                take(&piece[..len]);
            }
            Ok(filled)
        })
    }

    /// Puts what `give` fills into the window, up to `len` bytes, and lets `drain` read as many at
    /// the address that it is given.
    pub(super) fn drain(
        &self,
        len: usize,
        mut give: impl FnMut(&mut [u8]) -> usize,
        drain: impl FnOnce(*const c_char, usize) -> Result<usize>,
    ) -> Result<usize> {
        let mut piece = KVec::from_elem(0u8, 1024, GFP_KERNEL)?;
        self.with(|| {
            let mut writer = Self::slice(len).writer();
            let mut put = 0;
            while !writer.is_empty() {
                let len = writer.len().min(piece.len());
                let given = give(&mut piece[..len]);
                writer.write_slice(&piece[..given])?;
                put += given;
                if given < len {
                    break;
                }
            }
            drain(ADDRESS as *const c_char, put)
        })
    }
}

impl Drop for UserWindow {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; this may sleep where files are closed.
        unsafe { bindings::mmput(self.mm.as_ptr()) };
    }
}
