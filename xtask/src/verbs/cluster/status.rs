// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster status`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use podos_harness::{list_clusters, Cluster};

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// Show the clusters that are up, and their nodes
#[derive(clap::Args)]
#[command(
    mut_arg("name", |arg| arg.default_value(None).help("Only the cluster of this name")),
    after_help = "Example:\n  cargo xtask cluster status --json"
)]
pub struct Status {
    #[command(flatten)]
    name: Name,
    /// A JSON array, an object for each cluster
    #[arg(long)]
    json: bool,
}

impl Xtask for Status {
    fn run(self, _: &Context) -> Result<ExitCode> {
        let names = match self.name.name {
            Some(name) => vec![name],
            None => list_clusters()?,
        };
        let mut clusters = Vec::new();
        for name in names {
            clusters.push(Cluster::find(&name)?.status()?);
        }
        if self.json {
            let json =
                serde_json::to_string_pretty(&clusters).context("cannot encode the status")?;
            println!("{json}");
            return Ok(ExitCode::SUCCESS);
        }
        if clusters.is_empty() {
            println!("no cluster is up; `cargo xtask cluster up` starts one");
        }
        for cluster in clusters {
            show(&cluster);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(cluster: &podos_harness::Status) {
    println!(
        "cluster `{}`: {} rails by {}, CM {}, {} MiB a node, {}, supervisor {}",
        cluster.name,
        cluster.topology.rails.len(),
        cluster.topology.net,
        cluster.topology.cm_mode,
        cluster.topology.memory_mib,
        cluster.accelerator,
        cluster.supervisor,
    );
    if let Some(share) = &cluster.topology.share {
        println!("/mnt/host is {}", share.display());
    }
    println!(
        "{:9} {:8} {:>5} {:>8}  CONSOLE",
        "NODE", "STATE", "BOOTS", "QEMU"
    );
    for node in &cluster.nodes {
        let qemu = node.qemu.map_or("-".into(), |pid| pid.to_string());
        let console = node.console.display();
        println!(
            "{:9} {:8} {:>5} {qemu:>8}  {console}",
            node.name, node.state, node.boots
        );
        for problem in &node.problems {
            println!("          {problem}");
        }
    }
    for link in &cluster.links {
        let shaped = link.sent.rate.or(link.received.rate).is_some();
        if shaped || !link.is_whole() {
            println!("{link}");
        }
    }
    for alarm in &cluster.alarms {
        println!("{alarm}");
    }
}
