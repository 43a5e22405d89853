// SPDX-License-Identifier: MIT OR Apache-2.0

//! The status of a running cluster, as its supervisor sees it.

use std::fmt;
use std::path::PathBuf;

use podos_switch::{Faults, Rate, Selector};
use serde::{Deserialize, Serialize};

use crate::alarm::Alarm;
use crate::topology::Topology;

/// A running cluster, as its supervisor sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub name: String,
    /// What it was started as.
    pub topology: Topology,
    /// `tcg` or `kvm`.
    pub accelerator: String,
    /// Process id of the supervisor.
    pub supervisor: u32,
    /// Folder of the consoles and the control socket.
    #[serde(with = "crate::paths")]
    pub folder: PathBuf,
    /// The nodes, in the topology's order.
    pub nodes: Vec<NodeStatus>,
    /// Every node on every rail, node by node.
    pub links: Vec<LinkStatus>,
    /// The kernels' alarms so far.
    pub alarms: Vec<Alarm>,
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// QEMU runs, the agent has not answered yet.
    Booting,
    /// The agent says that boot is over and all went well.
    Up,
    /// The agent answers, but something did not start.
    Broken,
    /// It stands still.
    Paused,
    /// QEMU does not run.
    Down,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Booting => "booting",
            Self::Up => "up",
            Self::Broken => "broken",
            Self::Paused => "paused",
            Self::Down => "down",
        })
    }
}

/// A node of a running cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Host id.
    pub id: u32,
    /// Host name.
    pub name: String,
    /// How far it is.
    pub state: NodeState,
    /// What did not start, one line each.
    pub problems: Vec<String>,
    /// Process id of its QEMU, while it runs.
    pub qemu: Option<u32>,
    /// How often it was started.
    pub boots: u16,
    /// Its console's file.
    #[serde(with = "crate::paths")]
    pub console: PathBuf,
}

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
    pub sent: DirectionStatus,
    /// What becomes of that which it is sent.
    pub received: DirectionStatus,
    /// Its part of the rail, 1 and on, in a partition; 0 are the nodes that were not named, and
    /// all without one. Only nodes of the same part hear each other.
    pub group: usize,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionStatus {
    /// Everything is lost without a word.
    pub cut: bool,
    /// Its limit.
    pub rate: Option<Rate>,
    /// Faults of frames.
    pub faults: Faults,
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Selector::node(self.node).on_rail(self.rail))?;
        if !self.carrier {
            f.write_str(", no carrier")?;
        }
        if self.group > 0 {
            write!(f, ", part {} of a partition", self.group)?;
        }
        for (name, direction) in [("sent", &self.sent), ("received", &self.received)] {
            if *direction != DirectionStatus::default() {
                write!(f, ", {name}: {direction}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for DirectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.cut.then(|| "cut".to_owned()));
        words.extend(self.rate.map(|rate| rate.to_string()));
        words.extend((!self.faults.is_none()).then(|| self.faults.to_string()));
        f.write_str(&words.join(" and "))
    }
}

impl LinkStatus {
    /// Whether it is as it is in a cluster to which nothing was done.
    pub fn is_whole(&self) -> bool {
        let whole = |status: &DirectionStatus| !status.cut && status.faults.is_none();
        self.carrier && self.group == 0 && whole(&self.sent) && whole(&self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_switch::Chance;

    #[test]
    fn a_link_tells_what_was_done_to_it() {
        let whole = LinkStatus {
            node: 2,
            rail: 1,
            carrier: true,
            sent: DirectionStatus::default(),
            received: DirectionStatus::default(),
            group: 0,
        };
        assert!(whole.is_whole());
        assert_eq!(whole.to_string(), "rail 1 at linus2");
        let faults = Faults {
            loss: Chance::percent(5.0),
            ..Faults::default()
        };
        let sent = DirectionStatus {
            cut: true,
            rate: Some(Rate::mbit(10)),
            faults,
        };
        let link = LinkStatus {
            carrier: false,
            sent,
            group: 2,
            ..whole
        };
        assert_eq!(
            link.to_string(),
            "rail 1 at linus2, no carrier, part 2 of a partition, sent: cut and 10mbit and loss 5%"
        );
    }
}
