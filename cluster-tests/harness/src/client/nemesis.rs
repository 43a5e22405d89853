// SPDX-License-Identifier: MIT OR Apache-2.0

//! Random faults while something else goes on.
//!
//! A [`Nemesis`] is a value: strands of weighted kinds of faults, and a seed.
//! From these alone, and the topology, comes its plan: which faults there are, where, and from
//! which point to which. A point is not a time: the workload says when one is passed
//! ([`Points::pass`]), by an operation that came back, so that the same seed brings the same faults
//! to the same operations, as far as these are the same.

mod counts;
mod draw;
mod fault;
mod plan;
mod points;
mod run;

use std::ops::RangeInclusive;

pub use counts::Counts;
pub use fault::{Fault, Kind};
pub use plan::{Act, Step, Steps};
pub use points::Points;
pub use run::{Report, Witness};

use crate::error::{Error, Result};
use crate::topology::{Net, Topology};

/// Random faults of a cluster: see the module.
///
/// ```
/// use podos_harness::nemesis::{Kind, Nemesis, Strand};
/// use podos_harness::{Net, Topology};
/// let nodes = Strand::of([(Kind::Kill, 2), (Kind::Panic, 1)]).every(50..=100).lasting(20..=40);
/// let rails = Strand::of([(Kind::Loss, 1), (Kind::Cut, 1)]);
/// let nemesis = Nemesis::new(7).with(nodes).with(rails);
/// let topology = Topology::nodes(4).net(Net::Switch);
/// let plan = nemesis.plan(&topology, 1000);
/// assert_eq!(plan, nemesis.plan(&topology, 1000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nemesis {
    seed: u64,
    strands: Vec<Strand>,
    spared: Vec<u32>,
    folder: String,
}

/// Faults one after the other; several strands run side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strand {
    kinds: Vec<(Kind, u32)>,
    every: RangeInclusive<u64>,
    lasting: RangeInclusive<u64>,
}

impl Strand {
    /// Of these kinds, each as often as its weight says in proportion to the others.
    pub fn of(kinds: impl IntoIterator<Item = (Kind, u32)>) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            every: 20..=60,
            lasting: 20..=60,
        }
    }

    /// With so many points between two faults; 20 to 60 unless said.
    pub fn every(self, every: RangeInclusive<u64>) -> Self {
        Self { every, ..self }
    }

    /// With faults that last for so many points; 20 to 60 unless said.
    pub fn lasting(self, lasting: RangeInclusive<u64>) -> Self {
        Self { lasting, ..self }
    }
}

impl Nemesis {
    /// One that does nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            strands: Vec::new(),
            spared: Vec::new(),
            folder: "/tmp".into(),
        }
    }

    /// With these faults beside those that it has.
    pub fn with(mut self, strand: Strand) -> Self {
        self.strands.push(strand);
        self
    }

    /// With no fault of this node itself.
    pub fn sparing(mut self, node: u32) -> Self {
        self.spared.push(node);
        self
    }

    /// With the file system of this folder as the one that gets full; that of `/tmp` unless said.
    pub fn filling(self, folder: impl Into<String>) -> Self {
        let folder = folder.into();
        Self { folder, ..self }
    }

    /// Its steps for ever, in order.
    pub fn steps(&self, topology: &Topology) -> Steps<'_> {
        Steps::new(self, topology)
    }

    /// Its steps up to this point; whatever has begun by then ends there at the latest.
    pub fn plan(&self, topology: &Topology, points: u64) -> Vec<Step> {
        plan::until(self.steps(topology), points)
    }

    /// Refuses a cluster that can't have these faults, and strands of nothing.
    pub fn check(&self, topology: &Topology) -> Result<()> {
        let refuse = |reason: String| {
            Err(Error::Topology {
                flag: "nemesis",
                reason,
            })
        };
        for strand in &self.strands {
            if strand.kinds.iter().all(|(_, weight)| *weight == 0) {
                return refuse("a strand has no kind of fault with a weight".into());
            }
            if strand.every.is_empty() || strand.lasting.is_empty() {
                return refuse("a strand has an empty range of points".into());
            }
            let mut kinds = strand.kinds.iter().map(|(kind, _)| *kind);
            let odd = kinds.find(|kind| kind.needs_switch() && topology.net != Net::Switch);
            if let Some(kind) = odd {
                return refuse(format!("{kind} needs network `switch`"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
