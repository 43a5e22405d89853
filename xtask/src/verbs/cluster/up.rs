// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster up`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use podos_harness::{Cluster, CmMode, Lifetime, Net, Rail, Rate, Topology, WaitFor};
use podos_lab_options::{Folder, Image, Memory};

use super::Name;
use crate::context::Context;
use crate::engine::progress::duration;
use crate::{verbs, Xtask};

/// Boot a cluster in the background; returns when every node sees every other one
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster up --nodes 3 --share ~/data\n  \
    cargo xtask cluster up --net switch --rails 2 --mtu 9000 --rate 100mbit\n  \
    cargo xtask cluster up --topology cluster.toml --nodes 5\n\n\
    The nodes are linus1, linus2, ... A kernel that raises an alarm on its console while the cluster \
    comes up ends it; the consoles are then in target/cluster/NAME.\n\n\
    A topology says what differs from the defaults; flags go before it:\n  \
    nodes = 3                  # or host ids: [1, 2, 7]\n  \
    rails = [{ mtu = 9000, rate = \"100mbit\" }, {}] # or how many: 3\n  \
    net = \"switch\"             # or \"bridge\"\n  \
    seed = 7                   # of the random numbers of the switch\n  \
    memory-mib = 512\n  \
    profile = \"lab\"\n  \
    profiles = { linus3 = \"node\" } # nodes of another profile\n  \
    kernel = \"base\"            # or \"debug\"\n  \
    share = \"/home/me/data\"\n  \
    kernel-args = [\"loglevel=7\"]\n  \
    cm-mode = \"aead\"           # or \"mac\", \"open\"\n  \
    keys = { linus3 = \"own\" }  # \"cluster\" (one for all), \"own\", \"none\", \"image\",\n  \
    \x20                          # { file = \"/path/of/64/hex/digits\" }"
)]
pub struct Up {
    #[command(flatten)]
    name: Name,
    /// A file that says what the cluster is
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Number of nodes; 3 if nothing says so
    #[arg(long, value_name = "N")]
    nodes: Option<u32>,
    #[command(flatten)]
    image: Image,
    #[command(flatten)]
    folder: Folder,
    /// Kind of the rails; bridge if nothing says so and this user can make any, else switch
    #[arg(long, value_name = "bridge|switch")]
    net: Option<Net>,
    /// Number of rails, all alike; 3 if nothing says so
    #[arg(long, value_name = "N")]
    rails: Option<usize>,
    /// MTU of all rails, 68 to 9000; 1500 if nothing says so
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u16>,
    /// Limit of what each node receives on each rail, such as 100mbit
    #[arg(long)]
    rate: Option<Rate>,
    /// Seed of the random numbers of the switch
    #[arg(long)]
    seed: Option<u64>,
    /// How CM protects its frames; aead if nothing says so
    #[arg(long, value_name = "open|mac|aead")]
    cm_mode: Option<CmMode>,
    /// A folder of this machine, read-write at /mnt/host on every node
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    #[command(flatten)]
    memory: Memory,
    /// When to return: once all agents answer, whatever failed on their nodes, or once all nodes
    /// are whole and see each other alive
    #[arg(long, value_name = "agents|alive", default_value = "alive")]
    wait: WaitFor,
}

impl Xtask for Up {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let topology = self.topology()?;
        // Before a build that may take its time.
        topology.check()?;
        if self.folder.image_dir.is_none() {
            for image in topology.images() {
                verbs::image::build(ctx, &image)?;
            }
        }
        let image = self.folder.or_of(ctx.root(), &topology.image());
        let started = Instant::now();
        let cluster = Cluster::up(&podos_harness::Up {
            wait: self.wait,
            lifetime: Lifetime::Background,
            keep_logs: Some(ctx.path("target/cluster").join(self.name.get())),
            ..podos_harness::Up::new(self.name.get(), image, topology)
        })?;
        let status = cluster.status()?;
        let names = status
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect::<Vec<_>>();
        println!(
            "cluster `{}` is up after {} ({}): {}",
            status.name,
            duration(started.elapsed()),
            status.accelerator,
            names.join(" "),
        );
        for (node, problem) in status
            .nodes
            .iter()
            .flat_map(|node| node.problems.iter().map(move |p| (node, p)))
        {
            eprintln!("warning: {}: {problem}", node.name);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Bridges, or the switch where this user can't make any.
fn usual_net() -> Net {
    let (net, obstacle) = Net::usual();
    if let Some(obstacle) = obstacle {
        eprintln!("note: the rails are made of a switch, for want of bridges: {obstacle}");
    }
    net
}

impl Up {
    /// The file's cluster, or the default one, with what the flags say.
    fn topology(&self) -> Result<Topology> {
        let mut topology = match &self.topology {
            Some(file) => Topology::read(file)?,
            None => Topology::default(),
        };
        if let Some(count) = self.nodes {
            topology.nodes = Topology::nodes(count).nodes;
        }
        if let Some(profile) = &self.image.profile.profile {
            topology.profile.clone_from(profile);
        }
        topology.kernel = self.image.kernel.unwrap_or(topology.kernel);
        topology.net = match self.net {
            Some(net) => net,
            None if self.topology.is_some() => topology.net,
            None => usual_net(),
        };
        if let Some(count) = self.rails {
            topology.rails.resize(count, Rail::default());
        }
        for rail in &mut topology.rails {
            rail.mtu = self.mtu.unwrap_or(rail.mtu);
            rail.rate = self.rate.or(rail.rate);
        }
        topology.cm_mode = self.cm_mode.unwrap_or(topology.cm_mode);
        topology.seed = self.seed.unwrap_or(topology.seed);
        topology.memory_mib = self.memory.memory_mib.unwrap_or(topology.memory_mib);
        if self.share.is_some() {
            topology.share.clone_from(&self.share);
        }
        Ok(topology)
    }
}
