// SPDX-License-Identifier: MIT OR Apache-2.0

//! The faults that nodes have at the moment, and which failures they explain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use podos_harness::nemesis::{Fault, Kind, Witness};
use podos_harness::{Cluster, Node, Topology};

use crate::support::TOOL;

/// A file system of each node in memory, with a limit: what is in it ends with the boot.
pub const FOLDER: &str = "/tmp/soak";

/// How long after a fault calls may still fail by it: nodes have to find each other again, on
/// machines that are busy.
const AFTERMATH: Duration = Duration::from_secs(15);

/// Quiet time after which no effect of a fault can remain.
const CALM: Duration = Duration::from_secs(20);

/// The state of the nodes, kept by the nemesis, asked by the workers.
pub struct Weather {
    topology: Topology,
    inner: Mutex<BTreeMap<u32, Sky>>,
}

/// That of one node.
#[derive(Clone, Debug, Default)]
struct Sky {
    /// The faults that strike it.
    striking: Vec<Kind>,
    /// When the last one of each kind ended.
    ended: BTreeMap<Kind, Instant>,
    /// How often its memory was lost, twice: odd from before that until it is up again.
    epoch: u64,
    /// It can't be asked for anything.
    away: bool,
}

impl Weather {
    pub fn new(topology: &Topology) -> Self {
        let nodes = topology.nodes.iter();
        let skies = nodes.map(|node| (*node, Sky::default()));
        Self {
            topology: topology.clone(),
            inner: Mutex::new(skies.collect()),
        }
    }

    /// Counts the losses of a node's memory. Odd: one is under way.
    pub fn epoch(&self, node: u32) -> u64 {
        self.lock().get(&node).map_or(0, |sky| sky.epoch)
    }

    /// The nodes that can be worked on.
    pub fn present(&self) -> BTreeSet<u32> {
        let inner = self.lock();
        let present = inner.iter().filter(|(_, sky)| !sky.away);
        present.map(|(node, _)| *node).collect()
    }

    /// Whether a call that began then, from the one node to the other, may have failed so.
    pub fn excuses(&self, errno: Option<i32>, nodes: [u32; 2], began: Instant) -> bool {
        let inner = self.lock();
        let lost = |node| inner.get(node).is_some_and(|sky| sky.epoch % 2 == 1);
        if errno == Some(libc::ENOENT) {
            // Its folder is gone, and not made again yet.
            return nodes.iter().any(lost);
        }
        let skies = nodes.iter().filter_map(|node| inner.get(node));
        let mut kinds = skies.flat_map(|sky| {
            let ended = sky.ended.iter();
            let felt = ended.filter(|(_, ended)| **ended + AFTERMATH > began);
            sky.striking.iter().chain(felt.map(|(kind, _)| kind))
        });
        kinds.any(|kind| match errno {
            // The caller itself went.
            None => true,
            Some(libc::EHOSTDOWN) => *kind != Kind::Disk,
            Some(libc::ENOSPC) => *kind == Kind::Disk,
            Some(libc::ENOMEM) => *kind == Kind::Memory,
            Some(_) => false,
        })
    }

    /// Whether these nodes had no fault for so long that no effect of one can remain.
    pub fn is_calm(&self, nodes: [u32; 2]) -> bool {
        let inner = self.lock();
        let mut skies = nodes.iter().filter_map(|node| inner.get(node));
        skies.all(|sky| {
            let mut ended = sky.ended.values();
            sky.striking.is_empty() && !sky.away && ended.all(|ended| ended.elapsed() > CALM)
        })
    }

    /// Makes what the workers need on a node that booted.
    pub fn prepare(node: Node<'_>) -> podos_harness::Result<()> {
        node.shell(&format!(
            "mkdir -p {FOLDER} && mount -t tmpfs -o size=16m soak {FOLDER} && \
             cp /mnt/host/podos-testtool {TOOL}"
        ))
        .map(drop)
    }

    /// Waits until a node that booted has found those that are there: until then their directories
    /// are empty ones of its own. Not for long, since they may go meanwhile.
    fn introduce(&self, node: Node<'_>) -> podos_harness::Result<()> {
        let mut others = self.present();
        others.remove(&node.id());
        let others: Vec<_> = others.iter().map(u32::to_string).collect();
        let others = others.join(" ");
        node.shell(&format!(
            "now() {{ cut -d. -f1 /proc/uptime; }}; end=$(($(now) + {})); for host in {others}; do \
             until [ -e /linus$host/etc/hostname ] || [ $(now) -gt $end ]; do usleep 50000; done; done",
            AFTERMATH.as_secs()
        ))
        .map(drop)
    }

    /// Removes what earlier runs left, and makes what this one needs.
    pub fn prepare_all(cluster: &Cluster) -> Result<()> {
        for node in cluster.nodes() {
            node.shell(&format!("umount {FOLDER} 2> /dev/null || true"))?;
            Self::prepare(node)?;
        }
        Ok(())
    }

    /// Removes all of it.
    pub fn clean_up(cluster: &Cluster) -> Result<()> {
        for node in cluster.nodes() {
            node.shell(&format!("umount {FOLDER}"))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Sky>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path of `home` as `client` has it.
pub fn path_from(client: u32, home: u32, path: &str) -> String {
    match client == home {
        true => path.to_owned(),
        false => format!("/linus{home}{path}"),
    }
}

impl Witness for Weather {
    fn begins(&self, fault: &Fault) {
        let mut inner = self.lock();
        for node in fault.strikes(&self.topology) {
            let sky = inner.entry(node).or_default();
            sky.striking.push(fault.kind);
            sky.away = sky.away || fault.ends_a_boot() || fault.kind == Kind::Pause;
            sky.epoch += u64::from(fault.ends_a_boot());
        }
    }

    fn revived(&self, node: Node<'_>) -> podos_harness::Result<()> {
        Self::prepare(node)?;
        self.introduce(node)?;
        self.lock().entry(node.id()).or_default().epoch += 1;
        Ok(())
    }

    fn ended(&self, fault: &Fault) {
        let mut inner = self.lock();
        for node in fault.strikes(&self.topology) {
            let sky = inner.entry(node).or_default();
            if let Some(at) = sky.striking.iter().position(|kind| *kind == fault.kind) {
                sky.striking.remove(at);
            }
            sky.ended.insert(fault.kind, Instant::now());
            if fault.ends_a_boot() || fault.kind == Kind::Pause {
                sky.away = false;
            }
        }
    }
}
