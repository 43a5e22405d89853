// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of frames.

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::{Chance, Cluster, Faults};

use super::{OnRail, Place};

/// Set the faults of frames; those left out are switched off
///
/// Every chance is drawn for each frame that passes a port, so a frame from one node to another
/// meets them twice unless --direction is given.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster fault frames --loss 5% --direction received\n  \
    cargo xtask cluster fault frames --rail 0 --node linus2 --delay 2ms --jitter 500us\n  \
    cargo xtask cluster fault frames --reordering 10% --held 5ms --duplication 1%\n  \
    cargo xtask cluster fault frames\n\n\
    Times are numbers with s, ms or us."
)]
pub(super) struct Frames {
    /// It vanishes
    #[arg(long, value_name = "P%", default_value = "0%")]
    loss: Chance,
    /// One to three bits flip, anywhere behind the Ethernet addresses
    #[arg(long, value_name = "P%", default_value = "0%")]
    corruption: Chance,
    /// It comes twice
    #[arg(long, value_name = "P%", default_value = "0%")]
    duplication: Chance,
    /// It is held back, so that later ones overtake it
    #[arg(long, value_name = "P%", default_value = "0%")]
    reordering: Chance,
    /// For how long that is
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = time)]
    held: Duration,
    /// How long every frame takes
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    delay: Duration,
    /// How much longer it may take, evenly drawn; this reorders nothing
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    jitter: Duration,
    /// The chances are for frames of PODOS only
    #[arg(long)]
    only_podos: bool,
    #[command(flatten)]
    place: Place,
}

impl Frames {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        let faults = Faults {
            loss: self.loss,
            corruption: self.corruption,
            duplication: self.duplication,
            reordering: self.reordering,
            held: self.held,
            delay: self.delay,
            jitter: self.jitter,
            only_podos: self.only_podos,
        };
        Ok(cluster.switch()?.set(self.place.of(cluster)?, faults)?)
    }
}

/// Let only nodes of the same group hear each other
///
/// Nodes that are in no group are together in one more.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  cargo xtask cluster fault partition linus1 linus2,linus3\n\n\
    `cluster fault heal` ends it."
)]
pub(super) struct Partition {
    /// A group: nodes with commas between them
    #[arg(required = true, value_name = "NODE,NODE...")]
    groups: Vec<String>,
    #[command(flatten)]
    on: OnRail,
}

impl Partition {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        let mut groups = Vec::<Vec<u32>>::new();
        for group in &self.groups {
            let mut nodes = Vec::new();
            for node in group.split(',') {
                let node = cluster.node_named(node)?;
                let taken = groups.iter().flatten().any(|id| *id == node.id());
                ensure!(!taken, "{} is in two groups", node.name());
                nodes.push(node.id());
            }
            groups.push(nodes);
        }
        let groups = groups.iter().map(Vec::as_slice).collect::<Vec<_>>();
        Ok(cluster.switch()?.partition(self.on.rail, &groups)?)
    }
}

fn time(text: &str) -> Result<Duration, String> {
    // The longest unit that fits is the last one: `ms` ends in `s`, too.
    let units = [("s", 1.0), ("ms", 1e-3), ("us", 1e-6)];
    let unit = units.iter().rev().find(|(name, _)| text.ends_with(name));
    let seconds = unit.and_then(|(name, unit)| {
        let number = text.strip_suffix(name)?.parse::<f64>().ok()?;
        Duration::try_from_secs_f64(number * unit).ok()
    });
    seconds.ok_or_else(|| format!("`{text}` is no time: 2ms, 500us or 1.5s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2ms"), Ok(Duration::from_millis(2)));
        assert_eq!(time("500us"), Ok(Duration::from_micros(500)));
        for bad in ["", "2", "ms", "-1s", "infs", "2 m"] {
            assert!(time(bad).unwrap_err().contains("no time"), "{bad}");
        }
    }
}
