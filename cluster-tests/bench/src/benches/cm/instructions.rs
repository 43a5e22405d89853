// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a round trip, or a megabyte, costs in instructions.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{contestants, Case, Who, PEERS, SEALED_PEER};
use super::session::{CmSession, Profiled, SHORT, STREAM};
use super::{CLIENT, SERVER};
use crate::bench::{Effort, Session};
use crate::benches::counted::{self, Side, SIDES, UNIT};
use crate::benches::stack::{mode_name, MODES};
use crate::lab::Lab;
use crate::measure::{Key, Measurements};
use crate::profile::Tally;
use crate::row::{RowSpec, Wanted};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A round trip of 64 bytes.
    RoundTrip,
    /// A megabyte over one rail that is as fast as can be.
    Bulk,
}

const WORKS: [Work; 2] = [Work::RoundTrip, Work::Bulk];

impl Work {
    /// The case of the times, which has the same contestants.
    fn case(self) -> Case {
        match self {
            Self::RoundTrip => Case::RoundTrip(64),
            Self::Bulk => Case::Unshaped,
        }
    }

    fn profiled(self) -> &'static Profiled {
        match self {
            Self::RoundTrip => &SHORT,
            Self::Bulk => &STREAM,
        }
    }

    /// Its line in tables.
    fn line(self, side: Side) -> String {
        let side = match (self, side) {
            (Self::RoundTrip, side) => return side.line("64-byte round trip"),
            (Self::Bulk, Side::Client) => "sends",
            (Self::Bulk, Side::Server) => "receives",
        };
        format!("{UNIT}: MB over one rail, on the node that {side}")
    }

    fn key(self, side: Side, who: Who) -> Key {
        Key::new(self.line(side), who.name())
    }

    /// What ours to the peer's is to be.
    fn wanted(self, ours: Who, peer: Who) -> Option<Wanted> {
        match (self, ours, peer) {
            (Self::RoundTrip, Who::Cm(CmMode::Open), Who::Tcp) => Some(Wanted::AtMost(0.78)),
            (Self::RoundTrip, Who::Cm(CmMode::Open), Who::Tipc) => Some(Wanted::AtMost(0.95)),
            (Self::RoundTrip, Who::Cm(CmMode::Aead), SEALED_PEER) => Some(Wanted::AtMost(0.75)),
            _ => None,
        }
    }

    /// Of what a contestant takes, that which is not in the floor.
    fn above(self, side: Side, who: Who) -> Key {
        Key::new(format!("{}, above the floor", self.line(side)), who.name())
    }

    /// What CM `open` and its peers have in common.
    fn floor(self, side: Side) -> Key {
        Key::new(self.line(side), "floor of all")
    }

    /// What CM's modules execute.
    fn modules(self, side: Side, mode: CmMode) -> Key {
        let who = format!("modules of {}", Who::Cm(mode).name());
        Key::new(self.line(side), who)
    }
}

/// The table's lines.
pub fn rows() -> Vec<RowSpec> {
    let [open, mac, aead] = MODES.map(Who::Cm);
    let mut rows = Vec::new();
    let mut row = |ours: Key, peer: Key, wanted| {
        rows.push(RowSpec {
            case: ours.case.clone(),
            unit: UNIT,
            ours,
            peer,
            wanted,
        });
    };
    for (work, side) in all() {
        for (ours, peer) in [
            (open, Who::Tcp),
            (open, Who::PlainTcp),
            (open, Who::Udp),
            (open, Who::Tipc),
            (mac, open),
            (aead, open),
            (aead, SEALED_PEER),
        ] {
            if work.case().has(peer) {
                let wanted = work.wanted(ours, peer);
                row(work.key(side, ours), work.key(side, peer), wanted);
            }
        }
        let modules = work.modules(side, CmMode::Open);
        row(modules, work.key(side, open), None);
    }
    for side in SIDES {
        let work = Work::RoundTrip;
        row(work.floor(side), work.key(side, open), None);
        for peer in PEERS {
            row(work.above(side, open), work.above(side, peer), None);
        }
    }
    rows
}

fn all() -> impl Iterator<Item = (Work, Side)> {
    WORKS
        .into_iter()
        .flat_map(|work| SIDES.map(|side| (work, side)))
}

/// Nodes whose processors are counted.
pub struct Counting<'a> {
    lab: &'a Lab,
    session: CmSession<'a>,
    effort: Effort,
}

