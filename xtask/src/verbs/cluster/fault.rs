// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster fault`.

mod frames;
mod link;
mod node;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use podos_harness::{Cluster, Direction, Selector};

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// Let something go wrong in a running cluster: a node, a link, or frames
///
/// It holds until it is taken back, and is noted in the cluster's timeline.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask cluster fault kill linus2; cargo xtask cluster fault start linus2\n  \
    cargo xtask cluster fault panic linus2; cargo xtask cluster fault start linus2\n  \
    cargo xtask cluster fault disk linus2 full; cargo xtask cluster fault disk linus2 free\n  \
    cargo xtask cluster fault link linus1 down --rail 0\n  \
    cargo xtask cluster fault cut --rail 1; cargo xtask cluster fault mend\n  \
    cargo xtask cluster fault frames --loss 5% --corruption 1% --delay 2ms --jitter 1ms\n  \
    cargo xtask cluster fault partition linus1 linus2,linus3; cargo xtask cluster fault heal\n  \
    cargo xtask cluster fault capture 0 rail0.pcap\n\n\
    `frames`, `partition`, `heal`, `clear`, `capture` and `show` need a cluster that was started \
    with --net switch.")]
pub struct Fault {
    #[command(flatten)]
    name: Name,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Kill a node, as a power failure would
    #[command(after_help = "Example:\n  cargo xtask cluster fault kill linus2")]
    Kill(node::One),
    /// Boot a node that is down; it is another boot to its peers
    #[command(after_help = "Example:\n  cargo xtask cluster fault start linus2")]
    Start(node::One),
    /// Kill a node and boot it at once, as its reset button would
    #[command(after_help = "Example:\n  cargo xtask cluster fault reset linus2")]
    Reset(node::One),
    /// Switch a node off in good order: its programs are ended, and what they wrote is kept
    #[command(after_help = "Example:\n  cargo xtask cluster fault power-off linus2")]
    PowerOff(node::One),
    /// Let a node's kernel panic; it stays down
    #[command(after_help = "Example:\n  cargo xtask cluster fault panic linus2")]
    Panic(node::One),
    /// Let a program of a node take all memory until the kernel kills it
    #[command(after_help = "Example:\n  cargo xtask cluster fault memory linus2")]
    Memory(node::One),
    Disk(node::Disk),
    Clock(node::Clock),
    /// Let a node's processor and clock stand still
    #[command(after_help = "Example:\n  cargo xtask cluster fault pause linus2")]
    Pause(node::One),
    /// Let a paused node go on, as if no time had passed
    #[command(after_help = "Example:\n  cargo xtask cluster fault resume linus2")]
    Resume(node::One),
    Link(link::Link),
    Cut(link::Cut),
    Mend(link::Mend),
    Rate(link::Shape),
    Frames(frames::Frames),
    Partition(frames::Partition),
    /// End partitions
    #[command(after_help = "Example:\n  cargo xtask cluster fault heal --rail 0")]
    Heal(OnRail),
    /// End all faults of frames, partitions and cuts; rates and carriers stay
    #[command(after_help = "Example:\n  cargo xtask cluster fault clear")]
    Clear,
    /// Write what the nodes send on a rail to a pcap file, from now on, before any fault; without a
    /// file, end that
    #[command(
        after_help = "Example:\n  cargo xtask cluster fault capture 0 rail0.pcap\n  \
        cargo xtask cluster fault capture 0"
    )]
    Capture {
        /// The rail
        #[arg(value_name = "R")]
        rail: u8,
        /// The file; one that is there is lost
        file: Option<PathBuf>,
    },
    Show(show::Show),
}

impl Xtask for Fault {
    fn run(self, _: &Context) -> Result<ExitCode> {
        let cluster = self.name.find()?;
        match self.what {
            What::Kill(one) => one.of(&cluster)?.kill()?,
            What::Start(one) => one.of(&cluster)?.start()?,
            What::Reset(one) => one.of(&cluster)?.reset()?,
            What::PowerOff(one) => one.of(&cluster)?.power_off()?,
            What::Panic(one) => one.of(&cluster)?.panic()?,
            What::Memory(one) => one.of(&cluster)?.exhaust_memory()?,
            What::Disk(disk) => disk.set(&cluster)?,
            What::Clock(clock) => clock.set(&cluster)?,
            What::Pause(one) => one.of(&cluster)?.pause()?,
            What::Resume(one) => one.of(&cluster)?.resume()?,
            What::Link(link) => link.set(&cluster)?,
            What::Cut(cut) => cut.set(&cluster)?,
            What::Mend(mend) => mend.set(&cluster)?,
            What::Rate(shape) => shape.set(&cluster)?,
            What::Frames(frames) => frames.set(&cluster)?,
            What::Partition(partition) => partition.set(&cluster)?,
            What::Heal(on) => cluster.switch()?.heal(on.rail)?,
            What::Clear => cluster.switch()?.clear()?,
            What::Capture {
                rail,
                file: Some(file),
            } => cluster.switch()?.capture(rail, file)?,
            What::Capture { rail, file: None } => cluster.switch()?.end_capture(rail)?,
            What::Show(show) => show.print(&cluster)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which rails are meant: all, or one.
#[derive(clap::Args)]
struct OnRail {
    /// Only on this rail
    #[arg(long, value_name = "R")]
    rail: Option<u8>,
}

/// Which ports are meant.
#[derive(clap::Args)]
struct Place {
    #[command(flatten)]
    on: OnRail,
    /// Only at this node: linus2, or 2
    #[arg(long)]
    node: Option<String>,
    /// Only what the node sends, or is sent
    #[arg(long, value_name = "sent|received|both", default_value = "both")]
    direction: Direction,
}

impl Place {
    fn of(&self, cluster: &Cluster) -> Result<Selector> {
        let node = self.node.as_deref();
        let node = node.map(|node| cluster.node_named(node)).transpose()?;
        Ok(Selector {
            rail: self.on.rail,
            node: node.map(|node| node.id()),
            direction: self.direction,
        })
    }
}
