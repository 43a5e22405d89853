// SPDX-License-Identifier: GPL-2.0-only

//! Socket buffers.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::error::to_result;
use kernel::prelude::*;
use podos_proto::tgroup::RailId;

use super::kept::Charge;
use super::queued;
use super::{NetDevice, PageFragment};

/// Length of an Ethernet header.
pub(crate) const ETHERNET_LEN: usize = 14;

/// A `struct sk_buff`: some bytes in its linear part, the rest wherever they came to lie.
///
/// # Invariants
///
/// `0` is a valid buffer that nobody else holds. Its data are initialised, consist of its linear
/// part and then its fragments (it has no list of further buffers), and all of them are mapped
/// memory. They may be shared with clones of the buffer, and so are only read, unless the function
/// says why they are not shared.
pub(crate) struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: By the type invariant nobody else holds the buffer.
unsafe impl Send for SkBuff {}
// SAFETY: A shared reference only reads.
unsafe impl Sync for SkBuff {}

impl SkBuff {
    /// A buffer of `len` bytes behind `headroom` free ones, written by `fill`, which must leave
    /// none of them as it was: they go out to other machines. Context: any.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and what `fill` gives.
    pub(crate) fn filled(
        headroom: usize,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result,
    ) -> Result<Self> {
        let size = headroom.checked_add(len).ok_or(EOVERFLOW)?.try_into()?;
        // SAFETY: Plain FFI call.
        let skb =
            unsafe { bindings::__alloc_skb(size, bindings::GFP_ATOMIC, 0, bindings::NUMA_NO_NODE) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: The buffer is new, empty, and `size` bytes large.
        unsafe {
            bindings::skb_reserve(skb.as_ptr(), headroom as c_int);
            bindings::skb_put(skb.as_ptr(), len as c_uint);
        }
        // INVARIANT: New, and `__alloc_skb` makes linear buffers. Memory that comes from C has a
        // value, whatever it is.
        let mut skb = Self(skb);
        // SAFETY: As above: a new buffer has no clones.
        fill(unsafe { skb.head_mut() })?;
        Ok(skb)
    }

    /// Takes over a received buffer.
    ///
    /// `None` if it can't be read, or there was no memory to make it so; it is freed then.
    ///
    /// # Safety
    ///
    /// `skb` is a valid buffer of which the caller gives up one reference. Context: softirq.
    pub(crate) unsafe fn from_received(skb: *mut bindings::sk_buff) -> Option<Self> {
        // SAFETY: By the safety requirement; the call frees the buffer when it returns null.
        let skb = unsafe { bindings::skb_share_check(skb, bindings::GFP_ATOMIC) };
        let skb = NonNull::new(skb)?;
        // SAFETY: `skb` is valid and not shared.
        let fits = unsafe {
            bindings::skb_frags_readable(skb.as_ptr())
                && (!bindings::skb_has_frag_list(skb.as_ptr())
                    || bindings::skb_linearize(skb.as_ptr()) == 0)
        };
        // INVARIANT: Made private above; without a list, or linear, or about to be freed.
        let skb = Self(skb);
        fits.then_some(skb)
    }

    /// Takes over the buffer.
    ///
    /// # Safety
    ///
    /// It came from [`SkBuff::into_raw`], and nobody uses it any more.
    pub(super) unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the safety requirement.
        Self(skb)
    }

    /// Gives the buffer up.
    pub(super) fn into_raw(self) -> NonNull<bindings::sk_buff> {
        let skb = self.0;
        core::mem::forget(self);
        skb
    }

