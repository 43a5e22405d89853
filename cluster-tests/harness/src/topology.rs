// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a cluster consists of.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most nodes of one cluster: a rail's bridge takes 1,024 ports, and the last byte of a node's
/// address is its host id.
pub const MAX_NODES: u32 = 254;

/// How the rails of a cluster are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Net {
    /// A Linux bridge per rail and a tap per node and rail, in a private network namespace.
    #[default]
    Bridge,
}

/// A cluster as a value: the same serves a test and `cluster up`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Topology {
    /// Host ids, 1 to [`MAX_NODES`], in the order in which the nodes are started.
    pub nodes: Vec<u32>,
    /// Networks that join all nodes, 1 to 8; `eth0` is on rail 0.
    pub rails: u8,
    /// Memory of a node, in MiB.
    pub memory_mib: u32,
    /// Profile of the image.
    pub profile: String,
    /// How the rails are made.
    pub net: Net,
    /// A folder of this machine, read-write at `/mnt/host` on every node.
    pub share: Option<PathBuf>,
    /// Words added to every node's kernel command line.
    pub kernel_args: Vec<String>,
}

impl Topology {
    /// `count` nodes, linus1 and on, on three bridged rails.
    pub fn nodes(count: u32) -> Self {
        Self {
            nodes: (1..=count).collect(),
            rails: 3,
            memory_mib: 512,
            profile: "minimal".into(),
            net: Net::Bridge,
            share: None,
            kernel_args: Vec::new(),
        }
    }

    /// The same, with a folder of this machine at `/mnt/host`.
    pub fn share(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            share: Some(folder.into()),
            ..self
        }
    }

    /// Says why this cluster cannot be, naming the flag that asked for it.
    pub fn check(&self) -> Result<()> {
        let refuse = |flag, reason: String| Err(Error::Topology { flag, reason });
        let count = self.nodes.len();
        if count == 0 || count > MAX_NODES as usize {
            return refuse(
                "--nodes",
                format!("a cluster has 1 to {MAX_NODES} nodes, not {count}"),
            );
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if !(1..=MAX_NODES).contains(node) {
                return refuse(
                    "--nodes",
                    format!("host id {node} is outside 1 to {MAX_NODES}"),
                );
            }
            if self.nodes[..index].contains(node) {
                return refuse("--nodes", format!("{} is there twice", node_name(*node)));
            }
        }
        if !(1..=8).contains(&self.rails) {
            return refuse(
                "--rails",
                format!("a cluster has 1 to 8 rails, not {}", self.rails),
            );
        }
        if self.memory_mib < 64 {
            let memory = self.memory_mib;
            return refuse(
                "--memory",
                format!("a node needs 64 MiB or more, not {memory}"),
            );
        }
        match &self.share {
            Some(folder) if !folder.is_dir() => {
                refuse("--share", format!("{} is not a folder", folder.display()))
            }
            // QEMU takes a comma as the end of an option's value.
            Some(folder) if folder.as_os_str().as_encoded_bytes().contains(&b',') => refuse(
                "--share",
                format!("{} has a comma in its path", folder.display()),
            ),
            _ => Ok(()),
        }
    }

    /// The host id of a node named `linus2` or `2`.
    pub fn find(&self, asked: &str) -> Option<u32> {
        let id = asked.strip_prefix("linus").unwrap_or(asked).parse().ok()?;
        self.nodes.contains(&id).then_some(id)
    }
}

/// The name of the node with this host id.
pub fn node_name(id: u32) -> String {
    format!("linus{id}")
}

/// The MAC address of a node's interface on a rail.
pub(crate) fn mac(rail: u8, node: u32) -> String {
    format!("52:54:00:50:{rail:02x}:{node:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_names_its_flag() {
        let cases = [
            (
                Topology::nodes(0),
                "--nodes: a cluster has 1 to 254 nodes, not 0",
            ),
            (
                Topology::nodes(255),
                "--nodes: a cluster has 1 to 254 nodes, not 255",
            ),
            (
                Topology {
                    nodes: vec![2, 1, 2],
                    ..Topology::nodes(1)
                },
                "--nodes: linus2 is there twice",
            ),
            (
                Topology {
                    nodes: vec![0],
                    ..Topology::nodes(1)
                },
                "--nodes: host id 0 is outside 1 to 254",
            ),
            (
                Topology {
                    rails: 9,
                    ..Topology::nodes(1)
                },
                "--rails: a cluster has 1 to 8 rails, not 9",
            ),
            (
                Topology {
                    memory_mib: 1,
                    ..Topology::nodes(1)
                },
                "--memory: a node needs 64 MiB or more, not 1",
            ),
            (
                Topology::nodes(1).share("/nowhere"),
                "--share: /nowhere is not a folder",
            ),
        ];
        for (topology, message) in cases {
            assert_eq!(topology.check().unwrap_err().to_string(), message);
        }
        Topology::nodes(3).check().unwrap();
        Topology::nodes(MAX_NODES).share("/").check().unwrap();
    }

    #[test]
    fn nodes_are_found_by_name_and_number() {
        let topology = Topology::nodes(3);
        assert_eq!(topology.find("linus2"), Some(2));
        assert_eq!(topology.find("3"), Some(3));
        for unknown in ["linus4", "0", "linus", "", "node1", "linus-1"] {
            assert_eq!(topology.find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_mac_address_tells_rail_and_node() {
        assert_eq!(mac(2, 254), "52:54:00:50:02:fe");
    }
}
