// SPDX-License-Identifier: GPL-2.0-only

//! The groups that there are.

use super::{InFlight, RailSet, RailView, TransmissionGroup, MAX_RAILS};

/// No rail was elected yet.
const NO_RAIL: u8 = u8::MAX;

/// A rail that was elected before, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elected(u8);

impl Elected {
    const NONE: Elected = Elected(NO_RAIL);

    fn get(self) -> usize {
        usize::from(self.0)
    }

    fn set(&mut self, rail: usize) {
        self.0 = rail as u8;
    }

    fn is_usable(self, rails: &RailView) -> bool {
        rails.usable().contains(self.get())
    }
}

/// Everything over the first rail that works.
///
/// A circuit stays where it is while that rail works, though a lower one returns.
#[derive(Clone, Copy, Debug)]
pub struct Single {
    rail: Elected,
}

impl Single {
    /// For a new circuit.
    pub const fn new() -> Self {
        Self {
            rail: Elected::NONE,
        }
    }
}

impl Default for Single {
    fn default() -> Self {
        Self::new()
    }
}

impl TransmissionGroup for Single {
    fn elect(&mut self, rails: &RailView, _own: &InFlight, _bytes: usize) -> Option<usize> {
        if !self.rail.is_usable(rails) {
            self.rail.set(rails.usable().first()?);
        }
        Some(self.rail.get())
    }

    fn follow(&mut self, rail: usize) {
        self.rail.set(rail);
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        if self.rail.is_usable(rails) {
            return rails.room(self.rail.get());
        }
        rails.usable().first().map_or(0, |rail| rails.room(rail))
    }
}

/// Circuits dealt over the rails in turn, each with one rail for all its frames: the paper's
/// "1-Interface-for-all-Packets-in-a-VC".
#[derive(Clone, Copy, Debug)]
pub struct RoundRobin {
    turn: u16,
    rail: Elected,
}

impl RoundRobin {
    /// For the circuit that is number `turn` on its node.
    pub const fn new(turn: u32) -> Self {
        // A multiple of all from 1 to MAX_RAILS, so that the turns go on where it wraps.
        const TURNS: u32 = 840;
        Self {
            turn: (turn % TURNS) as u16,
            rail: Elected::NONE,
        }
    }

    /// The rail whose turn it is: of `n` that work, the `turn mod n`-th.
    fn deal(&self, rails: &RailView) -> Option<usize> {
        let usable = rails.usable();
        let turn = usize::from(self.turn).checked_rem(usable.len())?;
        usable.iter().nth(turn)
    }
}

impl TransmissionGroup for RoundRobin {
    fn elect(&mut self, rails: &RailView, _own: &InFlight, _bytes: usize) -> Option<usize> {
        if !self.rail.is_usable(rails) {
            self.rail.set(self.deal(rails)?);
        }
        Some(self.rail.get())
    }

    fn follow(&mut self, rail: usize) {
        self.rail.set(rail);
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        if self.rail.is_usable(rails) {
            return rails.room(self.rail.get());
        }
        self.deal(rails).map_or(0, |rail| rails.room(rail))
    }
}

/// The rail with the fewest queued bytes, then with the lowest round-trip time.
///
/// Between two bursts the best rail is taken. Within one, while the circuit has something under
/// way, a change puts frames out of order, so another rail must be better by [`Load::SLACK`] bytes.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    rail: Elected,
}

impl Load {
    /// Queued bytes that make no difference within a burst: some ten full frames, about what a
    /// device takes in one go.
    pub const SLACK: u32 = 16 * 1024;
    /// Queued bytes that make no difference between bursts: one full frame.
    const GRAIN: u32 = 2 * 1024;

    /// For a new circuit.
    pub const fn new() -> Self {
        Self {
            rail: Elected::NONE,
        }
    }

