// SPDX-License-Identifier: GPL-2.0-only

//! The `address_space_operations` of our file system: the page cache is for mappings only.

use kernel::bindings;
use kernel::error::from_result;
use kernel::prelude::*;
use podos_cm::Content;

use super::{file_ops, FileSystem};

struct Table<T>(core::marker::PhantomData<T>);

/// The operations of regular files.
pub(super) fn table<T: FileSystem>() -> &'static bindings::address_space_operations {
    Table::<T>::TABLE
}

/// Most bytes that are read ahead at once.
const MAX_AHEAD: usize = 128 * 1024;

/// A folio that VFS wants filled, locked until then.
///
/// # Invariants
///
/// `0` is a locked folio of our file system's page cache, referenced by whoever gave it.
struct LockedFolio(*mut bindings::folio);

impl LockedFolio {
    fn position(&self) -> u64 {
        // SAFETY: By the type invariant.
        unsafe { bindings::folio_pos(self.0) as u64 }
    }

    fn len(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { bindings::folio_size(self.0) }
    }

    /// Whether any of its bytes is the file's, as far as is known.
    fn is_of_file(&self) -> bool {
        // SAFETY: By the type invariant; a locked folio keeps its mapping, which is its inode's. The
        // size is one word, and may change at any time.
        let size = unsafe {
            let mapping = (*self.0).__bindgen_anon_1.__bindgen_anon_1.mapping;
            (&raw const (*(*mapping).host).i_size).read_volatile()
        };
        size as u64 > self.position()
    }

    /// Fills it with `content` from its byte `offset` on, and zeroes behind that, and unlocks it. If
    /// there is nothing for it though it is a part of the file, the file has become shorter: whoever
    /// wanted the folio gets an error, as from any file that is cut under its mapping.
    ///
    /// # Errors
    ///
    /// `EIO` then.
    fn fill(self, content: &Content, offset: usize) -> Result {
        if content.len() <= offset && self.is_of_file() {
            self.fail();
            return Err(EIO);
        }
        let mut filled = 0;
        for slice in content.slices_from(offset) {
            let len = slice.len().min(self.len() - filled);
            // SAFETY: By the type invariant; nobody else writes to a locked folio that is not up
            // to date, and the lengths are within it and the slice.
            unsafe { bindings::memcpy_to_folio(self.0, filled, slice.as_ptr().cast(), len) };
            filled += len;
            if filled == self.len() {
                break;
            }
        }
        // SAFETY: As above.
        unsafe {
            if filled < self.len() {
                bindings::folio_zero_range(self.0, filled, self.len() - filled);
            }
            bindings::folio_end_read(self.0, true);
        }
        Ok(())
    }

    /// Unlocks it as it is: whoever wanted it gets an error.
    fn fail(self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::folio_end_read(self.0, false) };
    }
}

impl<T: FileSystem> Table<T> {
    const TABLE: &'static bindings::address_space_operations =
        &bindings::address_space_operations {
            read_folio: Some(Self::read_folio),
            readahead: Some(Self::readahead),
            ..pin_init::zeroed()
        };

    /// VFS's `read_folio`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn read_folio(
        file: *mut bindings::file,
        folio: *mut bindings::folio,
    ) -> c_int {
        let folio = LockedFolio(folio);
        // SAFETY: The file, where there is one, is open during the call.
        let handle = unsafe { file_ops::handle::<T>(file) };
        let content = handle
            .ok_or(EBADF)
            .and_then(|handle| T::read_folio(handle, folio.position(), folio.len()));
        match content {
            Ok(content) => from_result(|| {
                folio.fill(&content, 0)?;
                Ok(0)
            }),
            Err(e) => {
                folio.fail();
                from_result(|| Err(e))
            }
        }
    }

    /// VFS's `readahead`.
    ///
    /// # Safety
    ///
    /// Called by VFS only, with what it says for this operation.
    unsafe extern "C" fn readahead(ahead: *mut bindings::readahead_control) {
        // SAFETY: VFS gives a valid request; the file, where there is one, is open during the call.
        let (handle, position, len) = unsafe {
            (
                file_ops::handle::<T>((*ahead).file),
                bindings::readahead_pos(ahead) as u64,
                bindings::readahead_length(ahead).min(MAX_AHEAD),
            )
        };
        let Some(handle) = handle else { return };
        // What is not read ahead is asked for when it is needed, and then says why it fails.
        let Ok(content) = T::read_folio(handle, position, len) else {
            return;
        };
        let mut left = len;
        while left > 0 {
            // SAFETY: VFS gives a valid request.
            let folio = unsafe { bindings::readahead_folio(ahead) };
            if folio.is_null() {
                break;
            }
            // INVARIANT: `readahead_folio` gives locked folios, which stay in the page cache for as
            // long as they are locked.
            let folio = LockedFolio(folio);
            let whole = folio.len();
            if whole > left {
                // Cut in the middle by the limit.
                folio.fail();
                break;
            }
            // One that is not filled is asked for again when it is needed.
            let _ = folio.fill(&content, len - left);
            left -= whole;
        }
    }
}
