// SPDX-License-Identifier: MIT OR Apache-2.0

//! Drawing the next fault of a strand.

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
pub(super) fn within(random: &mut SplitMix64, range: &RangeInclusive<u64>) -> u64 {
    random.within(*range.start(), *range.end())
}

/// A fault of this strand that gets in the way of none of those that hold something; `None` when
/// there is no room for the one that was drawn.
pub(super) fn fault(
    nemesis: &Nemesis,
    strand: &Strand,
    topology: &Topology,
    random: &mut SplitMix64,
    held: &[Holds],
) -> Option<Fault> {
    let total = strand
        .kinds
        .iter()
        .map(|(_, weight)| u64::from(*weight))
        .sum();
    let mut left = random.below(total);
    let (kind, _) = strand.kinds.iter().find(|(_, weight)| {
        let hit = left < u64::from(*weight);
        left = left.saturating_sub(u64::from(*weight));
        hit
    })?;
    let place = place(nemesis, *kind, topology, random, held)?;
    let fault = Fault { kind: *kind, place };
    (!held.contains(&Holds::of(&fault))).then_some(fault)
}

fn place(
    nemesis: &Nemesis,
    kind: Kind,
    topology: &Topology,
    random: &mut SplitMix64,
    held: &[Holds],
) -> Option<Place> {
    let rail = random.below(topology.rails.len() as u64) as u8;
    let any = *pick(&topology.nodes, random)?;
    let free = topology
        .nodes
        .iter()
        .filter(|node| !nemesis.spared.contains(node) && !held.contains(&Holds::Node(**node)));
    let free = free.copied().collect::<Vec<_>>();
    let mut node = || pick(&free, random).copied();
    Some(match kind {
        Kind::Carrier => Place::Link { node: any, rail },
        Kind::Cut => {
            let rail = Selector::rail(rail);
            let one = random.below(2) == 0;
            let node = one.then_some(any);
            Place::Rail {
                at: Selector { node, ..rail },
            }
        }
        Kind::Loss => Place::Frames(Faults {
            loss: percent(random, 1, 8),
            ..Faults::default()
        }),
        Kind::Noise => Place::Frames(Faults {
            corruption: percent(random, 0, 3),
            duplication: percent(random, 0, 5),
            reordering: percent(random, 0, 10),
            delay: Duration::from_micros(random.below(3000)),
            jitter: Duration::from_micros(random.below(3000)),
            ..Faults::default()
        }),
        Kind::Slow => Place::Slow {
            at: Selector::rail(rail),
            rate: Rate::mbit(2 + random.below(19) as u32),
        },
        Kind::Partition => Place::Parts(part(topology, random)?),
        Kind::Disk => Place::Folder {
            node: node()?,
            folder: nemesis.folder.clone(),
        },
        Kind::Clock => {
            let node = node()?;
            // A second to two days, as often short as long, forward as often as back.
            let most = 1 << random.within(0, 17);
            let by = random.within(1, most) as i64;
            let by = if random.below(2) == 0 { by } else { -by };
            Place::Clock { node, by }
        }
        _ => Place::Node(node()?),
    })
}

fn pick<'a, T>(of: &'a [T], random: &mut SplitMix64) -> Option<&'a T> {
    of.get(random.index(of.len()))
}

fn percent(random: &mut SplitMix64, least: u64, most: u64) -> Chance {
    Chance::percent(random.within(least, most) as f64)
}

/// Some of the nodes, neither none nor all.
fn part(topology: &Topology, random: &mut SplitMix64) -> Option<Vec<u32>> {
    let mut nodes = topology.nodes.clone();
    if nodes.len() < 2 {
        return None;
    }
    let count = random.within(1, nodes.len() as u64 - 1) as usize;
    for index in 0..count {
        let other = index + random.index(nodes.len() - index);
        nodes.swap(index, other);
    }
    nodes.truncate(count);
    nodes.sort_unstable();
    Some(nodes)
}
