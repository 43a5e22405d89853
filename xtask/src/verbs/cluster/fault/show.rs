// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counters of the ports.

use anyhow::{Context as _, Result};
use podos_harness::{node_name, Cluster, Counters};

/// Show what became of the frames at every port
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask cluster fault show --json")]
pub(super) struct Show {
    /// A JSON array, an object for each port
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn print(&self, cluster: &Cluster) -> Result<()> {
        let ports = cluster.switch()?.counters()?;
        if self.json {
            let json =
                serde_json::to_string_pretty(&ports).context("cannot encode the counters")?;
            println!("{json}");
            return Ok(());
        }
        println!(
            "RAIL NODE      DIRECTION     FRAMES    FORWARD    BLOCKED       LOST  DUPLICATE    \
             REORDER    CORRUPT   OVERFLOW     QUEUED"
        );
        for port in ports {
            for (direction, counters) in [("sent", port.sent), ("received", port.received)] {
                let line = line(&counters);
                let (rail, node) = (port.rail, node_name(port.node));
                println!("{rail:<4} {node:9} {direction:9}{line}");
            }
        }
        Ok(())
    }
}

fn line(counters: &Counters) -> String {
    [
        counters.frames,
        counters.forwarded,
        counters.blocked,
        counters.lost,
        counters.duplicated,
        counters.reordered,
        counters.corrupted,
        counters.overflowed,
        counters.queued,
    ]
    .iter()
    .map(|count| format!(" {count:>10}"))
    .collect()
}
