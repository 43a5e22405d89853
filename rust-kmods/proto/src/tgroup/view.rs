// SPDX-License-Identifier: GPL-2.0-only

//! What a group is shown when it elects.

use super::{RailSet, MAX_RAILS, MIN_ROOM};

/// One rail to one peer, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RailStatus {
    /// Bytes that this node has queued on the rail and that have not left yet.
    pub queued_bytes: u32,
    /// Smoothed round-trip time to the peer in microseconds; 0 when it was never measured.
    pub rtt_us: u32,
    /// Most bytes of data that a frame to the peer can have: the smaller MTU of both ends, less the
    /// header and what authentication takes.
    pub room: u16,
}

/// The rails to one peer, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RailView {
    usable: RailSet,
    rails: [RailStatus; MAX_RAILS],
}

impl RailView {
    /// No rail.
    pub const EMPTY: RailView = RailView {
        usable: RailSet::EMPTY,
        rails: [RailStatus {
            queued_bytes: 0,
            rtt_us: 0,
            room: 0,
        }; MAX_RAILS],
    };

    /// A view in which all of `usable` have nothing queued and the same room.
    pub fn uniform(usable: RailSet, room: u16) -> Self {
        let mut view = Self::EMPTY;
        let status = RailStatus {
            room,
            ..RailStatus::default()
        };
        usable.iter().for_each(|rail| view.insert(rail, status));
        view
    }

    /// Adds a rail that works, or changes what is told of it. One without [`MIN_ROOM`] is of no use
    /// and is not in the view.
    pub fn insert(&mut self, rail: usize, status: RailStatus) {
        if let Some(slot) = self.rails.get_mut(rail) {
            *slot = status;
            if status.room >= MIN_ROOM {
                self.usable.insert(rail);
            } else {
                self.usable.remove(rail);
            }
        }
    }

    /// Takes a rail out.
    pub fn remove(&mut self, rail: usize) {
        self.usable.remove(rail);
    }

    /// The view with only those rails that are in `rails`.
    pub fn only(&self, rails: RailSet) -> Self {
        Self {
            usable: self.usable.and(rails),
            rails: self.rails,
        }
    }

    /// The rails that work.
    pub const fn usable(&self) -> RailSet {
        self.usable
    }

    /// A rail that works.
    pub fn get(&self, rail: usize) -> Option<&RailStatus> {
        self.rails.get(rail).filter(|_| self.usable.contains(rail))
    }

    /// The rails that work, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &RailStatus)> {
        let usable = self.usable.iter();
        usable.filter_map(|rail| Some((rail, self.rails.get(rail)?)))
    }

    /// The room of a rail; 0 if it does not work.
    pub fn room(&self, rail: usize) -> u16 {
        self.get(rail).map_or(0, |status| status.room)
    }

    /// The least room of all rails that work; 0 when none does.
    pub fn least_room(&self) -> u16 {
        let rooms = self.iter().map(|(_, status)| status.room);
        rooms.min().unwrap_or(0)
    }
}

/// What one circuit has sent and not heard of yet, in bytes, by rail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    bytes: [u32; MAX_RAILS],
}

impl InFlight {
    /// Nothing.
    pub const NONE: InFlight = InFlight {
        bytes: [0; MAX_RAILS],
    };

    /// Bytes on a rail.
    pub fn on(&self, rail: usize) -> u32 {
        self.bytes.get(rail).copied().unwrap_or(0)
    }

    /// Counts `bytes` more on a rail.
    pub fn add(&mut self, rail: usize, bytes: u32) {
        if let Some(sum) = self.bytes.get_mut(rail) {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Counts `bytes` less on a rail.
    pub fn sub(&mut self, rail: usize, bytes: u32) {
        if let Some(sum) = self.bytes.get_mut(rail) {
            *sum = sum.saturating_sub(bytes);
        }
    }
}

/// A segment that is known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The rail that it went over.
    pub rail: usize,
    /// Bytes of its data.
    pub bytes: u32,
    /// The time, in microseconds modulo 2^32.
    pub now_us: u32,
    /// How many of them it took from sending to hearing of it, if it was sent once only.
    pub rtt_us: Option<u32>,
    /// Nothing of the circuit is under way any more on the rail.
    pub was_last: bool,
}
