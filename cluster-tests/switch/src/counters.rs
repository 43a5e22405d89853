// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counters of the ports of a switch.

use serde::{Deserialize, Serialize};

/// What became of the frames of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortCounters {
    /// The rail.
    pub rail: u8,
    /// The node's host id.
    pub node: u32,
    /// Frames that the node sent.
    pub sent: Counters,
    /// Frames for the node.
    pub received: Counters,
}

/// What became of the frames that went one way through a port.
///
/// `frames` + `duplicated` = `forwarded` + `blocked` + `lost` + `overflowed` + `queued`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Frames that came in.
    pub frames: u64,
    /// Frames that came out at the other side.
    pub forwarded: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Frames that a cut or a partition stopped.
    pub blocked: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Frames that came twice.
    pub duplicated: u64,
    /// Frames that came out after one that came in later.
    pub reordered: u64,
    /// Frames of which bits flipped.
    pub corrupted: u64,
    /// Frames for which a queue had no room: that of the link's rate, or that to a node that
    /// does not read.
    pub overflowed: u64,
    /// Frames that are in there now.
    pub queued: u64,
}
