// SPDX-License-Identifier: GPL-2.0-only

//! Fragments of pages, which hold the data to send.

use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::cpu::CpuId;
use kernel::page::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::SpinLock;
use kernel::{bindings, new_spinlock};

use super::SegmentData;

/// Pages that are taken at once, as a power of two: 32 KiB.
const ORDER: u32 = 3;

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
    /// Memory for `wanted` bytes. Context: any.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new_atomic(wanted: usize) -> Result<Self> {
        let order = wanted
            .div_ceil(PAGE_SIZE)
            .next_power_of_two()
            .trailing_zeros();
        let mut fragment = Self::of_pages(order, bindings::GFP_ATOMIC)?;
        fragment.len = fragment.len.min(u16::try_from(wanted)?);
        Ok(fragment)
    }

    /// 2^`order` pages that lie together.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if they are more than a fragment can have.
    fn of_pages(order: u32, flags: bindings::gfp_t) -> Result<Self> {
        let len = u16::try_from(PAGE_SIZE << order)?;
        let flags = flags | 1 << bindings::___GFP_COMP_BIT;
        // SAFETY: Plain FFI call; the pages are one compound page, that is, they are freed together.
        let page = unsafe { bindings::alloc_pages(flags, order) };
        // INVARIANT: New.
        Ok(Self {
            page: NonNull::new(page).ok_or(ENOMEM)?,
            offset: 0,
            len,
        })
    }

    /// Takes the first `len` bytes off, or all if they are fewer.
    fn cut(&mut self, len: usize) -> Self {
        let len = self.len.min(u16::try_from(len).unwrap_or(u16::MAX));
        let (page, offset) = (self.page, self.offset);
        // SAFETY: By the type invariant a reference is ours.
        unsafe { bindings::get_page(page.as_ptr()) };
        self.offset += u32::from(len);
        self.len -= len;
        // INVARIANT: They were ours, and are not `self`'s any more.
        Self { page, offset, len }
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

/// Where fragments are cut from: pages for each processor, so that those who send there need not wait
/// for others, and a circuit that sends nothing keeps none.
///
/// They are CM's alone. A task's `task_frag`, from which the kernel's own protocols cut, is no place
/// for it: they copy from user memory between looking at it and taking from it, and where a page
/// fault leads to PDFS, this sends in between.
pub(crate) struct FragmentPages {
    by_processor: KVec<Pin<KBox<Pages>>>,
}

#[pin_data]
struct Pages {
    /// What was not taken yet.
    #[pin]
    rest: SpinLock<Option<Fragment>>,
}

impl FragmentPages {
    /// No pages yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let count = kernel::cpu::nr_cpu_ids() as usize;
        let mut by_processor = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let pages = pin_init!(Pages {
                rest <- new_spinlock!(None, "podos_fragments"),
            });
            by_processor.push(KBox::pin_init(pages, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self { by_processor })
    }

    /// Memory for `wanted` bytes, or, when only single pages are left, for fewer, but one at least.
    /// It holds whatever the memory held. Context: process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` if nothing is wanted.
    pub(crate) fn take(&self, wanted: usize) -> Result<Fragment> {
        if wanted == 0 {
            return Err(EINVAL);
        }
        // It does no harm if the task moves on meanwhile.
        let processor = CpuId::current().as_u32() as usize;
        let rest = &self.by_processor.get(processor).ok_or(EINVAL)?.rest;
        {
            let mut rest = rest.lock();
            match &mut *rest {
                Some(rest) if rest.len() >= wanted => return Ok(rest.cut(wanted)),
                _ => {}
            }
        }
        // Outside of the lock, since this may sleep.
        let mut fresh = Self::fresh()?;
        let taken = fresh.cut(wanted);
        let mut rest = rest.lock();
        let worse = match &mut *rest {
            Some(rest) if rest.len() >= fresh.len() => fresh,
            rest => match rest.replace(fresh) {
                Some(old) => old,
                None => return Ok(taken),
            },
        };
        drop(rest);
        drop(worse);
        Ok(taken)
    }

    /// Several pages if they are to be had easily, else one.
    fn fresh() -> Result<Fragment> {
        let easily = (bindings::GFP_KERNEL & !(1 << bindings::___GFP_DIRECT_RECLAIM_BIT))
            | 1 << bindings::___GFP_NOWARN_BIT
            | 1 << bindings::___GFP_NORETRY_BIT;
        Fragment::of_pages(ORDER, easily).or_else(|_| Fragment::of_pages(0, bindings::GFP_KERNEL))
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
