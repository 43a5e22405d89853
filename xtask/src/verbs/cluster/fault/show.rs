// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the ports counted.

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
            "RAIL NODE      WAY          FRAMES    FORWARD    BLOCKED       LOST  DUPLICATE    \
             REORDER    CORRUPT   OVERFLOW     QUEUED"
        );
        for port in ports {
            for (way, counters) in [("sent", port.sent), ("received", port.received)] {
                let line = line(&counters);
                println!("{:<4} {:9} {way:8}{line}", port.rail, node_name(port.node));
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
