// SPDX-License-Identifier: MIT OR Apache-2.0

//! One fault, with all that was drawn for it.

use std::fmt;
use std::time::{Duration, Instant};

use podos_switch::{Faults, Rate, Selector};
use serde::{Deserialize, Serialize};

use crate::client::cluster::Cluster;
use crate::client::node::Node;
use crate::control::NodeState;
use crate::error::{Error, Result};
use crate::topology::{node_name, Topology};

/// How long a node may take to boot among others that work; generous, for hosts are crowded.
const BOOTS_WITHIN: Duration = Duration::from_secs(240);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What kinds of faults there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A node's plug is pulled on a rail.
    Carrier,
    /// A rail, or a node on it, loses everything without a word.
    Cut,
    /// All rails lose frames.
    Loss,
    /// All rails delay, corrupt, duplicate and reorder frames.
    Noise,
    /// What nodes receive on a rail is slow.
    Slow,
    /// The cluster falls into two parts.
    Partition,
    /// A node loses its power, and boots.
    Kill,
    /// A node is switched off in good order, and boots.
    PowerOff,
    /// A node's kernel panics; it boots.
    Panic,
    /// A node is reset.
    Reset,
    /// A node stands still.
    Pause,
    /// A node has no memory left for a moment.
    Memory,
    /// A file system of a node is full.
    Disk,
    /// A node's time of day jumps.
    Clock,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Carrier,
        Self::Cut,
        Self::Loss,
        Self::Noise,
        Self::Slow,
        Self::Partition,
        Self::Kill,
        Self::PowerOff,
        Self::Panic,
        Self::Reset,
        Self::Pause,
        Self::Memory,
        Self::Disk,
        Self::Clock,
    ];

    /// Whether only network `switch` can make it.
    pub fn needs_switch(self) -> bool {
        matches!(self, Self::Loss | Self::Noise | Self::Partition)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Carrier => "carrier",
            Self::Cut => "cut",
            Self::Loss => "loss",
            Self::Noise => "noise",
            Self::Slow => "slow",
            Self::Partition => "partition",
            Self::Kill => "kill",
            Self::PowerOff => "power-off",
            Self::Panic => "panic",
            Self::Reset => "reset",
            Self::Pause => "pause",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Clock => "clock",
        })
    }
}

/// One of them, with its place in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// Where.
    pub(super) place: Place,
}

/// What there is to know beside the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Node(u32),
    Link { node: u32, rail: u8 },
    Rail { at: Selector },
    Frames(Faults),
    Slow { at: Selector, rate: Rate },
    Parts(Vec<u32>),
    Folder { node: u32, folder: String },
    Clock { node: u32, by: i64 },
}

impl Fault {
    /// The node that it is a fault of.
    pub fn node(&self) -> Option<u32> {
        match self.place {
            Place::Node(node) | Place::Folder { node, .. } | Place::Clock { node, .. } => {
                Some(node)
            }
            _ => None,
        }
    }

    /// Whether the node's memory is lost by it.
    pub fn ends_a_boot(&self) -> bool {
        use Kind::{Kill, Panic, PowerOff, Reset};
        matches!(self.kind, Kill | PowerOff | Panic | Reset)
    }

    /// The nodes with which calls may fail because of it. A fault that another rail makes up for,
    /// or that CM has to, strikes none.
    pub fn strikes(&self, topology: &Topology) -> Vec<u32> {
        let alone = topology.rails.len() == 1;
        match (&self.place, self.kind) {
            (_, Kind::Clock) => Vec::new(),
            (Place::Node(node) | Place::Folder { node, .. }, _) => vec![*node],
            (Place::Link { node, .. }, _) if alone => vec![*node],
            (Place::Rail { .. }, _) if alone => topology.nodes.clone(),
            (Place::Parts(_), _) => topology.nodes.clone(),
            _ => Vec::new(),
        }
    }

