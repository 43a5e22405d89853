// SPDX-License-Identifier: MIT OR Apache-2.0

//! Topologies: what a cluster consists of.

mod kernel;
mod key;
mod list;
mod rail;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use podos_switch::{Rate, Selector};
use serde::{Deserialize, Serialize};

pub use kernel::Kernel;
pub use key::{CmMode, NodeKey};
pub use rail::Rail;

use crate::bridges;
use crate::error::{Error, IoContext, Result};

/// The profile of nodes that the harness can ask.
pub const LAB: &str = "lab";

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
    /// A switch of ours per rail, in the supervisor's process: it makes faults of frames (see
    /// [`Switch`](crate::Switch)) and needs no privilege.
    Switch,
}

impl Net {
    /// What suits this user on this machine: bridges, or the switch and what keeps bridges from
    /// being made.
    pub fn usual() -> (Self, Option<Error>) {
        match bridges::check() {
            Ok(()) => (Self::Bridge, None),
            Err(obstacle) => (Self::Switch, Some(obstacle)),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bridge => "bridge",
            Self::Switch => "switch",
        })
    }
}

impl FromStr for Net {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "bridge" => Ok(Self::Bridge),
            "switch" => Ok(Self::Switch),
            _ => Err(format!(
                "there is no network `{name}`; there are bridge, switch"
            )),
        }
    }
}

/// A cluster as a value: the same serves a test and `cluster up`.
///
/// As TOML every field may be left out, and then is as [`Topology::nodes`] has it:
///
/// ```
/// # fn main() -> podos_harness::Result<()> {
/// let topology = podos_harness::Topology::from_toml(
///     r#"
///     nodes = 3 # or host ids: [1, 2, 7]
///     rails = [{ mtu = 9000, rate = "100mbit" }, {}] # or how many: 3
///     net = "switch"
///     cm-mode = "aead"
///     keys = { linus3 = "own" }
///     "#,
/// )?;
/// assert_eq!(topology.rails[0].mtu, 9000);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Topology {
    /// Host ids, 1 to [`MAX_NODES`], in the order in which the nodes are started.
    #[serde(deserialize_with = "list::nodes")]
    pub nodes: Vec<u32>,
    /// Host ids of places on the rails at which the test firmware may be booted, and no node is.
    pub firmware: Vec<u32>,
    /// Networks that join all nodes, 1 to 8; `eth0` is on rail 0.
    #[serde(deserialize_with = "list::rails")]
    pub rails: Vec<Rail>,
    /// Memory of a node, in MiB; more where the kernel needs it (see [`Topology::memory`]).
    pub memory_mib: u32,
    /// Variant of the kernel, whose image the caller gives.
    pub kernel: Kernel,
    /// Profile of the image.
    pub profile: String,
    /// Nodes, by name, whose image is of another profile, whatever the kernel.
    pub profiles: BTreeMap<String, String>,
    /// Nodes, by name, that take a host id which is not theirs: to the cluster they are another one.
    pub claims: BTreeMap<String, u32>,
    /// How the rails are made.
    pub net: Net,
    /// What every random choice of the switch comes from.
    pub seed: u64,
    /// How CM protects its frames.
    pub cm_mode: CmMode,
    /// Nodes, by name, whose cluster key is not the cluster's.
    pub keys: BTreeMap<String, NodeKey>,
    /// A folder of this machine, read-write at `/mnt/host` on every node.
    #[serde(with = "crate::paths::optional")]
    pub share: Option<PathBuf>,
    /// Plugin of QEMU that counts what the nodes' processors execute (see
    /// [`Node::instructions`](crate::Node::instructions)), which are emulated then, whatever the machine
    /// has.
    #[serde(with = "crate::paths::optional")]
    pub counter: Option<PathBuf>,
    /// Words added to every node's kernel command line.
    pub kernel_args: Vec<String>,
}

impl Default for Topology {
    fn default() -> Self {
        Self::nodes(3)
    }
}

impl Topology {
    /// `count` nodes, linus1 and on, on three bridged rails.
    pub fn nodes(count: u32) -> Self {
        Self {
            nodes: (1..=count).collect(),
            firmware: Vec::new(),
            rails: vec![Rail::default(); 3],
            memory_mib: 512,
            kernel: Kernel::Base,
            profile: LAB.into(),
            profiles: BTreeMap::new(),
            claims: BTreeMap::new(),
            net: Net::Bridge,
            seed: 1,
            cm_mode: CmMode::Aead,
            keys: BTreeMap::new(),
            share: None,
            counter: None,
            kernel_args: Vec::new(),
        }
    }

