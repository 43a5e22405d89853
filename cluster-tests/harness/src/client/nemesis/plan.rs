// SPDX-License-Identifier: MIT OR Apache-2.0

//! The plan of a nemesis: which faults, and when.

use std::collections::BTreeMap;
use std::fmt;

use podos_random::{SplitMix64, Streams};

use super::draw::{self, Holds};
use super::fault::Fault;
use super::Nemesis;
use crate::topology::Topology;

/// A point at which something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The point: how many the workload has passed by then.
    pub at: u64,
    /// Which fault of the plan this is; 1 and on, in the order in which they begin.
    pub number: u64,
    /// Its begin, or its end.
    pub act: Act,
    /// The fault.
    pub fault: Fault,
}

/// What a step does with its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is injected.
    Begin,
    /// It is healed.
    End,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at, number, fault, ..
        } = self;
        let act = match self.act {
            Act::Begin => "begins",
            Act::End => "ends",
        };
        write!(f, "at {at}: fault {number} {act}: {fault}")
    }
}

/// The steps of a [`Nemesis`], without an end. Every fault ends.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    nemesis: &'a Nemesis,
    topology: Topology,
    strands: Vec<Next>,
    /// Faults under way, by point and number.
    ends: BTreeMap<(u64, u64), Fault>,
    number: u64,
}

/// Where a strand is.
#[derive(Clone, Debug)]
struct Next {
    random: SplitMix64,
    at: u64,
}

/// Turns without a fault after which there is none for this cluster, as a partition of one node.
const FRUITLESS: u32 = 10_000;

/// What tells these numbers from those of a switch with the same seed.
const NEMESIS: u64 = 0x6e65_6d65_7369_7321;

impl<'a> Steps<'a> {
    pub(super) fn new(nemesis: &'a Nemesis, topology: &Topology) -> Self {
        let strands = nemesis.strands.iter().zip(0..);
        let strands = strands.map(|(strand, index)| {
            let mut random = Streams::of(nemesis.seed, [NEMESIS, index, 0]).stream(0);
            let at = draw::within(&mut random, &strand.every);
            Next { random, at }
        });
        Self {
            nemesis,
            topology: topology.clone(),
            strands: strands.collect(),
            ends: BTreeMap::new(),
            number: 0,
        }
    }

    /// The strand whose turn is next, and when.
    fn turn(&self) -> Option<(u64, usize)> {
        let turns = self.strands.iter().enumerate();
        turns.map(|(index, next)| (next.at, index)).min()
    }

    fn end(&mut self) -> Option<Step> {
        let ((at, number), fault) = self.ends.pop_first()?;
        let act = Act::End;
        Some(Step {
            at,
            number,
            act,
            fault,
        })
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        for _ in 0..FRUITLESS {
            let (at, index) = self.turn()?;
            if self.ends.keys().next().is_some_and(|(end, _)| *end <= at) {
                return self.end();
            }
            let (nemesis, next) = (self.nemesis, &mut self.strands[index]);
            let strand = &nemesis.strands[index];
            let held = self.ends.values().map(Holds::of).collect::<Vec<_>>();
            let random = &mut next.random;
            let fault = draw::fault(nemesis, strand, &self.topology, random, &held);
            let lasts = draw::within(random, &strand.lasting);
            next.at = at + lasts + draw::within(random, &strand.every).max(1);
            if let Some(fault) = fault {
                self.number += 1;
                self.ends.insert((at + lasts, self.number), fault.clone());
                return Some(Step {
                    at,
                    number: self.number,
                    act: Act::Begin,
                    fault,
                });
            }
        }
        None
    }
}

/// What comes before this point, and the ends of all that has begun by then.
pub(super) fn until(mut steps: Steps<'_>, points: u64) -> Vec<Step> {
    let mut plan = Vec::new();
    loop {
        let begins = steps.turn().is_some_and(|(at, _)| at < points);
        let ends = steps.ends.keys().next().is_some_and(|(at, _)| *at < points);
        if !begins && !ends {
            break;
        }
        let rest = steps.clone();
        match steps.next() {
            Some(step) if step.at < points => plan.push(step),
            // A turn that was let pass has led beyond the end.
            _ => {
                steps = rest;
                break;
            }
        }
    }
    while let Some(end) = steps.end() {
        plan.push(Step { at: points, ..end });
    }
    plan
}
