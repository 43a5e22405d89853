// SPDX-License-Identifier: GPL-2.0-only

//! Transmission groups: which rail a frame goes over (paper, section 3.3).
//!
//! Every circuit holds a [`Group`] of its own. For each frame the circuit's owner shows it the
//! rails to the peer as they are now, a [`RailView`], and the group elects one of them.

mod dealer;
mod group;
mod load;
mod one_rail;
mod per_rail;
mod rail_id;
mod rail_set;
mod stripe;
#[cfg(test)]
mod tests;
mod view;

pub use dealer::Dealer;
pub use group::{Group, GroupKind};
pub use load::Load;
pub use one_rail::{RoundRobin, Single};
pub use per_rail::PerRail;
pub use rail_id::RailId;
pub use rail_set::RailSet;
pub use stripe::Stripe;
pub use view::{Arrival, InFlight, RailStatus, RailView};

/// Most rails (network interfaces) of a node.
pub const MAX_RAILS: usize = 8;

/// Least room for data in a frame that makes a rail of use: a rail with an absurdly small MTU would
/// cut every segment into hundreds of frames.
pub const MIN_ROOM: u16 = 64;

/// How the frames of one circuit are dealt over the rails (the paper's `elect_interface`).
///
/// A value belongs to one circuit and may remember what it chose.
pub trait TransmissionGroup {
    /// The rail for a frame with `bytes` of data; `None` only when no rail is usable.
    ///
    /// `own` is what the circuit itself has under way.
    fn elect(&mut self, rails: &RailView, own: &InFlight, bytes: usize) -> Option<RailId>;

    /// The other end, which opened the circuit, sends over `rail`. A group that keeps all frames of a
    /// circuit on one rail goes there, so that both directions share it.
    fn follow(&mut self, _rail: RailId) {}

    /// Whether a circuit keeps to its rail while that works, so that leaving it takes more than one
    /// segment that did not come through.
    fn is_bound(&self) -> bool {
        false
    }

    /// A segment of this circuit is known to have arrived.
    fn arrived(&mut self, _arrival: &Arrival) {}

    /// How much data a segment should have that is made now: what fits a frame on the rails that
    /// this group will take. 0 when no rail is usable.
    fn segment_room(&self, rails: &RailView) -> u16;
}
