// SPDX-License-Identifier: GPL-2.0-only

//! What a group is shown when it elects.

use super::{PerRail, RailId, RailSet, MAX_RAILS, MIN_ROOM};

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
    rails: PerRail<RailStatus>,
}

impl RailView {
    /// No rail.
    pub const EMPTY: RailView = RailView {
        usable: RailSet::EMPTY,
        rails: PerRail::new(
            [RailStatus {
                queued_bytes: 0,
                rtt_us: 0,
                room: 0,
            }; MAX_RAILS],
        ),
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
    pub fn insert(&mut self, rail: RailId, status: RailStatus) {
        self.rails[rail] = status;
        if status.room >= MIN_ROOM {
            self.usable.insert(rail);
        } else {
            self.usable.remove(rail);
        }
    }

    /// Takes a rail out.
    pub fn remove(&mut self, rail: RailId) {
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
    pub fn get(&self, rail: RailId) -> Option<&RailStatus> {
        self.usable.contains(rail).then(|| &self.rails[rail])
    }

    /// The rails that work, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (RailId, &RailStatus)> {
        self.usable.iter().map(|rail| (rail, &self.rails[rail]))
    }

    /// The room of a rail; 0 if it does not work.
    pub fn room(&self, rail: RailId) -> u16 {
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
    bytes: PerRail<u32>,
}

impl InFlight {
    /// Nothing.
    pub const NONE: InFlight = InFlight {
        bytes: PerRail::new([0; MAX_RAILS]),
    };

    /// Bytes on a rail.
    pub fn on(&self, rail: RailId) -> u32 {
        self.bytes[rail]
    }

    /// Bytes on all rails.
    pub fn total(&self) -> u32 {
        let bytes = self.bytes.values().iter();
        bytes.fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Counts `bytes` more on a rail.
    pub fn add(&mut self, rail: RailId, bytes: u32) {
        let sum = &mut self.bytes[rail];
        *sum = sum.saturating_add(bytes);
    }

    /// Counts `bytes` less on a rail.
    pub fn sub(&mut self, rail: RailId, bytes: u32) {
        let sum = &mut self.bytes[rail];
        *sum = sum.saturating_sub(bytes);
    }
}

/// A segment that is known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The rail that it went over.
    pub rail: RailId,
    /// Bytes of its data.
    pub bytes: u32,
    /// The time, in microseconds modulo 2^32.
    pub now_us: u32,
    /// How many of them it took from sending to hearing of it, if it was sent once only.
    pub rtt_us: Option<u32>,
    /// Nothing of the circuit is under way any more on the rail.
    pub was_last: bool,
}