    fn raw(&self) -> &bindings::sk_buff {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_ref() }
    }

    /// Bytes of data.
    pub(crate) fn len(&self) -> usize {
        self.raw().len as usize
    }

    /// Bytes of data in the linear part.
    fn head_len(&self) -> usize {
        (self.raw().len - self.raw().data_len) as usize
    }

    /// The data in the linear part.
    fn head(&self) -> &[u8] {
        // SAFETY: By the type invariant; the linear part starts at `data`.
        unsafe { core::slice::from_raw_parts(self.raw().data, self.head_len()) }
    }

    /// The data in the linear part, to write to.
    ///
    /// # Safety
    ///
    /// The buffer has no clones.
    unsafe fn head_mut(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant and the safety requirement.
        unsafe { core::slice::from_raw_parts_mut(self.raw().data, self.head_len()) }
    }

    /// The data, part by part: the linear part, then the fragments; none of them empty.
    pub(crate) fn parts(&self) -> Parts<'_> {
        // SAFETY: By the type invariant; the parts live as long as the buffer.
        unsafe { Parts::new(self.0, self.len()) }
    }

    /// Has the first `len` bytes of the data lie in one place, or all of them if they are fewer;
    /// gives what lies in one place, which is less if there was no memory. Context: any.
    pub(crate) fn start(&mut self, len: usize) -> &[u8] {
        let len = len.min(self.len());
        if self.head_len() < len {
            // SAFETY: By the type invariant. Whether it could be done shows in the length.
            unsafe { bindings::pskb_may_pull(self.0.as_ptr(), len as c_uint) };
        }
        self.head()
    }

    /// Has all data lie in one place. Context: any.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn linear(&mut self) -> Result<&[u8]> {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::skb_linearize(self.0.as_ptr()) })?;
        Ok(self.head())
    }

    /// Has all data lie in one place that nobody else sees, for decryption. Context: any.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn linearized_mut(&mut self) -> Result<&mut [u8]> {
        // SAFETY: By the type invariant.
        to_result(unsafe { bindings::skb_linearize_cow(self.0.as_ptr()) })?;
        // SAFETY: The call saw to it that there are no clones.
        Ok(unsafe { self.head_mut() })
    }

    /// Keeps only `len` bytes from `start` on. Context: any.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are fewer; `ENOMEM`.
    pub(crate) fn crop(&mut self, start: usize, len: usize) -> Result {
        let end = start.checked_add(len).ok_or(EINVAL)?;
        if end > self.len() {
            return Err(EINVAL);
        }
        if self.start(start).len() < start {
            return Err(ENOMEM);
        }
        // SAFETY: `start` and `end` lie within the data, and `start` within the linear part, as
        // seen above.
        unsafe {
            to_result(bindings::pskb_trim(self.0.as_ptr(), end as c_uint))?;
            bindings::skb_pull(self.0.as_ptr(), start as c_uint);
        }
        Ok(())
    }

    /// Puts `fragment` behind the data of a buffer from [`SkBuff::filled`], without a copy.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if the buffer takes no more fragments.
    pub(crate) fn add_fragment(&mut self, fragment: PageFragment<'_>) -> Result {
        // SAFETY: By the type invariant.
        let place = unsafe { (*bindings::skb_shinfo(self.0.as_ptr())).nr_frags };
        if u32::from(place) >= bindings::MAX_SKB_FRAGS {
            return Err(EMSGSIZE);
        }
        let (page, offset, len) = fragment.into_reference();
        // SAFETY: There is a free place, and the buffer takes the reference over. The fragment's
        // bytes are initialised and nobody writes to them any more.
        unsafe {
            bindings::skb_add_rx_frag(
                self.0.as_ptr(),
                place.into(),
                page.as_ptr(),
                offset as c_int,
                len.into(),
                len.into(),
            );
        }
        Ok(())
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

    /// Whether a received buffer was for its device's own address, or for a group that it is in, and
    /// has no VLAN's tag.
    pub(crate) fn is_for_this_station(&self) -> bool {
        // SAFETY: By the type invariant; both are plain numbers, whatever they hold.
        unsafe {
            let headers = self.raw().__bindgen_anon_4.headers.as_ref();
            let tag = headers.__bindgen_anon_2.vlan_all;
            u32::from(headers.pkt_type()) < bindings::PACKET_OTHERHOST && tag == 0
        }
    }

    /// Hands a buffer from [`SkBuff::filled`] to a device's queue, after it has written the source and
    /// the type into the Ethernet header that the buffer begins with. It counts as [queued](queued::queued_bytes) on `rail`.
    ///
    /// Whether it arrives is for the layers above to find out: a full queue drops. Interrupts
    /// have to be enabled.
    pub(crate) fn transmit(mut self, dev: &NetDevice, rail: RailId, ethertype: u16) {
        // SAFETY: Buffers from `filled` have no clones before they are handed on.
        let head = unsafe { self.head_mut() };
        let Some((header, _)) = head.split_first_chunk_mut::<ETHERNET_LEN>() else {
            return;
        };
        header[6..12].copy_from_slice(&dev.mac());
        header[12..].copy_from_slice(&ethertype.to_be_bytes());
        queued::account(&mut self, rail);
        let skb = self.into_raw().as_ptr();
        // SAFETY: The buffer is ours and valid until `__dev_queue_xmit`, which takes it over;
        // the device is kept by the reference.
        unsafe {
            bindings::skb_reset_mac_header(skb);
            bindings::skb_set_network_header(skb, ETHERNET_LEN as c_int);
            bindings::skb_set_dev(skb, dev.as_ptr(), ethertype.to_be());
            bindings::__dev_queue_xmit(skb, core::ptr::null_mut());
        }
    }

    /// Has `destructor` be called when the buffer is freed, with `argument` kept for it.
    ///
    /// # Safety
    ///
    /// The buffer was made by [`SkBuff::filled`]; `destructor` stays callable until then.
    pub(super) unsafe fn set_destructor(
        &mut self,
        destructor: unsafe extern "C" fn(*mut bindings::sk_buff),
        argument: usize,
    ) {
        // SAFETY: By the type invariant. Buffers of our own are no zero-copy ones, so that nobody
        // else uses the argument.
        unsafe {
            let shared = bindings::skb_shinfo(self.0.as_ptr());
            (*shared).__bindgen_anon_2.destructor_arg = core::ptr::without_provenance_mut(argument);
            (*self.0.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor = Some(destructor);
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

/// The buffer linked behind `skb`.
///
/// # Safety
///
/// `skb` is valid, and whoever owns it keeps its `next` pointer.
pub(super) unsafe fn next(skb: NonNull<bindings::sk_buff>) -> Option<NonNull<bindings::sk_buff>> {
    // SAFETY: By the safety requirement.
    NonNull::new(unsafe { skb.as_ref().__bindgen_anon_1.__bindgen_anon_1.next })
}

/// Links `next` behind `skb`.
///
/// # Safety
///
/// `skb` is valid, and the caller owns it.
pub(super) unsafe fn set_next(
    skb: NonNull<bindings::sk_buff>,
    next: Option<NonNull<bindings::sk_buff>>,
) {
    let next = next.map_or(core::ptr::null_mut(), NonNull::as_ptr);
    // SAFETY: By the safety requirement.
    unsafe { (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next = next };
}

/// What [`set_prev`] has put there.
///
/// # Safety
///
/// `skb` is valid, and whoever owns it has set its `prev` pointer.
pub(super) unsafe fn prev(skb: NonNull<bindings::sk_buff>) -> NonNull<bindings::sk_buff> {
    // SAFETY: By the safety requirement.
    unsafe { NonNull::new_unchecked(skb.as_ref().__bindgen_anon_1.__bindgen_anon_1.prev) }
}

/// Keeps `prev` with `skb`.
///
/// # Safety
///
/// `skb` is valid, and the caller owns it.
pub(super) unsafe fn set_prev(skb: NonNull<bindings::sk_buff>, prev: NonNull<bindings::sk_buff>) {
    // SAFETY: By the safety requirement.
    unsafe { (*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.prev = prev.as_ptr() };
}

/// Where in a buffer's `cb`, which is its owner's, its [`Charge`] is.
const CHARGE: usize = 8;

/// Notes what a buffer was counted as.
///
/// # Safety
///
/// `skb` is valid, and the caller owns it.
pub(super) unsafe fn set_charge(skb: NonNull<bindings::sk_buff>, charge: Charge) {
    // SAFETY: By the safety requirement; the place is within `cb`, of which nobody asks for
    // alignment.
    unsafe { charge_of(skb).write_unaligned(charge) };
}

/// What [`set_charge`] noted last.
///
/// # Safety
///
/// `skb` is valid, the caller owns it, and has noted something.
pub(super) unsafe fn charge(skb: NonNull<bindings::sk_buff>) -> Charge {
    // SAFETY: As in `set_charge`.
    unsafe { charge_of(skb).read_unaligned() }
}

/// # Safety
///
/// `skb` is valid.
unsafe fn charge_of(skb: NonNull<bindings::sk_buff>) -> *mut Charge {
    // SAFETY: By the safety requirement.
    let cb = unsafe { &raw mut (*skb.as_ptr()).cb };
    const { assert!(CHARGE + size_of::<Charge>() <= 48) };
    // SAFETY: `cb` has 48 bytes.
    unsafe { cb.cast::<u8>().add(CHARGE).cast() }
}

/// Bytes of memory that a buffer takes.
///
/// # Safety
///
/// `skb` is valid.
pub(super) unsafe fn size_in_memory(skb: NonNull<bindings::sk_buff>) -> u32 {
    // SAFETY: By the safety requirement.
    unsafe { (*skb.as_ptr()).truesize }
}

/// Buffers in the order in which they were put in, each with its rail, linked through themselves.
///
/// # Invariants
///
/// `ends` are the first and the last of a list of buffers that are ours, each linked to the next;
/// the first byte of each one's `cb`, which is its owner's, is the rail.
pub(crate) struct SkbQueue {
    ends: Option<(NonNull<bindings::sk_buff>, NonNull<bindings::sk_buff>)>,
}

impl SkbQueue {
    pub(crate) const fn new() -> Self {
        Self { ends: None }
    }

    pub(crate) fn push(&mut self, rail: RailId, skb: SkBuff) {
        let new = skb.into_raw();
        // SAFETY: `new` is ours, and by the type invariant so is `last`.
        unsafe {
            (*new.as_ptr()).cb[0] = rail as u8;
            set_next(new, None);
            if let Some((_, last)) = self.ends {
                set_next(last, Some(new));
            }
        }
        // INVARIANT: Linked above.
        let first = self.ends.map_or(new, |(first, _)| first);
        self.ends = Some((first, new));
    }

    pub(crate) fn pop(&mut self) -> Option<(RailId, SkBuff)> {
        let (first, last) = self.ends?;
        // SAFETY: By the type invariant `first` is ours, and the list gives it up. Who is given it
        // finds `cb` as in a new buffer.
        unsafe {
            self.ends = next(first).map(|second| (second, last));
            set_next(first, None);
            let number = core::mem::take(&mut (*first.as_ptr()).cb[0]);
            let skb = SkBuff::from_raw(first);
            // By the type invariant it is one.
            let rail = RailId::new(number.into())?;
            Some((rail, skb))
        }
    }
}

impl Drop for SkbQueue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// The data of buffers that are linked one behind the other, part by part.
///
/// # Invariants
///
/// `skb` and those linked behind it are as in `SkBuff`'s invariant, for `'a`, for at least `left`
/// bytes.
pub(crate) struct Parts<'a> {
    skb: NonNull<bindings::sk_buff>,
    /// 0: the linear part; from 1 on: the fragments.
    part: usize,
    left: usize,
    _buffers: core::marker::PhantomData<&'a SkBuff>,
}

impl Parts<'_> {
    /// The parts of `len` bytes from the start of `skb` on.
    ///
    /// # Safety
    ///
    /// `skb` and those linked behind it are as in `SkBuff`'s invariant, for the lifetime that the
    /// caller gives the value, and have so many bytes together.
    pub(super) unsafe fn new(skb: NonNull<bindings::sk_buff>, len: usize) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            skb,
            part: 0,
            left: len,
            _buffers: core::marker::PhantomData,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.left > 0 {
            // SAFETY: By the type invariant.
            let (raw, shared) =
                unsafe { (self.skb.as_ref(), &*bindings::skb_shinfo(self.skb.as_ptr())) };
            let (start, len) = if self.part == 0 {
                (raw.data.cast_const(), (raw.len - raw.data_len) as usize)
            } else if self.part <= usize::from(shared.nr_frags) {
                let fragment = &shared.frags[self.part - 1];
                // SAFETY: By the type invariant the fragment is a mapped page's.
                unsafe {
                    (
                        bindings::skb_frag_address(fragment)
                            .cast::<u8>()
                            .cast_const(),
                        bindings::skb_frag_size(fragment) as usize,
                    )
                }
            } else {
                // SAFETY: By the type invariant: bytes are left, so that there is another one.
                self.skb = unsafe { next(self.skb) }?;
                self.part = 0;
                continue;
            };
            self.part += 1;
            let len = len.min(self.left);
            self.left -= len;
            if len > 0 {
                // SAFETY: By the type invariant.
                return Some(unsafe { core::slice::from_raw_parts(start, len) });
            }
        }
        None
    }
}
