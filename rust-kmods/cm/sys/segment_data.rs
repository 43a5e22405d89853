// SPDX-License-Identifier: GPL-2.0-only

//! The data of a segment, in place.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;
use podos_proto::circuit::Payload;
use podos_proto::kept::KeptLimit;
use podos_proto::HostId;

use super::kept::Charge;
use super::skb::{self, Parts, SkBuff};
use super::PageFragment;

/// Data that circuits carry: those to send in a fragment of pages, those received in the socket
/// buffers that they came in.
///
/// Circuits have room for many of these, hence no more than 16 bytes.
pub(crate) struct SegmentData(Place);

const _: () = assert!(size_of::<Option<SegmentData>>() == 16);

/// # Invariants
///
/// As said at the variants.
enum Place {
    /// Nowhere.
    Empty,
    /// `page` is mapped, and a reference to it is ours. Nobody writes to its `len` bytes from
    /// `offset` on.
    Sent {
        page: NonNull<bindings::page>,
        offset: u32,
        len: u16,
    },
    /// `first` and those that are linked behind it are as [`SkBuff`] owns them, and ours; the `prev`
    /// pointer of the first is the last of them, and each has its [`Charge`] noted. Together they
    /// have `len` bytes.
    Received {
        first: NonNull<bindings::sk_buff>,
        len: u32,
    },
}

// SAFETY: By the type invariant pages are only read, and socket buffers nobody else's.
unsafe impl Send for SegmentData {}
// SAFETY: A shared reference only reads.
unsafe impl Sync for SegmentData {}

impl SegmentData {
    /// No data.
    pub(crate) const EMPTY: Self = Self(Place::Empty);

    /// Data to send.
    ///
    /// # Safety
    ///
    /// The caller gives a reference to `page` up; see [`Place::Sent`].
    pub(super) unsafe fn sent(page: NonNull<bindings::page>, offset: u32, len: u16) -> Self {
        // INVARIANT: By the safety requirement.
        Self(Place::Sent { page, offset, len })
    }

    /// Data to send: `len` bytes from `start` on, which lie in one place. `None` if there are not
    /// so many.
    pub(crate) fn piece(&self, start: usize, len: usize) -> Option<PageFragment<'_>> {
        match self.0 {
            // SAFETY: By the type invariant.
            Place::Sent { page, offset, len } => unsafe { PageFragment::new(page, offset, len) },
            Place::Empty | Place::Received { .. } => return None,
        }
        .part(start, len)
    }

    /// The data, part by part.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let sent = self.piece(0, self.len()).map(PageFragment::bytes);
        let received = match self.0 {
            // SAFETY: By the type invariant.
            Place::Received { first, len } => Some(unsafe { Parts::new(first, len as usize) }),
            Place::Empty | Place::Sent { .. } => None,
        };
        Iterator::chain(sent.into_iter(), received.into_iter().flatten())
    }

    /// Counts what came in one frame of `host`'s as kept, until it is dropped. Whether the limit
    /// admits that; if not, the data are to be dropped.
    pub(crate) fn keep(&mut self, limit: KeptLimit, host: HostId, needed: bool) -> bool {
        let Place::Received { first, .. } = self.0 else {
            return true;
        };
        // SAFETY: By the type invariant.
        let bytes = unsafe { skb::size_in_memory(first) };
        let Some(charge) = Charge::take(limit, host, bytes, needed) else {
            return false;
        };
        // SAFETY: By the type invariant.
        unsafe {
            skb::charge(first).give_back();
            skb::set_charge(first, charge);
        }
        true
    }

    /// Has all of it lie in one place.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn linear(&mut self) -> Result<&[u8]> {
        // SAFETY: By the type invariant.
        if matches!(self.0, Place::Received { first, .. } if unsafe { skb::next(first) }.is_some())
        {
            let joined = SkBuff::filled(0, self.len(), |all| {
                let mut rest = all;
                for part in self.parts() {
                    let (now, later) = rest.split_at_mut_checked(part.len()).ok_or(EINVAL)?;
                    now.copy_from_slice(part);
                    rest = later;
                }
                Ok(())
            })?;
            *self = Self::from(joined);
        }
        if let Place::Received { first, .. } = self.0 {
            // SAFETY: By the type invariant it is the only one, and it goes back below: it stays
            // the same buffer.
            let mut only = core::mem::ManuallyDrop::new(unsafe { SkBuff::from_raw(first) });
            only.linear()?;
        }
        Ok(self.parts().next().unwrap_or_default())
    }
}

impl From<SkBuff> for SegmentData {
    fn from(skb: SkBuff) -> Self {
        let len = skb.len() as u32;
        if len == 0 {
            return Self::EMPTY;
        }
        let first = skb.into_raw();
        // SAFETY: The buffer is ours.
        unsafe {
            skb::set_next(first, None);
            skb::set_prev(first, first);
            skb::set_charge(first, Charge::default());
        }
        // INVARIANT: Linked above.
        Self(Place::Received { first, len })
    }
}

impl Payload for SegmentData {
    type Ring<T> = KVec<T>;

    fn ring<T>(len: usize, mut make: impl FnMut() -> T) -> Option<KVec<T>> {
        let mut ring = KVec::with_capacity(len, GFP_ATOMIC).ok()?;
        for _ in 0..len {
            ring.push(make(), GFP_ATOMIC).ok()?;
        }
        Some(ring)
    }

    fn len(&self) -> usize {
        match self.0 {
            Place::Empty => 0,
            Place::Sent { len, .. } => len.into(),
            Place::Received { len, .. } => len as usize,
        }
    }

    fn append(&mut self, next: Self) {
        match (&mut self.0, &next.0) {
            (
                Place::Received { first, len },
                Place::Received {
                    first: second,
                    len: more,
                },
            ) => {
                // SAFETY: By the type invariant of both; what is linked here belongs to `self` from
                // now on.
                unsafe {
                    let last = skb::prev(*first);
                    skb::set_prev(*first, skb::prev(*second));
                    skb::set_next(last, Some(*second));
                }
                *len += more;
                core::mem::forget(next);
            }
            // Only what was received comes in pieces.
            _ => *self = next,
        }
    }
}

impl Drop for SegmentData {
    fn drop(&mut self) {
        match self.0 {
            Place::Empty => {}
            // SAFETY: By the type invariant.
            Place::Sent { page, .. } => unsafe { bindings::put_page(page.as_ptr()) },
            Place::Received { first, .. } => {
                let mut rest = Some(first);
                while let Some(buffer) = rest {
                    // SAFETY: By the type invariant.
                    unsafe {
                        rest = skb::next(buffer);
                        skb::set_next(buffer, None);
                        skb::charge(buffer).give_back();
                        drop(SkBuff::from_raw(buffer));
                    }
                }
            }
        }
    }
}
