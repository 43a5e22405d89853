// SPDX-License-Identifier: GPL-2.0-only

//! The rails as one circuit knows them: what it has in flight on each, what came through, and which
//! of them seem dead.

use crate::tgroup::{
    Arrival, Group, InFlight, PerRail, RailId, RailSet, RailView, TransmissionGroup, MAX_RAILS,
};
use crate::time::{nanos, Duration, Instant};

/// Segments sent later over the same rail that must arrive before one counts as lost.
const REORDERING: i16 = 3;
/// Segments that a time-out must find lost on a rail for the rail to be left at once.
const MANY: u32 = 3;
/// Time-outs without an arrival between them after which a rail is left.
const MISSES: u8 = 2;
/// How long a rail that seems dead is left alone at first; doubled each time, up to 8 s.
const AVOIDED: Duration = Duration::from_secs(1);
const MAX_STRIKES: u8 = 3;

/// One rail.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Segments sent, modulo 2^16: numbers the next one.
    sent: u16,
    /// The number of the latest segment that is known to have arrived.
    arrived: Option<u16>,
    /// Segments under way.
    flight: u16,
    /// Time-outs since something arrived.
    misses: u8,
    /// How often the rail was left since something arrived.
    strikes: u8,
}

impl Way {
    /// One that nothing was sent over.
    const NEW: Way = Way {
        sent: 0,
        arrived: None,
        flight: 0,
        misses: 0,
        strikes: 0,
    };
}

/// See the module.
#[derive(Debug)]
pub(super) struct RailState {
    group: Group,
    rails: PerRail<Way>,
    bytes: InFlight,
    /// The rails with something under way.
    busy: RailSet,
    /// The rails that could be used when the circuit last looked.
    usable: RailSet,
    /// The rails that seem dead, though the node does not know yet.
    avoided: RailSet,
    avoided_until: Instant,
}

impl RailState {
    pub(super) const fn new(group: Group) -> Self {
        Self {
            group,
            rails: PerRail::new([Way::NEW; MAX_RAILS]),
            bytes: InFlight::NONE,
            busy: RailSet::EMPTY,
            usable: RailSet::EMPTY,
            avoided: RailSet::EMPTY,
            avoided_until: Instant::from_nanos(0),
        }
    }

    pub(super) const fn group(&self) -> &Group {
        &self.group
    }

    /// The other end sends over `rail`.
    pub(super) fn follow(&mut self, rail: RailId) {
        self.group.follow(rail);
    }

    /// Takes note of which rails can be used; those with something under way that can no longer.
    pub(super) fn look(&mut self, now: Instant, rails: &RailView) -> RailSet {
        let usable = rails.usable();
        if usable != self.usable {
            self.usable = usable;
            // What went down and comes back is as good as new.
            self.avoided = self.avoided.and(usable);
        }
        if !self.avoided.is_empty()
            && (self.avoided_until <= now || usable.without(self.avoided).is_empty())
        {
            self.avoided = RailSet::EMPTY;
        }
        self.busy.without(usable)
    }

    /// The rail for a frame with `bytes` of data, after [`RailState::look`]; `None` if there is none.
    pub(super) fn elect(&mut self, rails: &RailView, bytes: usize) -> Option<RailId> {
        if self.avoided.is_empty() {
            self.group.elect(rails, &self.bytes, bytes)
        } else {
            let rails = rails.only(self.usable.without(self.avoided));
            self.group.elect(&rails, &self.bytes, bytes)
        }
    }

    pub(super) fn segment_room(&self, rails: &RailView) -> u16 {
        let trusted = rails.usable().without(self.avoided);
        if self.avoided.is_empty() || trusted.is_empty() {
            self.group.segment_room(rails)
        } else {
            self.group.segment_room(&rails.only(trusted))
        }
    }

    /// How many tries it takes at most until a rail had two that works, if only one does: it may be
    /// the last to be tried, after all were given up once.
    pub(super) const fn tries(&self) -> usize {
        4 * self.usable.len() + 2
    }

    /// Whether frames can go over `rail`, as far as is known.
    pub(super) fn trusts(&self, rail: RailId) -> bool {
        self.usable.contains(rail) && !self.avoids(rail)
    }

