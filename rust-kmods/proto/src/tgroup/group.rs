// SPDX-License-Identifier: GPL-2.0-only

//! Any of the groups.

use super::{
    Arrival, InFlight, Load, RailId, RailView, RoundRobin, Single, Stripe, TransmissionGroup,
};

/// Which of the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GroupKind {
    /// [`Single`].
    Single = 1,
    /// [`RoundRobin`].
    #[default]
    RoundRobin = 2,
    /// [`Load`].
    Load = 3,
    /// [`Stripe`].
    Stripe = 4,
}

impl GroupKind {
    /// All of them.
    pub const ALL: [GroupKind; 4] = [
        GroupKind::Single,
        GroupKind::RoundRobin,
        GroupKind::Load,
        GroupKind::Stripe,
    ];

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The one with this number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == raw)
    }

    /// Whether it looks at what is queued on the rails, and at their round trips: for the others it is
    /// enough to know which rails there are.
    pub const fn weighs_rails(self) -> bool {
        matches!(self, GroupKind::Load | GroupKind::Stripe)
    }

    /// Its name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            GroupKind::Single => "single",
            GroupKind::RoundRobin => "round-robin",
            GroupKind::Load => "load",
            GroupKind::Stripe => "stripe",
        }
    }
}

/// The transmission group of one circuit.
#[derive(Clone, Copy, Debug)]
pub enum Group {
    /// See [`Single`].
    Single(Single),
    /// See [`RoundRobin`].
    RoundRobin(RoundRobin),
    /// See [`Load`].
    Load(Load),
    /// See [`Stripe`].
    Stripe(Stripe),
}

impl Group {
    /// A group of this kind for the circuit that is number `turn` on its node.
    pub const fn new(kind: GroupKind, turn: u32) -> Self {
        match kind {
            GroupKind::Single => Group::Single(Single::new()),
            GroupKind::RoundRobin => Group::RoundRobin(RoundRobin::new(turn)),
            GroupKind::Load => Group::Load(Load::new()),
            GroupKind::Stripe => Group::Stripe(Stripe::new()),
        }
    }

    /// A group with this name.
    pub fn from_name(name: &str, turn: u32) -> Option<Self> {
        Some(Self::new(GroupKind::from_name(name)?, turn))
    }

    /// Which it is.
    pub const fn kind(&self) -> GroupKind {
        match self {
            Group::Single(_) => GroupKind::Single,
            Group::RoundRobin(_) => GroupKind::RoundRobin,
            Group::Load(_) => GroupKind::Load,
            Group::Stripe(_) => GroupKind::Stripe,
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }
}

impl TransmissionGroup for Group {
    fn elect(&mut self, rails: &RailView, own: &InFlight, bytes: usize) -> Option<RailId> {
        match self {
            Group::Single(group) => group.elect(rails, own, bytes),
            Group::RoundRobin(group) => group.elect(rails, own, bytes),
            Group::Load(group) => group.elect(rails, own, bytes),
            Group::Stripe(group) => group.elect(rails, own, bytes),
        }
    }

    fn follow(&mut self, rail: RailId) {
        match self {
            Group::Single(group) => group.follow(rail),
            Group::RoundRobin(group) => group.follow(rail),
            Group::Load(group) => group.follow(rail),
            Group::Stripe(group) => group.follow(rail),
        }
    }

    fn is_bound(&self) -> bool {
        match self {
            Group::Single(group) => group.is_bound(),
            Group::RoundRobin(group) => group.is_bound(),
            Group::Load(group) => group.is_bound(),
            Group::Stripe(group) => group.is_bound(),
        }
    }

    fn arrived(&mut self, arrival: &Arrival) {
        match self {
            Group::Single(group) => group.arrived(arrival),
            Group::RoundRobin(group) => group.arrived(arrival),
            Group::Load(group) => group.arrived(arrival),
            Group::Stripe(group) => group.arrived(arrival),
        }
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        match self {
            Group::Single(group) => group.segment_room(rails),
            Group::RoundRobin(group) => group.segment_room(rails),
            Group::Load(group) => group.segment_room(rails),
            Group::Stripe(group) => group.segment_room(rails),
        }
    }
}
