// SPDX-License-Identifier: MIT OR Apache-2.0

//! Broadcast frames, taken in by each node when it next does anything.
//!
//! A thousand nodes hear ten million hellos a second. Nothing follows from a hello until its
//! receiver looks, so each node takes in all that came since it last did so in one go, in order and
//! each at its own time: its table is in the processor's cache then, and the outcome is the same.
//! Before anything changes who hears whom, all nodes take in what came before.

use std::collections::VecDeque;
use std::rc::Rc;

use podos_proto::tgroup::RailId;
use podos_proto::wire::Header;

use crate::clock::Nanos;

/// A frame to all that has arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When.
    pub at: Nanos,
    /// Tells this arrival from others.
    pub number: u64,
    /// Who sent it: the number of the node.
    pub from: u32,
    /// On which rail.
    pub rail: RailId,
    /// Its header.
    pub header: Header,
    /// What follows the Ethernet header.
    pub bytes: Rc<[u8]>,
}

/// The frames to all that some node has not taken in yet.
#[derive(Debug, Default)]
pub struct Air {
    arrivals: VecDeque<Arrival>,
    /// The number of the first of them.
    first: u64,
}

impl Air {
    /// Enters an arrival, the latest of all.
    pub fn arrive(&mut self, arrival: Arrival) {
        self.arrivals.push_back(arrival);
    }

    /// Where the next arrival will be.
    pub fn end(&self) -> u64 {
        self.first + self.arrivals.len() as u64
    }

    /// The arrival at `place`, if it is there yet.
    pub fn get(&self, place: u64) -> Option<&Arrival> {
        let place = place.checked_sub(self.first)?;
        self.arrivals.get(place as usize)
    }

    /// Forgets what stands before `place`.
    pub fn forget(&mut self, place: u64) {
        let count = place
            .saturating_sub(self.first)
            .min(self.arrivals.len() as u64);
        self.arrivals.drain(..count as usize);
        self.first += count;
    }
}
