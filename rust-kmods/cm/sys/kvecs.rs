// SPDX-License-Identifier: GPL-2.0-only

//! Pieces of kernel memory that are read or written as one.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use kernel::bindings;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;

/// Pieces of memory that `M` borrows: `&[u8]` or `&mut [u8]`.
///
/// # Invariants
///
/// Every element is a slice that is borrowed for as long as the value lives.
struct Pieces<M> {
    pieces: KVVec<bindings::kvec>,
    len: usize,
    _borrowed: PhantomData<M>,
}

impl<M> Pieces<M> {
    fn add(&mut self, start: *mut u8, len: usize) -> Result {
        let piece = bindings::kvec {
            iov_base: start.cast(),
            iov_len: len,
        };
        self.pieces.push(piece, GFP_KERNEL)?;
        self.len += len;
        Ok(())
    }

    /// An iterator over the pieces; `direction` as the kernel has it.
    fn iter(&self, direction: c_uint) -> MaybeUninit<bindings::iov_iter> {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: The call initialises `iter`; the pieces outlive it, as both callers of this
        // function see to.
        unsafe {
            bindings::iov_iter_kvec(
                iter.as_mut_ptr(),
                direction,
                self.pieces.as_ptr(),
                self.pieces.len(),
                self.len,
            );
        }
        iter
    }
}

/// Reads `pieces` one behind the other.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn read_from<'a, R>(
    pieces: impl Iterator<Item = &'a [u8]>,
    read: impl FnOnce(&mut IovIterSource<'a>) -> R,
) -> Result<R> {
    let mut all = Pieces {
        pieces: KVVec::new(),
        len: 0,
        _borrowed: PhantomData::<&'a [u8]>,
    };
    for piece in pieces {
        // INVARIANT: The slices are borrowed for `'a`.
        all.add(piece.as_ptr().cast_mut(), piece.len())?;
    }
    let mut iter = all.iter(bindings::ITER_SOURCE);
    // SAFETY: Initialised, a source, and its memory is borrowed for `'a`.
    Ok(read(unsafe { IovIterSource::from_raw(iter.as_mut_ptr()) }))
}

/// Writes `pieces` one behind the other. Gives how many bytes were written.
///
/// # Errors
///
/// `ENOMEM`, and those of `write`.
pub(crate) fn write_to<'a>(
    pieces: impl Iterator<Item = &'a mut [u8]>,
    write: impl FnOnce(&mut IovIterDest<'a>) -> Result,
) -> Result<usize> {
    let mut all = Pieces {
        pieces: KVVec::new(),
        len: 0,
        _borrowed: PhantomData::<&'a mut [u8]>,
    };
    for piece in pieces {
        // INVARIANT: The slices are borrowed for `'a`.
        all.add(piece.as_mut_ptr(), piece.len())?;
    }
    let mut iter = all.iter(bindings::ITER_DEST);
    // SAFETY: Initialised, a destination, and its memory is borrowed for `'a`.
    let to = unsafe { IovIterDest::from_raw(iter.as_mut_ptr()) };
    write(to)?;
    Ok(all.len - to.len())
}
