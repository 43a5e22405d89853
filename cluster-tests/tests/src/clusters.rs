// SPDX-License-Identifier: MIT OR Apache-2.0

//! The one cluster that is up at a time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use podos_harness::{Cluster, Lifetime, Up};

use crate::support::Machine;
use crate::test::Setting;

/// Boots clusters as tests need them.
pub struct Clusters {
    image: PathBuf,
    share: PathBuf,
    lifetime: Lifetime,
    /// Of each node, in MiB; the topology's own if unset.
    memory: Option<u32>,
    current: Option<(Setting, Cluster)>,
}

impl Clusters {
    /// `share` has the guest's tool; with `keep` a cluster can be made to outlive us.
    pub fn new(image: PathBuf, share: PathBuf, keep: bool, memory: Option<u32>) -> Self {
        let lifetime = match keep {
            true => Lifetime::Background,
            false => Lifetime::Owner,
        };
        Self {
            image,
            share,
            lifetime,
            memory,
            current: None,
        }
    }

    /// The cluster for a setting: the one that is up, or a new one. The consoles of one that does
    /// not come up go to `logs`.
    pub fn get(&mut self, setting: Setting, logs: &Path) -> Result<&Cluster> {
        if self.current.as_ref().is_some_and(|(s, _)| *s != setting) {
            self.end()?;
        }
        let (_, cluster) = match self.current.take() {
            Some(current) => self.current.insert(current),
            None => self.current.insert((setting, self.boot(setting, logs)?)),
        };
        Ok(cluster)
    }

    fn boot(&self, setting: Setting, logs: &Path) -> Result<Cluster> {
        let name = format!("test-{}-{}", setting.name, std::process::id());
        let mut topology = (setting.topology)().share(&self.share);
        if let Some(memory) = self.memory {
            topology.memory_mib = memory;
        }
        let mut up = Up::new(&name, &self.image, topology);
        up.wait = setting.wait;
        up.lifetime = self.lifetime;
        up.keep_logs = Some(logs.to_owned());
        let cluster = Cluster::up(&up).with_context(|| format!("cluster {name}"))?;
        cluster
            .nodes()
            .try_for_each(|node| Machine::new(node).prepare())?;
        Ok(cluster)
    }

    /// Ends the cluster that is up, if any.
    pub fn end(&mut self) -> Result<()> {
        match self.current.take() {
            Some((_, cluster)) => Ok(cluster.down()?),
            None => Ok(()),
        }
    }

    /// Lets go of the cluster that is up; its name.
    pub fn leave(&mut self) -> Option<String> {
        let (_, cluster) = self.current.take()?;
        Some(cluster.name().to_owned())
    }
}
