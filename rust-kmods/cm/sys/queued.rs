// SPDX-License-Identifier: GPL-2.0-only

//! How much each rail's device still has to send.

use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::bindings;
use kernel::time::delay::fsleep;
use kernel::time::Delta;
use podos_proto::tgroup::{PerRail, RailId, MAX_RAILS};

use super::SkBuff;

/// Bytes of frames that were handed to a rail's device, or its queue, and not freed yet.
///
/// They are statics as their users are not the node but frames, which nobody can call back.
static QUEUED: PerRail<AtomicUsize> = PerRail::new([const { AtomicUsize::new(0) }; MAX_RAILS]);

/// Bits of a destructor's argument that hold the rail; the others hold the bytes.
const RAIL_BITS: u32 = MAX_RAILS.trailing_zeros();

/// Bytes that were handed to the rail's device and not sent yet.
pub(crate) fn queued_bytes(rail: RailId) -> usize {
    QUEUED[rail].load(Ordering::Relaxed)
}

/// Counts a frame of our own, which is about to be handed to the rail's device, until it is freed.
pub(super) fn account(frame: &mut SkBuff, rail: RailId) {
    let len = frame.len();
    QUEUED[rail].fetch_add(len, Ordering::Relaxed);
    // SAFETY: The caller has a frame of our own. `wait_until_sent` keeps the module's code for as
    // long as there are frames.
    unsafe { frame.set_destructor(sent, len << RAIL_BITS | rail.index()) };
}

/// The destructor of a counted frame.
///
/// # Safety
///
/// Called by the networking core for a frame that went through [`account`].
unsafe extern "C" fn sent(skb: *mut bindings::sk_buff) {
    // SAFETY: By the safety requirement; `account` has put the argument there.
    let argument = unsafe { (*bindings::skb_shinfo(skb)).__bindgen_anon_2.destructor_arg }.addr();
    if let Some(rail) = RailId::new(argument % MAX_RAILS) {
        // Releases what the frame used to whoever sees the 0.
        QUEUED[rail].fetch_sub(argument >> RAIL_BITS, Ordering::Release);
    }
}

/// Waits until no frame is left that would call this module. For the module's end, when nothing is
/// sent any more. Context: process.
pub(crate) fn wait_until_sent() {
    let is_queued = |bytes: &AtomicUsize| bytes.load(Ordering::Acquire) > 0;
    while QUEUED.values().iter().any(is_queued) {
        fsleep(Delta::from_millis(1));
    }
    // The last destructor may not have returned yet. Devices free frames with softirqs disabled,
    // which is an RCU read section.
    super::synchronize_net();
}
