// SPDX-License-Identifier: GPL-2.0-only

//! Both ends of a rail to a peer.

use crate::hello;
use crate::seq::Seq;
use crate::time::{nanos, Duration, Instant};

/// What a rail takes until its hello says otherwise.
const USUAL_MTU: u16 = 1500;
/// How long a rail may be silent.
pub const RAIL_LIFETIME: Duration = Duration::from_millis(1200);
/// Hellos that a rail may miss while others bring them.
const MAX_MISSED: u32 = 2;
/// How long a rail that misses hellos must have been silent: it may bring other frames.
const MISSING: Duration = hello::INTERVAL.saturating_mul(2);

/// A peer's interface on one rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rail {
    /// The interface's hardware address.
    pub mac: [u8; 6],
    /// The most bytes behind the Ethernet header that it takes: its last hello says so.
    pub mtu: u16,
    /// The smoothed round-trip time over this rail in microseconds; 0 if it was never measured.
    pub rtt_us: u32,
    /// When it was last heard.
    pub last_heard: Instant,
    /// The number of the last hello that it brought, or that others brought before it was heard.
    pub(super) hello: Seq,
}

impl Rail {
    /// One that was never heard.
    pub(super) const UNHEARD: Rail = Rail {
        mac: [0; 6],
        mtu: USUAL_MTU,
        rtt_us: 0,
        last_heard: Instant::from_nanos(0),
        hello: Seq::ZERO,
    };

    /// Smooths as RFC 6298 does: an eighth of the new.
    pub(super) fn note_rtt(&mut self, rtt: Duration) {
        let micros = u32::try_from(nanos(rtt) / 1000).unwrap_or(u32::MAX).max(1);
        self.rtt_us = match self.rtt_us {
            0 => micros,
            smoothed => smoothed - smoothed / 8 + micros / 8,
        };
    }

    /// When it is heard no more, if nothing comes until then: a rail's lifetime after the last frame, or
    /// earlier if it missed hellos that other rails brought, of which `last_hello` is the last.
    pub(super) fn lost_at(&self, last_hello: Seq) -> Instant {
        self.last_heard
            + match self.misses(last_hello) {
                true => MISSING,
                false => RAIL_LIFETIME,
            }
    }

    /// Whether it missed too many of the hellos up to `last_hello`.
    pub(super) fn misses(&self, last_hello: Seq) -> bool {
        self.hello.distance_to(last_hello) > MAX_MISSED
    }
}

/// This node's end of a rail that it can send on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRail {
    /// Most bytes of a frame without its Ethernet header.
    pub mtu: u16,
    /// Bytes that the device was given and has not sent yet.
    pub queued_bytes: u32,
}
