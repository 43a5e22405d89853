// SPDX-License-Identifier: GPL-2.0-only

//! What received data take in memory until they are read, and for whom they do.

use core::sync::atomic::{AtomicU64, Ordering};
use podos_proto::kept::KeptLimit;
use podos_proto::HostId;

/// Hosts that are counted apart: some may share a count.
const COUNTS: usize = 256;

/// Bytes of socket buffers that circuits keep.
///
/// They are statics as their users are not the node but buffers, which outlive it in their readers'
/// hands.
static ALL: AtomicU64 = AtomicU64::new(0);
static OF_HOST: [AtomicU64; COUNTS] = [const { AtomicU64::new(0) }; COUNTS];

/// What a buffer was counted as; nothing in a new one.
#[derive(Clone, Copy, Default)]
pub(super) struct Charge {
    bytes: u32,
    /// Where the host's count is.
    count: u8,
}

impl Charge {
    /// Counts a buffer of `host`'s that takes so many bytes, if [`KeptLimit::admits`] it.
    pub(super) fn take(limit: KeptLimit, host: HostId, bytes: u32, needed: bool) -> Option<Self> {
        // Neighbours have neighbouring host ids.
        let count = host.raw() as u8;
        let of_host = &OF_HOST[usize::from(count)];
        let more = u64::from(bytes);
        // Two that come at once see each other at the worst, and both are refused.
        let kept = ALL.fetch_add(more, Ordering::Relaxed);
        let own = of_host.fetch_add(more, Ordering::Relaxed);
        let charge = Self { bytes, count };
        if limit.admits(kept, own, more, needed) {
            return Some(charge);
        }
        charge.give_back();
        None
    }

    /// The buffer is kept no longer.
    pub(super) fn give_back(self) {
        let less = u64::from(self.bytes);
        ALL.fetch_sub(less, Ordering::Relaxed);
        OF_HOST[usize::from(self.count)].fetch_sub(less, Ordering::Relaxed);
    }
}

/// Bytes that received data take now.
pub(crate) fn kept_bytes() -> u64 {
    ALL.load(Ordering::Relaxed)
}