    /// The cluster that a file describes.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context(|| format!("read {}", path.display()))?;
        Self::from_toml(&text).map_err(|error| Error::Topology {
            flag: "--topology",
            reason: format!("{}: {error}", path.display()),
        })
    }

    /// The cluster that this TOML describes.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| Error::Topology {
            flag: "topology",
            reason: error.to_string().trim_end().to_owned(),
        })
    }

    /// The same, with a folder of this machine at `/mnt/host`.
    pub fn share(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            share: Some(folder.into()),
            ..self
        }
    }

    /// The same on rails made so.
    pub fn net(self, net: Net) -> Self {
        Self { net, ..self }
    }

    /// The same with so many rails, all alike.
    pub fn rails(self, count: usize, rail: Rail) -> Self {
        Self {
            rails: vec![rail; count],
            ..self
        }
    }

    /// The same with a place for the test firmware, as this host.
    pub fn firmware(mut self, host: u32) -> Self {
        self.firmware.push(host);
        self
    }

    /// The host ids of all that can be on the rails: nodes, then firmware.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().chain(&self.firmware).copied()
    }

    /// The same with every rail shaped to this rate.
    pub fn rate(mut self, rate: Rate) -> Self {
        for rail in &mut self.rails {
            rail.rate = Some(rate);
        }
        self
    }

    /// The same, with this kernel.
    pub fn kernel(self, kernel: Kernel) -> Self {
        Self { kernel, ..self }
    }

    /// The same, where this node boots the image of another profile.
    pub fn profile_of(mut self, node: u32, profile: &str) -> Self {
        self.profiles.insert(node_name(node), profile.into());
        self
    }

    /// The same, where this node claims to be another host.
    pub fn claim(mut self, node: u32, host: u32) -> Self {
        self.claims.insert(node_name(node), host);
        self
    }

    /// The host id that a node has in the cluster.
    pub(crate) fn host_id(&self, node: u32) -> u32 {
        *self.claims.get(&node_name(node)).unwrap_or(&node)
    }

    /// Name of the image that nodes boot.
    pub fn image(&self) -> String {
        self.kernel.image(&self.profile)
    }

    /// Name of the image that a node boots, if it is not that of the others.
    pub(crate) fn own_image(&self, node: u32) -> Option<&String> {
        self.profiles.get(&node_name(node))
    }

    /// Names of all images that are booted.
    pub fn images(&self) -> BTreeSet<String> {
        let own = self.profiles.values().cloned();
        own.chain([self.image()]).collect()
    }

    /// What a node's memory is, in MiB.
    pub fn memory(&self) -> u32 {
        self.memory_mib.max(self.kernel.least_memory())
    }

    /// The same, in this mode of CM.
    pub fn cm_mode(self, cm_mode: CmMode) -> Self {
        Self { cm_mode, ..self }
    }

    /// The same, where this node has another key.
    pub fn key(mut self, node: u32, key: NodeKey) -> Self {
        self.keys.insert(node_name(node), key);
        self
    }

    /// The key of a node.
    pub fn key_of(&self, node: u32) -> &NodeKey {
        self.keys.get(&node_name(node)).unwrap_or(&NodeKey::Cluster)
    }

    /// Whether two nodes can be members of the same cluster, by their keys.
    pub fn share_a_key(&self, one: u32, other: u32) -> bool {
        let key = self.key_of(one);
        self.cm_mode == CmMode::Open
            || (key == self.key_of(other) && !matches!(key, NodeKey::Own | NodeKey::None))
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
        let places: Vec<_> = self.places().collect();
        for (index, node) in places.iter().enumerate() {
            if !(1..=MAX_NODES).contains(node) {
                return refuse(
                    "--nodes",
                    format!("host id {node} is outside 1 to {MAX_NODES}"),
                );
            }
            if places[..index].contains(node) {
                return refuse("--nodes", format!("{} is there twice", node_name(*node)));
            }
        }
        if !(1..=8).contains(&self.rails.len()) {
            return refuse(
                "--rails",
                format!("a cluster has 1 to 8 rails, not {}", self.rails.len()),
            );
        }
        self.rails.iter().try_for_each(Rail::check)?;
        if self.memory_mib < 64 {
            let memory = self.memory_mib;
            return refuse(
                "--memory",
                format!("a node needs 64 MiB or more, not {memory}"),
            );
        }
        for (key, mut names) in [
            ("keys", self.keys.keys().collect::<Vec<_>>()),
            ("profiles", self.profiles.keys().collect()),
            ("claims", self.claims.keys().collect()),
        ] {
            names.retain(|name| !self.has_name(name));
            if let Some(name) = names.first() {
                return refuse(key, format!("there is no node `{name}`"));
            }
        }
        if let Some(host) = self
            .claims
            .values()
            .find(|host| !(1..=MAX_NODES).contains(*host))
        {
            return refuse(
                "claims",
                format!("host id {host} is outside 1 to {MAX_NODES}"),
            );
        }
        match &self.share {
            Some(folder) if !folder.is_dir() => {
                refuse("--share", format!("{} is not a folder", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses rails and nodes that the cluster does not have.
    pub(crate) fn check_selector(&self, at: Selector) -> Result<()> {
        let refuse = |flag, reason| Err(Error::Topology { flag, reason });
        let rails = self.rails.len();
        match (at.rail, at.node) {
            (Some(rail), _) if usize::from(rail) >= rails => refuse(
                "--rail",
                format!("there is no rail {rail}; they are 0 to {}", rails - 1),
            ),
            (_, Some(node)) if !self.places().any(|place| place == node) => {
                refuse("--node", format!("there is no {}", node_name(node)))
            }
            _ => Ok(()),
        }
    }

    fn has_name(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node_name(*node) == name)
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

/// The name of the firmware at a place, in the timeline and to other nodes.
pub(crate) fn firmware_name(place: u32) -> String {
    format!("firmware{place}")
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
                    rails: vec![Rail::default(); 9],
                    ..Topology::nodes(1)
                },
                "--rails: a cluster has 1 to 8 rails, not 9",
            ),
            (
                Topology::nodes(1).rails(1, Rail::of_mtu(9001)),
                "--mtu: a rail's MTU is 68 to 9000, not 9001",
            ),
            (
                Topology::nodes(1).key(2, NodeKey::None),
                "keys: there is no node `linus2`",
            ),
            (
                Topology::nodes(1).profile_of(2, "node"),
                "profiles: there is no node `linus2`",
            ),
            (
                Topology::nodes(2).claim(2, 255),
                "claims: host id 255 is outside 1 to 254",
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
    fn places_that_are_not_there_are_named() {
        let topology = Topology::nodes(2);
        let there = Selector::node(2).on_rail(2);
        topology.check_selector(there).unwrap();
        let error = |at| topology.check_selector(at).unwrap_err().to_string();
        let text = "--rail: there is no rail 3; they are 0 to 2";
        assert_eq!(error(Selector::rail(3)), text);
        assert_eq!(error(Selector::node(3)), "--node: there is no linus3");
    }

    #[test]
    fn networks_and_modes_are_read_as_they_are_written() {
        for net in [Net::Bridge, Net::Switch] {
            assert_eq!(net.to_string().parse(), Ok(net));
        }
        for mode in [CmMode::Open, CmMode::Mac, CmMode::Aead] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        let error = "hub".parse::<Net>().unwrap_err();
        assert_eq!(error, "there is no network `hub`; there are bridge, switch");
        assert!("".parse::<CmMode>().is_err());
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

    #[test]
    fn who_can_be_a_member_is_a_matter_of_keys() {
        let topology = Topology::nodes(4).key(3, NodeKey::Own).key(4, NodeKey::Own);
        assert!(topology.share_a_key(1, 2));
        assert!(!topology.share_a_key(1, 3) && !topology.share_a_key(3, 4));
        assert!(topology.cm_mode(CmMode::Open).share_a_key(3, 4));
    }

    #[test]
    fn a_file_says_only_what_differs() {
        assert_eq!(Topology::from_toml("").unwrap(), Topology::nodes(3));
        let text = "nodes = [1, 7]\nrails = 2\nkeys = { linus7 = { file = \"/k\" } }\n";
        let topology = Topology::from_toml(text).unwrap();
        assert_eq!(topology.nodes, [1, 7]);
        assert_eq!(topology.rails, [Rail::default(); 2]);
        assert_eq!(topology.key_of(1), &NodeKey::Cluster);
        assert_eq!(topology.key_of(7), &NodeKey::File("/k".into()));
        let mixed = topology.clone().profile_of(7, "node");
        assert_eq!(
            mixed.images().into_iter().collect::<Vec<_>>(),
            ["lab", "node"]
        );
        assert_eq!(mixed.kernel(Kernel::Debug).image(), "lab-debug");
        let written = toml::to_string(&topology).unwrap();
        assert_eq!(Topology::from_toml(&written).unwrap(), topology);
    }

    #[test]
    fn a_folder_of_any_name_is_shared() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(std::ffi::OsStr::from_bytes(b"a,b \xff"));
        std::fs::create_dir(&folder).unwrap();
        let topology = Topology::nodes(1).share(&folder);
        topology.check().unwrap();
        let written = toml::to_string(&topology).unwrap();
        assert_eq!(Topology::from_toml(&written).unwrap(), topology);
    }

    #[test]
    fn a_file_with_a_slip_is_refused_at_its_line() {
        for (text, word) in [
            ("nodes = 3\nnett = \"switch\"", "nett"),
            ("rails = [{ mtu = 9000, rat = 1 }]", "rat"),
            ("rails = [{ rate = \"fast\" }]", "`fast` is no rate"),
            ("nodes = -1", "invalid"),
            ("cm-mode = \"secret\"", "secret"),
        ] {
            let error = Topology::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("line"), "{error}");
        }
    }
}
