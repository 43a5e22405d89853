// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster status`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context as _, Result};
use podos_harness::{list_clusters, Cluster};

use crate::context::Context;
use crate::Xtask;

/// Show the clusters that are up, and their nodes.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask cluster status --json\n  \
    cargo xtask cluster status --svg cluster.svg")]
pub struct Status {
    /// Only this cluster
    #[arg(long, value_name = "C")]
    name: Option<String>,
    /// A JSON array, an object for each cluster
    #[arg(long, conflicts_with = "svg")]
    json: bool,
    /// A drawing of the one cluster: nodes, rails and links with what was done to them; to
    /// standard output without a file
    #[arg(long, value_name = "FILE")]
    svg: Option<Option<PathBuf>>,
}

impl Xtask for Status {
    fn run(self, _: &Context) -> Result<ExitCode> {
        let names = match self.name {
            Some(name) => vec![name],
            None => list_clusters()?,
        };
        let mut clusters = Vec::new();
        for name in names {
            clusters.push(Cluster::find(&name)?.status()?);
        }
        if let Some(file) = &self.svg {
            draw(&clusters, file.as_deref())?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.json {
            let json = serde_json::to_string_pretty(&clusters).context("encode the status")?;
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

/// Draws the only cluster that there is.
fn draw(clusters: &[podos_harness::Status], file: Option<&Path>) -> Result<()> {
    let names = clusters.iter().map(|cluster| cluster.name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    let cluster = match clusters {
        [cluster] => cluster,
        [] => bail!("no cluster is up; `cargo xtask cluster up` starts one"),
        _ => bail!("--svg draws one cluster; give --name, one of {names}"),
    };
    match file {
        Some(file) => {
            std::fs::write(file, cluster.to_svg())
                .with_context(|| format!("write {}", file.display()))?;
            println!("{} shows cluster `{}`", file.display(), cluster.name);
        }
        None => println!("{}", cluster.to_svg().trim_end()),
    }
    Ok(())
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
    for trouble in &cluster.troubles {
        println!("{trouble}");
    }
}
