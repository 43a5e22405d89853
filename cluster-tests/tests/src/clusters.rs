// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cluster of the test that runs: one at a time.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use podos_harness::{Cluster, Lifetime, Up};

use crate::support::Machine;
use crate::terms::Terms;
use crate::test::Setting;

/// Boots clusters as tests need them.
pub struct Clusters {
    terms: Arc<Terms>,
    lifetime: Lifetime,
    current: Option<(Setting, Arc<Cluster>)>,
    /// What the names of this run's clusters begin with.
    prefix: String,
    /// How many there have been.
    count: u32,
}

impl Clusters {
    /// With `keep` a cluster can be made to outlive us. Clusters of runs with different prefixes
    /// in one process have different names.
    pub fn new(terms: Arc<Terms>, keep: bool, prefix: &str) -> Self {
        let lifetime = match keep {
            true => Lifetime::Background,
            false => Lifetime::Owner,
        };
        Self {
            terms,
            lifetime,
            current: None,
            prefix: prefix.to_owned(),
            count: 0,
        }
    }

    /// The cluster for a setting: the one that is up, or a new one; none for a setting without
    /// nodes. The consoles of one that does not come up go to `logs`.
    pub fn get(&mut self, setting: Setting, logs: &Path) -> Result<Option<&Arc<Cluster>>> {
        if !self.has(setting) {
            self.end()?;
            if (setting.topology)().nodes.is_empty() {
                return Ok(None);
            }
            let cluster = Arc::new(self.boot(setting, logs)?);
            self.current = Some((setting, cluster));
        }
        Ok(self.current.as_ref().map(|(_, cluster)| cluster))
    }

    /// Whether the cluster that is up is of this setting.
    pub fn has(&self, setting: Setting) -> bool {
        self.current.as_ref().is_some_and(|(s, _)| *s == setting)
    }

    fn boot(&mut self, setting: Setting, logs: &Path) -> Result<Cluster> {
        // No name twice: a test that was left behind may have the last of its clusters still.
        self.count += 1;
        let name = format!("{}-{}-{}", self.prefix, std::process::id(), self.count);
        let topology = (setting.topology)();
        let mut topology = topology.kernel(self.terms.kernel).share(&self.terms.share);
        topology.profile.clone_from(&self.terms.profile);
        topology.memory_mib = self.terms.memory_mib.unwrap_or(topology.memory_mib);
        let mut up = Up::new(&name, &self.terms.image, topology);
        up.wait = setting.wait;
        up.lifetime = self.lifetime;
        up.keep_logs = Some(logs.to_owned());
        let cluster = Cluster::up(&up);
        let cluster =
            cluster.with_context(|| format!("cannot boot cluster {name} ({})", setting.name))?;
        cluster
            .nodes()
            .filter(|node| node.has_agent())
            .try_for_each(|node| Machine::new(node).prepare())?;
        Ok(cluster)
    }

    /// Ends the cluster that is up, if any, whoever has it still.
    pub fn end(&mut self) -> Result<()> {
        if let Some((_, cluster)) = self.current.take() {
            Cluster::down_named(cluster.name())?;
        }
        Ok(())
    }

    /// Lets go of the cluster that is up; its name.
    pub fn leave(&mut self) -> Option<String> {
        let (_, cluster) = self.current.take()?;
        Some(cluster.name().to_owned())
    }
}
