// SPDX-License-Identifier: GPL-2.0-only

//! Groups that keep a circuit on one rail.

use super::{InFlight, RailId, RailView, TransmissionGroup};

/// Everything over the first rail that works.
///
/// A circuit stays where it is while that rail works, though a lower one returns.
#[derive(Clone, Copy, Debug)]
pub struct Single {
    rail: Option<RailId>,
}

impl Single {
    /// For a new circuit.
    pub const fn new() -> Self {
        Self { rail: None }
    }

    /// Its rail as long as that works, then the first that does.
    fn choice(&self, rails: &RailView) -> Option<RailId> {
        let present = self.rail.filter(|rail| rails.usable().contains(*rail));
        present.or_else(|| rails.usable().first())
    }
}

impl Default for Single {
    fn default() -> Self {
        Self::new()
    }
}

impl TransmissionGroup for Single {
    fn elect(&mut self, rails: &RailView, _own: &InFlight, _bytes: usize) -> Option<RailId> {
        let rail = self.choice(rails)?;
        self.rail = Some(rail);
        Some(rail)
    }

    fn follow(&mut self, rail: RailId) {
        self.rail = Some(rail);
    }

    fn is_bound(&self) -> bool {
        true
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        self.choice(rails).map_or(0, |rail| rails.room(rail))
    }
}

/// Circuits dealt over the rails in turn, each with one rail for all its frames: the paper's
/// "1-Interface-for-all-Packets-in-a-VC".
#[derive(Clone, Copy, Debug)]
pub struct RoundRobin {
    turn: u16,
    rail: Option<RailId>,
}

impl RoundRobin {
    /// For the circuit that is number `turn` on its node.
    pub const fn new(turn: u32) -> Self {
        // A multiple of all from 1 to MAX_RAILS, so that the turns go on where it wraps.
        const TURNS: u32 = 840;
        Self {
            turn: (turn % TURNS) as u16,
            rail: None,
        }
    }

    /// The rail whose turn it is: of `n` that work, the `turn mod n`-th.
    fn deal(&self, rails: &RailView) -> Option<RailId> {
        let usable = rails.usable();
        let turn = usize::from(self.turn).checked_rem(usable.len())?;
        usable.iter().nth(turn)
    }

    /// Its rail as long as that works, then the one whose turn it is.
    fn choice(&self, rails: &RailView) -> Option<RailId> {
        let present = self.rail.filter(|rail| rails.usable().contains(*rail));
        present.or_else(|| self.deal(rails))
    }
}

impl TransmissionGroup for RoundRobin {
    fn elect(&mut self, rails: &RailView, _own: &InFlight, _bytes: usize) -> Option<RailId> {
        let rail = self.choice(rails)?;
        self.rail = Some(rail);
        Some(rail)
    }

    fn follow(&mut self, rail: RailId) {
        self.rail = Some(rail);
    }

    fn is_bound(&self) -> bool {
        true
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        self.choice(rails).map_or(0, |rail| rails.room(rail))
    }
}
