// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster up`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use podos_harness::{Cluster, Lifetime, Net, Topology, WaitFor};

use super::Name;
use crate::context::Context;
use crate::engine::progress::duration;
use crate::{verbs, Xtask};

/// Boot a cluster in the background; returns when every node sees every other one.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  cargo xtask cluster up --nodes 3 --share ~/data\n\n\
    The nodes are linus1, linus2, ... A kernel that complains on its console while the cluster \
    comes up ends it; the consoles are then in target/cluster/NAME."
)]
pub struct Up {
    #[command(flatten)]
    name: Name,
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3)]
    nodes: u32,
    /// The image's profile; it is built first if need be
    #[arg(long, value_name = "P", default_value = "minimal")]
    profile: String,
    /// How the three rails are made: bridges in a private network namespace
    #[arg(long, default_value = "bridge")]
    net: Network,
    /// A folder of this machine, read-write at /mnt/host on every node
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// Memory of a node
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    memory: u32,
    /// When to return: once all agents answer, whatever failed on their nodes, or once all nodes
    /// are whole and see each other alive
    #[arg(long, default_value = "alive")]
    wait: Wait,
    /// Boot the image in this folder, and build none
    #[arg(long, value_name = "DIR")]
    image_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Network {
    Bridge,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Wait {
    Agents,
    Alive,
}

impl Xtask for Up {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        let topology = Topology {
            memory_mib: self.memory,
            profile: self.profile.clone(),
            net: match self.net {
                Network::Bridge => Net::Bridge,
            },
            share: self.share,
            ..Topology::nodes(self.nodes)
        };
        // Before a build that may take its time.
        topology.check()?;
        let image = match self.image_dir {
            Some(image) => image,
            None => {
                verbs::image::build(ctx, &self.profile)?;
                ctx.image_dir(&self.profile)
            }
        };
        let started = Instant::now();
        let cluster = Cluster::up(&podos_harness::Up {
            wait: match self.wait {
                Wait::Agents => WaitFor::Agents,
                Wait::Alive => WaitFor::Alive,
            },
            lifetime: Lifetime::Background,
            keep_logs: Some(ctx.path("target/cluster").join(&self.name.name)),
            ..podos_harness::Up::new(&self.name.name, image, topology)
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
