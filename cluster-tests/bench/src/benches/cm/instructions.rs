// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a round trip costs in instructions, which a busy host does not move.

use anyhow::{Context, Result};
use podos_harness::CmMode;

use super::contest::{Who, PEERS};
use super::session::CmSession;
use super::{CLIENT, SERVER};
use crate::bench::{Effort, Session};
use crate::benches::stack::{mode_name, MODES};
use crate::lab::Lab;
use crate::measure::{Key, Measurements};
use crate::profile::{self, Tally};
use crate::row::RowSpec;

const UNIT: &str = "instructions";

/// A node of a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Asks,
    Answers,
}

/// Both, in the order of [`CLIENT`] and [`SERVER`].
const SIDES: [Side; 2] = [Side::Asks, Side::Answers];

impl Side {
    fn case(self) -> String {
        let side = match self {
            Self::Asks => "asks",
            Self::Answers => "answers",
        };
        format!("64-byte round trip, on the node that {side}")
    }

    fn key(self, who: Who) -> Key {
        Key::new(format!("{UNIT}: {}", self.case()), who.name())
    }

    /// Of what a contestant takes, that which is not in the floor.
    fn above(self, who: Who) -> Key {
        let case = format!("{UNIT}: {}, above the floor", self.case());
        Key::new(case, who.name())
    }

    /// What all contestants but the sealed modes have in common.
    fn floor(self) -> Key {
        Key::new(format!("{UNIT}: {}", self.case()), "floor of all")
    }

    /// What CM's modules execute.
    fn modules(self, mode: CmMode) -> Key {
        let who = format!("modules of {}", Who::Cm(mode).name());
        Key::new(format!("{UNIT}: {}", self.case()), who)
    }
}

/// The table's lines.
pub fn rows() -> Vec<RowSpec> {
    let [open, mac, aead] = MODES.map(Who::Cm);
    let mut rows = Vec::new();
    for side in SIDES {
        let mut row = |ours: Key, peer: Key| {
            rows.push(RowSpec {
                case: ours.case.clone(),
                unit: UNIT,
                ours,
                peer,
                wanted: None,
            });
        };
        for peer in PEERS {
            row(side.key(open), side.key(peer));
        }
        for (sealed, peer) in [(mac, open), (aead, open), (aead, Who::Tcp)] {
            row(side.key(sealed), side.key(peer));
        }
        for peer in PEERS {
            row(side.above(open), side.above(peer));
        }
        row(side.floor(), side.key(open));
        row(side.modules(CmMode::Open), side.key(open));
    }
    rows
}

/// Nodes whose processors are counted.
pub struct Counting<'a> {
    lab: &'a Lab,
    session: CmSession<'a>,
    /// Round trips of the short repetition.
    count: u32,
}

impl<'a> Counting<'a> {
    /// Sets up the peers.
    pub fn start(lab: &'a Lab, effort: Effort) -> Result<Self> {
        Ok(Self {
            lab,
            session: CmSession::start(lab, effort)?,
            count: effort.pick(1000, 50),
        })
    }

    /// What a round trip of a contestant costs on both sides.
    fn measure(&self, who: Who) -> Result<[Tally; 2]> {
        let mut repeat = self.session.round_trips(who);
        repeat.count = self.count;
        let tallies = profile::per_unit(self.lab, &[CLIENT, SERVER], &mut repeat)?;
        <[Tally; 2]>::try_from(tallies)
            .ok()
            .context("two nodes have two tallies")
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
            let peers = PEERS.into_iter().filter(|_| mode == CmMode::Open);
            for who in [Who::Cm(mode)].into_iter().chain(peers) {
                let costs = self.measure(who);
                for (index, side) in SIDES.into_iter().enumerate() {
                    let total = match &costs {
                        Ok(costs) => Ok(costs[index].total()),
                        Err(error) => Err(anyhow::anyhow!("{error:#}")),
                    };
                    all.record(round, side.key(who), total);
                }
                if let Ok(costs) = costs {
                    split(mode, who, &costs, round, all);
                    open.extend((mode == CmMode::Open).then_some((who, costs)));
                }
            }
        }
        floor(&open, round, all);
        Ok(())
    }
}

/// Takes what CM's own modules execute.
fn split(mode: CmMode, who: Who, costs: &[Tally; 2], round: usize, all: &mut Measurements) {
    if let Who::Cm(_) = who {
        for (cost, side) in costs.iter().zip(SIDES) {
            let ours = cost.of_modules("podos_");
            all.record(round, side.modules(mode), Ok(ours));
        }
    }
}

/// Takes what all of these have in common, and what each has above that.
fn floor(contestants: &[(Who, [Tally; 2])], round: usize, all: &mut Measurements) {
    for (index, side) in SIDES.into_iter().enumerate() {
        let costs: Vec<_> = contestants.iter().map(|(_, costs)| &costs[index]).collect();
        let floor = Tally::least(&costs).total();
        all.record(round, side.floor(), Ok(floor));
        for (who, costs) in contestants {
            all.record(round, side.above(*who), Ok(costs[index].total() - floor));
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
    fn every_line_is_measured() {
        let open = Who::Cm(CmMode::Open);
        let mut all = Measurements::default();
        let mut contestants = vec![(open, cost(&[("irq", "", 10.0), ("send", "podos_cm", 6.0)]))];
        contestants.extend(PEERS.map(|peer| (peer, cost(&[("irq", "", 12.0), ("ip", "", 4.0)]))));
        for mode in MODES {
            split(mode, Who::Cm(mode), &contestants[0].1, 0, &mut all);
            for side in SIDES {
                all.record(0, side.key(Who::Cm(mode)), Ok(16.0));
            }
        }
        for side in SIDES {
            for peer in PEERS {
                all.record(0, side.key(peer), Ok(16.0));
            }
        }
        floor(&contestants, 0, &mut all);
        let rows: Vec<_> = rows().iter().map(|spec| Row::of(spec, &all)).collect();
        assert!(rows.iter().all(|row| row.ratio.is_some()), "{rows:#?}");
        assert_eq!(all.rounds(&Side::Asks.floor()), [10.0]);
        assert_eq!(all.rounds(&Side::Asks.above(Who::Tcp)), [6.0]);
        assert_eq!(all.rounds(&Side::Answers.modules(CmMode::Mac)), [6.0]);
    }
}
