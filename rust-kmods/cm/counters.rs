// SPDX-License-Identifier: GPL-2.0-only

//! What the communication manager counts; shown in `/sys/kernel/podos/cm`.

use core::sync::atomic::{AtomicU64, Ordering};
use podos_proto::keys::AuthError;
use podos_proto::tgroup::MAX_RAILS;
use podos_proto::wire::DropReason;

use crate::sys::trace;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One rail's traffic; bytes count from the Ethernet header on.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) sent_frames: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) received_frames: Counter,
    pub(crate) received_bytes: Counter,
}

/// Why a frame that parses was dropped all the same.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Unwanted {
    /// It came from this node itself.
    Echo = 0,
    /// It is for another node, or another boot of this one.
    Misaddressed = 1,
    /// It is from a past boot, or there is no room for its sender in the table of peers.
    Peer = 2,
    /// Its circuit is not there (any more).
    NoCircuit = 3,
    /// It is a hello that makes no sense.
    Hello = 4,
    /// This node was not told yet how its cluster protects frames.
    NoMode = 5,
}

impl Unwanted {
    /// All of them with their names, in the order of their numbers.
    pub(crate) const NAMES: [&'static str; 6] = [
        "echo",
        "misaddressed",
        "peer",
        "no_circuit",
        "hello",
        "no_mode",
    ];
}

/// All counters of a node.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) rails: [Traffic; MAX_RAILS],
    pub(crate) dropped: [Counter; DropReason::COUNT],
    pub(crate) unwanted: [Counter; Unwanted::NAMES.len()],
    pub(crate) unauthentic: [Counter; AuthError::COUNT],
    pub(crate) opened: Counter,
    pub(crate) accepted: Counter,
}

impl Counters {
    pub(crate) fn sent(&self, rail: usize, bytes: usize) {
        if let Some(traffic) = self.rails.get(rail) {
            traffic.sent_frames.add(1);
            traffic.sent_bytes.add(bytes as u64);
        }
    }

    pub(crate) fn received(&self, rail: usize, bytes: usize) {
        if let Some(traffic) = self.rails.get(rail) {
            traffic.received_frames.add(1);
            traffic.received_bytes.add(bytes as u64);
        }
    }

    /// A frame that came on `rail` breaks the rules of the wire format.
    pub(crate) fn dropped(&self, rail: usize, reason: DropReason) {
        self.dropped[reason as usize].add(1);
        trace::dropped(rail, || reason.name());
    }

    /// A frame that came on `rail` is of no use.
    pub(crate) fn unwanted(&self, rail: usize, why: Unwanted) {
        self.unwanted[why as usize].add(1);
        trace::dropped(rail, || Unwanted::NAMES[why as usize]);
    }

    /// A frame that came on `rail` is no member's.
    pub(crate) fn unauthentic(&self, rail: usize, why: AuthError) {
        self.unauthentic[why as usize].add(1);
        trace::dropped(rail, || why.name());
    }

    pub(crate) fn opened(&self) {
        self.opened.add(1);
    }

    pub(crate) fn accepted(&self) {
        self.accepted.add(1);
    }
}
