// SPDX-License-Identifier: GPL-2.0-only

//! Socket buffers.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use podos_proto::circuit::Payload;

use super::NetDevice;

/// Whether an allocation may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// A process: it may.
    Process,
    /// Softirq, or under a spinlock: it may not.
    Atomic,
}

impl Context {
    fn gfp(self) -> bindings::gfp_t {
        match self {
            Context::Process => bindings::GFP_KERNEL,
            Context::Atomic => bindings::GFP_ATOMIC,
        }
    }
}

/// A `struct sk_buff` with all its data in its linear part.
///
/// # Invariants
///
/// `0` is a valid buffer that nobody else holds, and it is linear: `len` bytes from `data` on are
/// initialised and the buffer's own.
pub(crate) struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: By the type invariant nobody else holds the buffer.
unsafe impl Send for SkBuff {}
// SAFETY: A shared reference only reads.
unsafe impl Sync for SkBuff {}

impl SkBuff {
    fn zeroed(headroom: usize, len: usize, context: Context) -> Result<Self> {
        let size = headroom.checked_add(len).ok_or(EOVERFLOW)?.try_into()?;
        // SAFETY: Plain FFI call.
        let skb = unsafe { bindings::__alloc_skb(size, context.gfp(), 0, bindings::NUMA_NO_NODE) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: The buffer is new, empty, and `size` bytes large.
        unsafe { bindings::skb_reserve(skb.as_ptr(), headroom as c_int) };
        // SAFETY: As above; `len` bytes of tail room are left.
        unsafe { bindings::skb_put_zero(skb.as_ptr(), len as c_uint) };
        // INVARIANT: New, and `__alloc_skb` makes linear buffers.
        Ok(Self(skb))
    }

    /// Takes over a received buffer and makes it linear and private.
    ///
    /// `None` if there was no memory for that; the buffer is freed then.
    ///
    /// # Safety
    ///
    /// `skb` is a valid buffer of which the caller gives up one reference. Context: softirq.
    pub(crate) unsafe fn from_received(skb: *mut bindings::sk_buff) -> Option<Self> {
        // SAFETY: By the safety requirement; the call frees the buffer when it returns null.
        let skb = unsafe { bindings::skb_share_check(skb, bindings::GFP_ATOMIC) };
        let skb = NonNull::new(skb)?;
        // SAFETY: `skb` is valid and not shared.
        if unsafe { bindings::skb_linearize(skb.as_ptr()) } != 0 {
            // SAFETY: The reference is ours.
            unsafe { bindings::dev_consume_skb_any(skb.as_ptr()) };
            return None;
        }
        // INVARIANT: Made private and linear above.
        Some(Self(skb))
    }

    /// The data.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: By the type invariant.
        unsafe {
            let skb = self.0.as_ref();
            core::slice::from_raw_parts(skb.data, skb.len as usize)
        }
    }

    /// A buffer of `len` data bytes behind `headroom` free ones, written by `fill`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `fill` gives.
    pub(crate) fn filled(
        headroom: usize,
        len: usize,
        context: Context,
        fill: impl FnOnce(&mut [u8]) -> Result,
    ) -> Result<Self> {
        let mut skb = Self::zeroed(headroom, len, context)?;
        fill(skb.data_mut())?;
        Ok(skb)
    }

