// SPDX-License-Identifier: MIT OR Apache-2.0

//! How a link was made to be.

use serde::{Deserialize, Serialize};

use super::{Faults, Rate};

/// A node on a rail, with what was done to it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Host id of the node.
    pub node: u32,
    /// The rail.
    pub rail: u8,
    /// Its interface has a carrier, when it runs.
    pub carrier: bool,
    /// What becomes of that which it sends.
    pub sent: WayStatus,
    /// What becomes of that which it is sent.
    pub received: WayStatus,
    /// Its part of the rail, 1 and on, in a partition; 0 are the nodes that were not named, and
    /// all without one. Only nodes of the same part hear each other.
    pub group: usize,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayStatus {
    /// Everything is lost without a word.
    pub cut: bool,
    /// Its limit.
    pub rate: Option<Rate>,
    /// What befalls frames.
    pub faults: Faults,
}

impl LinkStatus {
    /// Whether it is as it is in a cluster to which nothing was done.
    pub fn is_whole(&self) -> bool {
        let whole = |way: &WayStatus| !way.cut && way.faults.is_none();
        self.carrier && self.group == 0 && whole(&self.sent) && whole(&self.received)
    }
}