    /// Injects it into the cluster.
    pub fn begin(&self, cluster: &Cluster) -> Result<()> {
        match (&self.place, self.kind) {
            (Place::Link { node, rail }, _) => cluster.node(*node)?.link_down(*rail),
            (Place::Rail { at }, _) => cluster.cut(*at),
            (Place::Frames(faults), _) => cluster.switch()?.set(Selector::ALL, *faults),
            (Place::Slow { at, rate }, _) => cluster.rate(*at, Some(*rate)),
            (Place::Parts(part), _) => cluster.switch()?.partition(None, &[part]),
            (Place::Folder { node, folder }, _) => cluster.node(*node)?.fill_disk(folder),
            (Place::Clock { node, by }, _) => cluster.node(*node)?.jump_clock(*by),
            (Place::Node(node), kind) => {
                let node = cluster.node(*node)?;
                match kind {
                    Kind::Kill => node.kill(),
                    Kind::PowerOff => node.power_off(),
                    Kind::Panic => node.panic(),
                    Kind::Reset => node.reset(),
                    Kind::Memory => node.exhaust_memory(),
                    _ => node.pause(),
                }
            }
        }
    }

    /// Ends it. A node that lost its memory is up again afterwards.
    pub fn end(&self, cluster: &Cluster) -> Result<()> {
        match (&self.place, self.kind) {
            (Place::Link { node, rail }, _) => cluster.node(*node)?.link_up(*rail),
            (Place::Rail { at }, _) => cluster.mend(*at),
            (Place::Frames(_), _) => cluster.switch()?.set(Selector::ALL, Faults::default()),
            (Place::Slow { at, .. }, _) => {
                let rail = at.rail.and_then(|rail| {
                    let rails = &cluster.topology().rails;
                    rails.get(usize::from(rail))
                });
                cluster.rate(*at, rail.and_then(|rail| rail.rate))
            }
            (Place::Parts(_), _) => cluster.switch()?.heal(None),
            (Place::Folder { node, folder }, _) => cluster.node(*node)?.free_disk(folder),
            (Place::Clock { node, .. }, _) => cluster.node(*node)?.set_clock(),
            (Place::Node(node), kind) => {
                let node = cluster.node(*node)?;
                match kind {
                    Kind::Pause => node.resume(),
                    Kind::Reset => until_up(&node),
                    Kind::Kill | Kind::PowerOff | Kind::Panic => {
                        node.start()?;
                        until_up(&node)
                    }
                    // It was over when the memory was there again.
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Waits until a node's boot is over, and went well.
fn until_up(node: &Node<'_>) -> Result<()> {
    let deadline = Instant::now() + BOOTS_WITHIN;
    loop {
        let status = node.cluster().status()?;
        let now = status.nodes.iter().find(|one| one.id == node.id());
        let state = now.map_or(NodeState::Down, |now| now.state);
        let waits = state == NodeState::Booting && Instant::now() < deadline;
        if state == NodeState::Up {
            return Ok(());
        }
        if !waits {
            let problems = now.map(|now| now.problems.join("; ")).unwrap_or_default();
            return Err(Error::Fault {
                node: node.name(),
                fault: "boot after a fault",
                reason: format!("it is {state} {problems}").trim_end().to_owned(),
            });
        }
        std::thread::sleep(PAUSE);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        match &self.place {
            Place::Node(node) => f.write_str(&node_name(*node)),
            Place::Link { node, rail } => write!(f, "{} rail {rail}", node_name(*node)),
            Place::Rail { at } => write!(f, "{at}"),
            Place::Frames(faults) => write!(f, "{faults}"),
            Place::Slow { at, rate } => write!(f, "{at} {rate}"),
            Place::Parts(part) => {
                let names = part.iter().map(|node| node_name(*node));
                f.write_str(&names.collect::<Vec<_>>().join(","))
            }
            Place::Folder { node, folder } => write!(f, "{} {folder}", node_name(*node)),
            Place::Clock { node, by } => write!(f, "{} {by:+} s", node_name(*node)),
        }
    }
}
