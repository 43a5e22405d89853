// SPDX-License-Identifier: MIT OR Apache-2.0

//! One network of a cluster.

use podos_switch::{Rate, MAX_MTU};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A network that joins all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Rail {
    /// Longest payload of a frame, in bytes, 68 to 9000; the nodes' interfaces have it from
    /// their first moment.
    pub mtu: u16,
    /// How fast every node is sent its frames at first; as fast as can be if unset.
    pub rate: Option<Rate>,
}

/// What virtio-net and Ethernet interfaces take at least.
const MIN_MTU: u16 = 68;

impl Rail {
    /// A rail for frames of this size, as fast as can be.
    pub fn of_mtu(mtu: u16) -> Self {
        Self { mtu, rate: None }
    }

    /// The same, this fast.
    pub fn rate(self, rate: Rate) -> Self {
        let rate = Some(rate);
        Self { rate, ..self }
    }

    pub(super) fn check(&self) -> Result<()> {
        if (MIN_MTU..=MAX_MTU).contains(&self.mtu) {
            return Ok(());
        }
        let reason = format!("a rail's MTU is {MIN_MTU} to {MAX_MTU}, not {}", self.mtu);
        Err(Error::Topology {
            flag: "--mtu",
            reason,
        })
    }
}

impl Default for Rail {
    fn default() -> Self {
        Self::of_mtu(1500)
    }
}
