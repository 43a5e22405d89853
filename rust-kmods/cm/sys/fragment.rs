// SPDX-License-Identifier: GPL-2.0-only

//! Fragments of pages: where data lie that are to be sent.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::bindings;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;

use super::SegmentData;

/// Memory for data to send, not yet shown to anybody.
///
/// # Invariants
///
/// `page` is mapped, and a reference to it is ours. Its `len` bytes from `offset` on, physically
/// contiguous, are nobody else's.
pub(crate) struct Fragment {
    page: NonNull<bindings::page>,
    offset: u32,
    len: u16,
}

// SAFETY: By the type invariant the memory is nobody else's.
unsafe impl Send for Fragment {}
// SAFETY: A shared reference only reads.
unsafe impl Sync for Fragment {}

impl Fragment {
    /// Memory for `wanted` bytes, or, when only single pages are left, for fewer, but one at least.
    /// It holds whatever the memory held. Context: process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if nothing is wanted.
    pub(crate) fn new(wanted: usize) -> Result<Self> {
        let wanted = u16::try_from(wanted)?;
        if wanted == 0 {
            return Err(EINVAL);
        }
        // The page that TCP cuts its fragments from, too: one for each task.
        // SAFETY: The current task is valid, and nobody else uses this field of it; nor does an
        // interrupt.
        let frag = unsafe { &mut (*bindings::get_current()).task_frag };
        // SAFETY: The fragment is valid. It is not used again before it was taken from below.
        if !unsafe { bindings::skb_page_frag_refill(wanted.into(), frag, bindings::GFP_KERNEL) } {
            return Err(ENOMEM);
        }
        let page = NonNull::new(frag.page).ok_or(ENOMEM)?;
        let offset = frag.offset;
        let len = u32::from(wanted).min(frag.size - offset) as u16;
        frag.offset += u32::from(len);
        // SAFETY: The task holds a reference.
        unsafe { bindings::get_page(page.as_ptr()) };
        // INVARIANT: Taken from the task's page just now; the task gives no byte away twice.
        Ok(Self { page, offset, len })
    }

    /// Memory for `wanted` bytes. Context: any.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new_atomic(wanted: usize) -> Result<Self> {
        let len = u16::try_from(wanted)?;
        let order = wanted
            .div_ceil(PAGE_SIZE)
            .next_power_of_two()
            .trailing_zeros();
        let flags = bindings::GFP_ATOMIC | 1 << bindings::___GFP_COMP_BIT;
        // SAFETY: Plain FFI call; the pages are one compound page, that is, they are freed together.
        let page = unsafe { bindings::alloc_pages(flags, order) };
        // INVARIANT: New.
        Ok(Self {
            page: NonNull::new(page).ok_or(ENOMEM)?,
            offset: 0,
            len,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    /// The memory.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant. Memory that comes from C has a value, whatever it is.
        unsafe {
            let start = bindings::page_address(self.page.as_ptr()).cast::<u8>();
            core::slice::from_raw_parts_mut(start.add(self.offset as usize), self.len.into())
        }
    }

    /// The first `len` bytes as data to send. All of them must have been written: they go out to
    /// other machines.
    pub(crate) fn freeze(self, len: usize) -> SegmentData {
        let len = self.len.min(u16::try_from(len).unwrap_or(u16::MAX));
        let (page, offset) = (self.page, self.offset);
        core::mem::forget(self);
        // SAFETY: By the type invariant, with the reference that was ours; nobody will write there
        // any more.
        unsafe { SegmentData::sent(page, offset, len) }
    }
}

impl Drop for Fragment {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::put_page(self.page.as_ptr()) };
    }
}

/// A part of a page that is only read.
///
/// # Invariants
///
/// `page` is mapped for `'a`, and nobody writes to its `len` bytes from `offset` on as long as
/// anybody holds a reference to it.
#[derive(Clone, Copy)]
pub(crate) struct PageFragment<'a> {
    page: NonNull<bindings::page>,
    offset: u32,
    len: u16,
    _page: PhantomData<&'a SegmentData>,
}

impl<'a> PageFragment<'a> {
    /// See the type.
    ///
    /// # Safety
    ///
    /// The type's invariant holds for the lifetime that the caller gives the value.
    pub(super) unsafe fn new(page: NonNull<bindings::page>, offset: u32, len: u16) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            page,
            offset,
            len,
            _page: PhantomData,
        }
    }

    /// The part of it that has `len` bytes from `start` on, if there is one.
    pub(crate) fn part(self, start: usize, len: usize) -> Option<Self> {
        let whole = usize::from(self.len);
        (start <= whole && len <= whole - start).then(|| Self {
            offset: self.offset + start as u32,
            len: len as u16,
            ..self
        })
    }

    /// The bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        // SAFETY: By the type invariant.
        unsafe {
            let start = bindings::page_address(self.page.as_ptr()).cast::<u8>();
            core::slice::from_raw_parts(start.add(self.offset as usize), self.len.into())
        }
    }

    /// A reference to the page, which the caller gives back; where in it the bytes are, and how
    /// many.
    pub(super) fn into_reference(self) -> (NonNull<bindings::page>, u32, u16) {
        // SAFETY: By the type invariant somebody holds one.
        unsafe { bindings::get_page(self.page.as_ptr()) };
        (self.page, self.offset, self.len)
    }
}