    /// The best rail for a circuit that is free to choose; `present` unless another is clearly
    /// better.
    fn best(rails: &RailView, present: Elected) -> Option<usize> {
        let least = rails.iter().map(|(_, rail)| rail.queued_bytes).min()?;
        let enough = least.saturating_add(Self::GRAIN);
        let idle = || rails.iter().filter(|(_, rail)| rail.queued_bytes <= enough);
        // One that was never measured is worth a try: that is how it gets measured.
        let (fastest, there) = idle().min_by_key(|(_, status)| status.rtt_us)?;
        // Round trips differ a little from one to the next.
        let stay = idle().find(|(rail, here)| {
            let near = there.rtt_us != 0 && here.rtt_us <= there.rtt_us.saturating_mul(5) / 4;
            *rail == present.get() && (near || here.rtt_us == 0)
        });
        Some(stay.map_or(fastest, |(rail, _)| rail))
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}

impl TransmissionGroup for Load {
    fn elect(&mut self, rails: &RailView, own: &InFlight, _bytes: usize) -> Option<usize> {
        let present = self.rail.get();
        match rails.get(present) {
            Some(status) if own.on(present) > 0 => {
                let (least, other) = rails
                    .iter()
                    .map(|(rail, other)| (other.queued_bytes, rail))
                    .min()?;
                if least.saturating_add(Self::SLACK) < status.queued_bytes {
                    self.rail.set(other);
                }
            }
            _ => self.rail.set(Self::best(rails, self.rail)?),
        }
        Some(self.rail.get())
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        if self.rail.is_usable(rails) {
            return rails.room(self.rail.get());
        }
        Self::best(rails, self.rail).map_or(0, |rail| rails.room(rail))
    }
}

/// The frames of one circuit over all rails at once, each over the one with the least before it:
/// what is queued there, and what the circuit itself has under way. A slow rail, on which frames
/// stay under way for longer, thus gets fewer.
#[derive(Clone, Copy, Debug)]
pub struct Stripe {
    /// Where to look first, so that rails with the same load take turns.
    next: u8,
}

impl Stripe {
    /// For a new circuit.
    pub const fn new() -> Self {
        Self { next: 0 }
    }
}

impl Default for Stripe {
    fn default() -> Self {
        Self::new()
    }
}

impl TransmissionGroup for Stripe {
    fn elect(&mut self, rails: &RailView, own: &InFlight, _bytes: usize) -> Option<usize> {
        let next = usize::from(self.next);
        let turn = |rail: usize| rail.wrapping_sub(next) % MAX_RAILS;
        let load = |rail, queued: u32| u64::from(queued) + u64::from(own.on(rail));
        let (rail, _) = rails
            .iter()
            .min_by_key(|(rail, status)| (load(*rail, status.queued_bytes), turn(*rail)))?;
        self.next = ((rail + 1) % MAX_RAILS) as u8;
        Some(rail)
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        rails.least_room()
    }
}

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
    fn elect(&mut self, rails: &RailView, own: &InFlight, bytes: usize) -> Option<usize> {
        match self {
            Group::Single(group) => group.elect(rails, own, bytes),
            Group::RoundRobin(group) => group.elect(rails, own, bytes),
            Group::Load(group) => group.elect(rails, own, bytes),
            Group::Stripe(group) => group.elect(rails, own, bytes),
        }
    }

    fn follow(&mut self, rail: usize) {
        match self {
            Group::Single(group) => group.follow(rail),
            Group::RoundRobin(group) => group.follow(rail),
            Group::Load(group) => group.follow(rail),
            Group::Stripe(group) => group.follow(rail),
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

/// Deals rails in turn to what belongs to no circuit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dealer {
    next: usize,
}

impl Dealer {
    /// One of `rails`; `None` only when there is none.
    pub fn deal(&mut self, rails: RailSet) -> Option<usize> {
        let rail = rails.next_from(self.next)?;
        self.next = rail + 1;
        Some(rail)
    }
}
