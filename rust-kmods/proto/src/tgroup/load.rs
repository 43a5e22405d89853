// SPDX-License-Identifier: GPL-2.0-only

//! The group that elects the rail with the least queued.

use super::{InFlight, RailId, RailView, TransmissionGroup};

/// The rail with the fewest queued bytes, then with the lowest round-trip time.
///
/// Between two bursts the best rail is taken. Within one, while the circuit has something under
/// way, a change puts frames out of order, so another rail must be better by [`Load::SLACK`] bytes.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    rail: Option<RailId>,
}

impl Load {
    /// Queued bytes that make no difference within a burst: some ten full frames, about what a
    /// device takes in one go.
    pub const SLACK: u32 = 16 * 1024;
    /// Queued bytes that make no difference between bursts: one full frame.
    const GRAIN: u32 = 2 * 1024;

    /// For a new circuit.
    pub const fn new() -> Self {
        Self { rail: None }
    }

    /// The best rail for a circuit that is free to choose; `present` unless another is clearly
    /// better.
    fn best(rails: &RailView, present: Option<RailId>) -> Option<RailId> {
        let least = rails.iter().map(|(_, rail)| rail.queued_bytes).min()?;
        let enough = least.saturating_add(Self::GRAIN);
        let idle = || rails.iter().filter(|(_, rail)| rail.queued_bytes <= enough);
        // One that was never measured is worth a try: that is how it gets measured.
        let (fastest, there) = idle().min_by_key(|(_, status)| status.rtt_us)?;
        // Round trips differ a little from one to the next.
        let stay = idle().find(|(rail, here)| {
            let near = there.rtt_us != 0 && here.rtt_us <= there.rtt_us.saturating_mul(5) / 4;
            Some(*rail) == present && (near || here.rtt_us == 0)
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
    fn elect(&mut self, rails: &RailView, own: &InFlight, _bytes: usize) -> Option<RailId> {
        let present = self.rail.and_then(|rail| Some((rail, rails.get(rail)?)));
        match present {
            Some((rail, status)) if own.on(rail) > 0 => {
                let (least, other) = rails
                    .iter()
                    .map(|(rail, other)| (other.queued_bytes, rail))
                    .min()?;
                if least.saturating_add(Self::SLACK) < status.queued_bytes {
                    self.rail = Some(other);
                }
            }
            _ => self.rail = Some(Self::best(rails, self.rail)?),
        }
        self.rail
    }

    fn segment_room(&self, rails: &RailView) -> u16 {
        let present = self.rail.filter(|rail| rails.usable().contains(*rail));
        let rail = present.or_else(|| Self::best(rails, self.rail));
        rail.map_or(0, |rail| rails.room(rail))
    }
}
