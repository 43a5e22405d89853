// SPDX-License-Identifier: GPL-2.0-only

//! What the communication manager counts; shown in `/sys/kernel/podos/cm`.

use core::sync::atomic::{AtomicU64, Ordering};
use podos_proto::endpoint::{Dropped, Unwanted};
use podos_proto::keys::AuthError;
use podos_proto::tgroup::{PerRail, RailId};
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

/// All counters of a node.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) rails: PerRail<Traffic>,
    pub(crate) dropped: [Counter; DropReason::COUNT],
    pub(crate) unwanted: [Counter; Unwanted::COUNT],
    pub(crate) unauthentic: [Counter; AuthError::COUNT],
    pub(crate) opened: Counter,
    pub(crate) accepted: Counter,
}

impl Counters {
    pub(crate) fn sent(&self, rail: RailId, bytes: usize) {
        let traffic = &self.rails[rail];
        traffic.sent_frames.add(1);
        traffic.sent_bytes.add(bytes as u64);
    }

    pub(crate) fn received(&self, rail: RailId, bytes: usize) {
        let traffic = &self.rails[rail];
        traffic.received_frames.add(1);
        traffic.received_bytes.add(bytes as u64);
    }

    /// A frame that came on `rail` was dropped.
    pub(crate) fn dropped(&self, rail: RailId, why: Dropped) {
        let counter = match why {
            Dropped::Malformed(reason) => self.dropped.get(reason as usize),
            Dropped::Unauthentic(why) => self.unauthentic.get(why as usize),
            Dropped::Unwanted(why) => self.unwanted.get(why as usize),
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
        trace::dropped(rail, || why.name());
    }

    pub(crate) fn opened(&self) {
        self.opened.add(1);
    }

    pub(crate) fn accepted(&self) {
        self.accepted.add(1);
    }
}