    /// The first bytes of the data, of a buffer that has just been made: nobody else can see it.
    fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant; the private callers hold buffers from `zeroed`, which
        // have no clones.
        unsafe {
            let skb = self.0.as_ref();
            core::slice::from_raw_parts_mut(skb.data, skb.len as usize)
        }
    }

    /// Keeps only `len` data bytes from `start` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are fewer.
    pub(crate) fn crop(&mut self, start: usize, len: usize) -> Result {
        let end = start.checked_add(len).ok_or(EINVAL)?;
        if end > self.data().len() {
            return Err(EINVAL);
        }
        // SAFETY: `start` and `end` lie within the data, as checked above; the buffer is linear.
        unsafe {
            bindings::skb_trim(self.0.as_ptr(), end as c_uint);
            bindings::skb_pull(self.0.as_ptr(), start as c_uint);
        }
        Ok(())
    }

    /// Writes the Ethernet header into the first bytes of a buffer from [`SkBuff::filled`].
    pub(crate) fn set_ethernet_header(
        &mut self,
        destination: [u8; 6],
        source: [u8; 6],
        ethertype: u16,
    ) {
        let header = self.data_mut();
        header[..6].copy_from_slice(&destination);
        header[6..12].copy_from_slice(&source);
        header[12..14].copy_from_slice(&ethertype.to_be_bytes());
    }

    /// The source address in the Ethernet header of a received buffer.
    pub(crate) fn source_mac(&self) -> [u8; 6] {
        let mut mac = [0; 6];
        // SAFETY: Ethernet devices set the MAC header of what they receive, `ETH_HLEN` bytes
        // within the linear part.
        unsafe {
            let header = bindings::skb_mac_header(self.0.as_ptr());
            core::ptr::copy_nonoverlapping(header.add(6), mac.as_mut_ptr(), mac.len());
        }
        mac
    }

    /// Hands the buffer, which starts with its Ethernet header, to a device's queue.
    ///
    /// Whether it arrives is for the layers above to find out: a full queue drops. Interrupts
    /// have to be enabled.
    pub(crate) fn transmit(self, dev: &NetDevice, ethertype: u16) {
        let skb = self.0.as_ptr();
        core::mem::forget(self);
        // SAFETY: The buffer is ours and valid until `__dev_queue_xmit`, which takes it over;
        // the device is kept by the reference.
        unsafe {
            bindings::skb_reset_mac_header(skb);
            bindings::skb_set_dev(skb, dev.as_ptr(), ethertype.to_be());
            bindings::__dev_queue_xmit(skb, core::ptr::null_mut());
        }
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the buffer is ours. This one may be called from any
        // context, with interrupts disabled too.
        unsafe { bindings::dev_consume_skb_any(self.0.as_ptr()) };
    }
}

impl Payload for SkBuff {
    fn len(&self) -> usize {
        self.data().len()
    }

    fn append(&mut self, next: Self) {
        let (head, tail) = (self.data(), next.data());
        let joined = Self::filled(0, head.len() + tail.len(), Context::Atomic, |data| {
            let (start, end) = data.split_at_mut(head.len());
            start.copy_from_slice(head);
            end.copy_from_slice(tail);
            Ok(())
        });
        // Without memory the length tells that nothing was appended.
        if let Ok(joined) = joined {
            *self = joined;
        }
    }
}

/// Buffers in the order in which they were put in, linked through themselves.
///
/// # Invariants
///
/// `head` is null or the first of a null-terminated list of buffers that are ours; `tail` is its
/// last one if there is one.
pub(crate) struct SkbQueue {
    head: *mut bindings::sk_buff,
    tail: *mut bindings::sk_buff,
}

impl SkbQueue {
    pub(crate) const fn new() -> Self {
        Self {
            head: core::ptr::null_mut(),
            tail: core::ptr::null_mut(),
        }
    }

    pub(crate) fn push(&mut self, skb: SkBuff) {
        let raw = skb.0.as_ptr();
        core::mem::forget(skb);
        // SAFETY: `raw` is ours, and by the type invariant so is `tail`.
        unsafe {
            Self::set_next(raw, core::ptr::null_mut());
            if self.head.is_null() {
                self.head = raw;
            } else {
                Self::set_next(self.tail, raw);
            }
        }
        self.tail = raw;
    }

    pub(crate) fn pop(&mut self) -> Option<SkBuff> {
        let first = NonNull::new(self.head)?;
        // SAFETY: By the type invariant `first` is ours.
        unsafe {
            self.head = first.as_ref().__bindgen_anon_1.__bindgen_anon_1.next;
            Self::set_next(first.as_ptr(), core::ptr::null_mut());
        }
        // INVARIANT: The list gave the buffer up.
        Some(SkBuff(first))
    }

    /// # Safety
    ///
    /// `skb` is valid and nobody else holds it.
    unsafe fn set_next(skb: *mut bindings::sk_buff, next: *mut bindings::sk_buff) {
        // SAFETY: By the safety requirement.
        unsafe { (*skb).__bindgen_anon_1.__bindgen_anon_1.next = next };
    }
}

impl Drop for SkbQueue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
