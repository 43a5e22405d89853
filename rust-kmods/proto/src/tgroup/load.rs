// SPDX-License-Identifier: GPL-2.0-only

//! The group that elects the rail with the least queued.

use super::elected::Elected;
use super::{InFlight, RailView, TransmissionGroup};

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