    /// Whether `rail` seems dead.
    pub(super) fn avoids(&self, rail: RailId) -> bool {
        self.avoided.contains(rail)
    }

    /// Counts a segment that goes out over `rail`; its number there.
    pub(super) fn sent(&mut self, rail: RailId, bytes: usize) -> u16 {
        let way = &mut self.rails[rail];
        let number = way.sent;
        way.sent = number.wrapping_add(1);
        way.flight += 1;
        self.bytes.add(rail, bytes as u32);
        self.busy.insert(rail);
        number
    }

    /// Bytes under way.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes.total()
    }

    /// Counts a segment that is no longer under way.
    pub(super) fn left(&mut self, rail: RailId, bytes: usize) {
        let way = &mut self.rails[rail];
        way.flight = way.flight.saturating_sub(1);
        self.bytes.sub(rail, bytes as u32);
        if way.flight == 0 {
            self.busy.remove(rail);
        }
    }

    /// Counts segment `number` of `rail` as arrived, under way or not. `round_trip` is what it took
    /// if it was sent once only.
    pub(super) fn arrived(
        &mut self,
        now: Instant,
        (rail, number): (RailId, u16),
        bytes: usize,
        round_trip: Option<Duration>,
    ) {
        self.group.arrived(&Arrival {
            rail,
            bytes: bytes as u32,
            now_us: (now.as_nanos() >> 10) as u32,
            rtt_us: round_trip.map(|time| u32::try_from(nanos(time) >> 10).unwrap_or(u32::MAX)),
            was_last: !self.busy.contains(rail),
        });
        let way = &mut self.rails[rail];
        way.misses = 0;
        way.strikes = 0;
        self.avoided.remove(rail);
        if way
            .arrived
            .is_none_or(|latest| (number.wrapping_sub(latest) as i16) > 0)
        {
            way.arrived = Some(number);
        }
    }

    /// The rails on which something under way was sent before something that arrived. (As long as
    /// nothing is lost, what is under way is just what was sent since the latest arrival.)
    pub(super) fn with_gaps(&self) -> RailSet {
        let has_gap = |rail: &RailId| {
            let way = &self.rails[*rail];
            let since = |latest: u16| way.sent.wrapping_sub(latest).wrapping_sub(1);
            way.arrived
                .is_some_and(|latest| way.flight != since(latest))
        };
        self.busy.iter().filter(has_gap).collect()
    }

    /// Whether segment `number` of `rail` was sent well before one that arrived there.
    pub(super) fn is_overtaken(&self, rail: RailId, number: u16) -> bool {
        self.rails[rail]
            .arrived
            .is_some_and(|latest| latest.wrapping_sub(number) as i16 >= REORDERING)
    }

    /// A time-out found `lost` segments lost on `rail`, and none that arrived since they were sent.
    /// Whether the rail is left now, for another.
    pub(super) fn missed(&mut self, now: Instant, rail: RailId, lost: u32) -> bool {
        let way = &mut self.rails[rail];
        let step = match lost >= MANY || !self.group.is_bound() {
            true => MISSES,
            false => 1,
        };
        way.misses = way.misses.saturating_add(step);
        if way.misses < MISSES {
            return false;
        }
        way.misses = 0;
        let mut avoided = self.avoided;
        avoided.insert(rail);
        if self.usable.without(avoided).is_empty() {
            // Nowhere else to go: all rails are worth the same again.
            self.avoided = RailSet::EMPTY;
            return false;
        }
        self.avoided = avoided;
        self.avoided_until = self.avoided_until.max(now + AVOIDED * (1 << way.strikes));
        way.strikes = (way.strikes + 1).min(MAX_STRIKES);
        true
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self, in_flight: impl Iterator<Item = (RailId, usize)>) {
        let mut bytes = InFlight::NONE;
        let mut flight = PerRail::new([0; MAX_RAILS]);
        for (rail, len) in in_flight {
            bytes.add(rail, len as u32);
            flight[rail] += 1;
        }
        assert_eq!(bytes, self.bytes);
        for (rail, way) in self.rails.iter() {
            assert_eq!(way.flight, flight[rail]);
            assert_eq!(self.busy.contains(rail), way.flight > 0);
        }
    }
}
