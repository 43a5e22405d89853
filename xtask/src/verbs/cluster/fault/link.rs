// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of links.

use anyhow::Result;
use podos_harness::{Cluster, Rate};

use super::node::One;
use super::{OnRail, Place};

/// Take the carrier of a node's interface away, or give it back
///
/// The node is told so, as by a pulled plug; `cut` does it without a word. It holds for later
/// boots of the node, too.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster fault link linus1 down --rail 0\n  \
    cargo xtask cluster fault link linus1 up"
)]
pub(super) struct Link {
    #[command(flatten)]
    one: One,
    state: State,
    #[command(flatten)]
    on: OnRail,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum State {
    Up,
    Down,
}

impl Link {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        let node = self.one.of(cluster)?;
        match self.state {
            State::Up => node.link_up(self.on.rail)?,
            State::Down => node.link_down(self.on.rail)?,
        }
        Ok(())
    }
}

/// Let links lose everything without a word: nodes have their carriers still
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask cluster fault cut --rail 1\n  \
    cargo xtask cluster fault cut --rail 0 --node linus2")]
pub(super) struct Cut {
    #[command(flatten)]
    place: Place,
}

impl Cut {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        Ok(cluster.cut(self.place.of(cluster)?)?)
    }
}

/// End cuts
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask cluster fault mend --rail 1")]
pub(super) struct Mend {
    #[command(flatten)]
    place: Place,
}

impl Mend {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        Ok(cluster.mend(self.place.of(cluster)?)?)
    }
}

/// Limit how fast links are, or end that
///
/// A token bucket with a bounded queue: what finds no room in it is lost. With both directions it
/// is what the nodes receive, for a full link need not be shaped at both ends. Network `bridge`
/// can shape no other way.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask cluster fault rate 100mbit\n  \
    cargo xtask cluster fault rate 10mbit --rail 2 --node linus1\n  \
    cargo xtask cluster fault rate none")]
pub(super) struct Shape {
    /// Such as 100mbit, 1gbit or 500kbit; none: as fast as can be
    limit: Limit,
    #[command(flatten)]
    place: Place,
}

/// `none`, or a rate.
#[derive(Clone, Copy)]
struct Limit(Option<Rate>);

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            rate => rate.parse().map(|rate| Self(Some(rate))),
        }
    }
}

impl Shape {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        Ok(cluster.rate(self.place.of(cluster)?, self.limit.0)?)
    }
}
