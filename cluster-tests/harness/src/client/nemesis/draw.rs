// SPDX-License-Identifier: MIT OR Apache-2.0

//! What befalls a cluster next.

use std::ops::RangeInclusive;
use std::time::Duration;

use podos_random::SplitMix64;
use podos_switch::{Chance, Faults, Rate, Selector};

use super::fault::{Fault, Kind, Place};
use super::{Nemesis, Strand};
use crate::topology::Topology;

/// What only one fault at a time can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A node, whatever of it.
    Node(u32),
    /// The links: one fault must not end another one's.
    Links,
}

impl Holds {
    pub(super) fn of(fault: &Fault) -> Self {
        fault.node().map_or(Self::Links, Self::Node)
    }
}

/// A number of the range.
pub(super) fn within(lots: &mut SplitMix64, range: &RangeInclusive<u64>) -> u64 {
    lots.within(*range.start(), *range.end())
}

/// A fault of this strand that gets in the way of none of those that hold something; `None` when
/// there is no room for the one that was drawn.
pub(super) fn fault(
    nemesis: &Nemesis,
    strand: &Strand,
    topology: &Topology,
    lots: &mut SplitMix64,
    held: &[Holds],
) -> Option<Fault> {
    let total = strand
        .kinds
        .iter()
        .map(|(_, weight)| u64::from(*weight))
        .sum();
    let mut lot = lots.below(total);
    let (kind, _) = strand.kinds.iter().find(|(_, weight)| {
        let hit = lot < u64::from(*weight);
        lot = lot.saturating_sub(u64::from(*weight));
        hit
    })?;
    let place = place(nemesis, *kind, topology, lots, held)?;
    let fault = Fault { kind: *kind, place };
    (!held.contains(&Holds::of(&fault))).then_some(fault)
}

fn place(
    nemesis: &Nemesis,
    kind: Kind,
    topology: &Topology,
    lots: &mut SplitMix64,
    held: &[Holds],
) -> Option<Place> {
    let rail = lots.below(topology.rails.len() as u64) as u8;
    let any = *pick(&topology.nodes, lots)?;
    let free = topology
        .nodes
        .iter()
        .filter(|node| !nemesis.spared.contains(node) && !held.contains(&Holds::Node(**node)));
    let free = free.copied().collect::<Vec<_>>();
    let mut node = || pick(&free, lots).copied();
    Some(match kind {
        Kind::Carrier => Place::Link { node: any, rail },
        Kind::Cut => {
            let rail = Selector::rail(rail);
            let one = lots.below(2) == 0;
            let node = one.then_some(any);
            Place::Rail {
                at: Selector { node, ..rail },
            }
        }
        Kind::Loss => Place::Frames(Faults {
            loss: percent(lots, 1, 8),
            ..Faults::default()
        }),
        Kind::Noise => Place::Frames(Faults {
            corruption: percent(lots, 0, 3),
            duplication: percent(lots, 0, 5),
            reordering: percent(lots, 0, 10),
            delay: Duration::from_micros(lots.below(3000)),
            jitter: Duration::from_micros(lots.below(3000)),
            ..Faults::default()
        }),
        Kind::Slow => Place::Slow {
            at: Selector::rail(rail),
            rate: Rate::mbit(2 + lots.below(19) as u32),
        },
        Kind::Partition => Place::Parts(part(topology, lots)?),
        Kind::Disk => Place::Folder {
            node: node()?,
            folder: nemesis.folder.clone(),
        },
        Kind::Clock => {
            let node = node()?;
            // A second to two days, as often short as long, forward as often as back.
            let most = 1 << lots.within(0, 17);
            let by = lots.within(1, most) as i64;
            let by = if lots.below(2) == 0 { by } else { -by };
            Place::Clock { node, by }
        }
        _ => Place::Node(node()?),
    })
}

fn pick<'a, T>(of: &'a [T], lots: &mut SplitMix64) -> Option<&'a T> {
    of.get(lots.index(of.len()))
}

fn percent(lots: &mut SplitMix64, least: u64, most: u64) -> Chance {
    Chance::percent(lots.within(least, most) as f64)
}

/// Some of the nodes, neither none nor all.
fn part(topology: &Topology, lots: &mut SplitMix64) -> Option<Vec<u32>> {
    let mut nodes = topology.nodes.clone();
    if nodes.len() < 2 {
        return None;
    }
    let count = lots.within(1, nodes.len() as u64 - 1) as usize;
    for index in 0..count {
        let other = index + lots.index(nodes.len() - index);
        nodes.swap(index, other);
    }
    nodes.truncate(count);
    nodes.sort_unstable();
    Some(nodes)
}