impl<'a> Counting<'a> {
    /// Sets up the peers.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        Ok(Self {
            lab,
            session: CmSession::start(lab, effort)?,
            effort,
        })
    }

    /// What a contestant's work costs on both sides.
    fn measure(&self, work: Work, who: Who) -> Result<[Tally; 2]> {
        let repeat = self.session.repeated(work.profiled(), who);
        counted::costs(self.lab, [CLIENT, SERVER], self.effort, repeat)
    }
}

impl Session for Counting<'_> {
    fn round(&mut self, round: usize, all: &mut Measurements) -> Result<()> {
        let mut open = Vec::new();
        for mode in MODES {
            let _server = self
                .session
                .load(mode)
                .with_context(|| format!("mode {}", mode_name(mode)))?;
            for work in WORKS {
                let mut contestants = contestants(mode);
                contestants.retain(|who| work.case().has(*who));
                for who in contestants {
                    match self.measure(work, who) {
                        Ok(costs) => {
                            record(work, who, &costs, round, all);
                            let floor = mode == CmMode::Open && work == Work::RoundTrip;
                            open.extend(floor.then_some((who, costs)));
                        }
                        Err(error) => {
                            let key = work.key(Side::Client, who);
                            all.record(round, key, Err(error));
                        }
                    }
                }
            }
        }
        floor(Work::RoundTrip, &open, round, all);
        Ok(())
    }
}

/// Takes what a contestant executes in all, and what of it CM's own modules do.
fn record(work: Work, who: Who, costs: &[Tally; 2], round: usize, all: &mut Measurements) {
    for (cost, side) in costs.iter().zip(SIDES) {
        all.record(round, work.key(side, who), Ok(cost.total()));
        if let Who::Cm(mode) = who {
            let ours = cost.of_modules("podos_");
            all.record(round, work.modules(side, mode), Ok(ours));
        }
    }
}

/// Takes what all of these have in common, and what each has above that.
fn floor(work: Work, costs: &[(Who, [Tally; 2])], round: usize, all: &mut Measurements) {
    for (index, side) in SIDES.into_iter().enumerate() {
        let tallies: Vec<_> = costs.iter().map(|(_, costs)| &costs[index]).collect();
        let floor = Tally::least(&tallies).total();
        all.record(round, work.floor(side), Ok(floor));
        for (who, costs) in costs {
            let above = costs[index].total() - floor;
            all.record(round, work.above(side, *who), Ok(above));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Place;
    use crate::row::Row;

    fn cost(places: &[(&str, &str, f64)]) -> [Tally; 2] {
        let mut tally = Tally::default();
        for (function, module, instructions) in places {
            let (function, module) = ((*function).into(), (*module).into());
            tally.add(Place::Kernel { function, module }, *instructions);
        }
        [tally.clone(), tally]
    }

    #[test]
    fn what_is_wanted_is_wanted_of_both_sides() {
        let rows = rows();
        let wanted = rows.iter().filter_map(|row| Some((row, row.wanted?)));
        let wanted: Vec<_> = wanted
            .map(|(row, wanted)| format!("{} / {} {wanted}", row.ours.who, row.peer.who))
            .collect();
        let side = [
            "CM open / TCP ≤ 0.78",
            "CM open / TIPC ≤ 0.95",
            "CM aead / TCP over WireGuard ≤ 0.75",
        ];
        assert_eq!(wanted, [side, side].concat());
    }

    #[test]
    fn every_line_is_measured() {
        let mut all = Measurements::default();
        let ours = cost(&[("irq", "", 10.0), ("send", "podos_cm", 6.0)]);
        let peers = cost(&[("irq", "", 12.0), ("ip", "", 4.0)]);
        for mode in MODES {
            for work in WORKS {
                let mut open = Vec::new();
                for who in contestants(mode) {
                    if work.case().has(who) {
                        let costs = match who {
                            Who::Cm(_) => &ours,
                            _ => &peers,
                        };
                        record(work, who, costs, 0, &mut all);
                        open.push((who, costs.clone()));
                    }
                }
                if mode == CmMode::Open && work == Work::RoundTrip {
                    floor(work, &open, 0, &mut all);
                }
            }
        }
        let rows: Vec<_> = rows().iter().map(|spec| Row::of(spec, &all)).collect();
        assert!(rows.iter().all(|row| row.ratio.is_some()), "{rows:#?}");
        let (work, side) = (Work::RoundTrip, Side::Client);
        assert_eq!(all.rounds(&work.floor(side)), [10.0]);
        assert_eq!(all.rounds(&work.above(side, Who::Tcp)), [6.0]);
        assert_eq!(all.rounds(&work.modules(side, CmMode::Mac)), [6.0]);
    }
}
