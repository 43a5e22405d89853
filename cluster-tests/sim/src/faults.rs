// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults, when and for how long: a plan that follows from the seed.

use podos_proto::tgroup::{RailId, RailSet};
use podos_random::{mix, SplitMix64};

use crate::clock::{Nanos, MILLIS, SECONDS};
use crate::config::Protection;
use crate::config::{Config, Faults};
use crate::network::{Port, Weather};
use crate::random;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A node is off; it comes back with another boot.
    NodeOff(u32),
    /// CM is unloaded and loaded again, in the same boot; `true`: it says good-bye.
    Reload(u32, bool),
    /// An interface has no carrier, and its node knows.
    NoCarrier(u32, RailId),
    /// An interface hears nothing.
    Deaf(u32, RailId),
    /// What an interface sends gets nowhere.
    Mute(u32, RailId),
    /// A rail's switch is off: all its interfaces are without carrier.
    RailOff(RailId),
    /// A rail's switch forwards nothing.
    RailSilent(RailId),
    /// The rails of this set fall into two parts, as a hash with this salt says.
    Parted(RailSet, u64),
    /// No fault: a node renews its part of all session keys, when this begins and when it ends.
    Rekey(u32),
    /// A rail has other weather.
    Storm(RailId, Weather),
}

/// Something that is wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub from: Nanos,
    /// When it is over.
    pub until: Nanos,
    /// What it is.
    pub kind: Kind,
}

/// What the rails do to frames all the time.
pub fn usual_weather(faults: Faults) -> Weather {
    match faults {
        Faults::None => Weather::default(),
        Faults::Frames | Faults::All => Weather {
            loss: 10_000,
            duplicates: 10_000,
            damage: 2_000,
            stragglers: 200,
            jitter: 200_000,
        },
    }
}

/// The plan of a simulation.
pub fn plan(config: &Config) -> Vec<Fault> {
    if config.faults != Faults::All {
        return Vec::new();
    }
    let mut random = random::of(config.seed, 2);
    let random = &mut random;
    let mut faults = Vec::new();
    let nodes = u64::from(config.nodes);
    // Counts of faults: of so many nodes in a thousand each second, and of all so often in ten
    // seconds.
    let of_nodes = |per_mille: u64| (nodes * per_mille * config.load / SECONDS).div_ceil(1_000);
    let of_all = |per_ten_seconds: u64| (per_ten_seconds * config.load / SECONDS).div_ceil(10);
    let node = |random: &mut SplitMix64| random.below(nodes) as u32;
    let rail = |random: &mut SplitMix64| RailId::ALL[random.index(config.rails)];
    let mut add = |random: &mut SplitMix64, count: u64, make: &dyn Fn(&mut SplitMix64) -> Kind| {
        for _ in 0..count {
            let kind = make(random);
            let from = random.within(SECONDS / 2, config.load);
            // Some are over before anybody can notice, some last.
            let length = match random.below(3) {
                0 => random.within(MILLIS, 300 * MILLIS),
                1 => random.within(300 * MILLIS, 2 * SECONDS),
                _ => random.within(SECONDS, 2 * SECONDS + (config.load / 2).min(10 * SECONDS)),
            };
            let until = (from + length).min(config.load + SECONDS);
            faults.push(Fault { from, until, kind });
        }
    };
    add(random, of_nodes(20), &|random| Kind::NodeOff(node(random)));
    add(random, of_nodes(10), &|random| {
        Kind::Reload(node(random), random.chance(700_000))
    });
    if config.mode != Protection::Open {
        add(random, of_nodes(60), &|random| Kind::Rekey(node(random)));
    }
    add(random, of_nodes(20), &|random| {
        Kind::NoCarrier(node(random), rail(random))
    });
    add(random, of_nodes(15), &|random| {
        Kind::Deaf(node(random), rail(random))
    });
    add(random, of_nodes(15), &|random| {
        Kind::Mute(node(random), rail(random))
    });
    add(random, of_all(3), &|random| Kind::RailOff(rail(random)));
    add(random, of_all(3), &|random| Kind::RailSilent(rail(random)));
    add(random, of_all(5), &|random| {
        let rails = RailSet::from_bits(random.within(1, 255) as u8);
        Kind::Parted(rails, random.draw())
    });
    add(random, of_all(8), &|random| {
        let weather = Weather {
            loss: random.below(300_000) as u32,
            duplicates: random.below(200_000) as u32,
            damage: random.below(50_000) as u32,
            stragglers: random.below(5_000) as u32,
            jitter: random.below(50 * MILLIS),
        };
        Kind::Storm(rail(random), weather)
    });
    faults
}

/// An interface while these faults last.
pub fn port<'a>(faults: impl Iterator<Item = &'a Fault>, node: u32, rail: RailId) -> Port {
    let mut port = Port {
        carrier: true,
        deaf: false,
        mute: false,
        part: 0,
    };
    for (number, fault) in faults.enumerate() {
        match fault.kind {
            Kind::NoCarrier(n, r) if (n, r) == (node, rail) => port.carrier = false,
            Kind::Deaf(n, r) if (n, r) == (node, rail) => port.deaf = true,
            Kind::Mute(n, r) if (n, r) == (node, rail) => port.mute = true,
            Kind::RailOff(r) if r == rail => port.carrier = false,
            Kind::RailSilent(r) if r == rail => port.deaf = true,
            Kind::Parted(rails, salt) if rails.contains(rail) => {
                let side = mix(salt ^ u64::from(node)) & 1;
                port.part ^= (side as u8) << (number % 8);
            }
            _ => {}
        }
    }
    port
}

/// A rail's weather while these faults last.
pub fn weather<'a>(
    faults: impl Iterator<Item = &'a Fault>,
    usual: Weather,
    rail: RailId,
) -> Weather {
    let storms = faults.filter_map(|fault| match fault.kind {
        Kind::Storm(r, weather) if r == rail => Some(weather),
        _ => None,
    });
    storms.last().unwrap_or(usual)
}

/// What of the rest of the world a fault changes.
impl Kind {
    /// The nodes whose interfaces may change; `None`: all of them.
    pub fn node(&self) -> Option<u32> {
        match *self {
            Kind::NodeOff(node)
            | Kind::Reload(node, _)
            | Kind::Rekey(node)
            | Kind::NoCarrier(node, _)
            | Kind::Deaf(node, _)
            | Kind::Mute(node, _) => Some(node),
            Kind::RailOff(_) | Kind::RailSilent(_) | Kind::Parted(..) | Kind::Storm(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_proto::tgroup::RailId::*;

    #[test]
    fn plans_follow_from_the_seed() {
        let config = Config::new(50, 3);
        assert_eq!(plan(&config), plan(&config));
        assert_ne!(plan(&config), plan(&Config::new(50, 4)));
        assert!(plan(&config).iter().all(|fault| fault.from < fault.until));
        assert!(plan(&config).len() > 10);
    }

    #[test]
    fn faults_of_an_interface_add_up() {
        let fault = |kind| Fault {
            from: 0,
            until: 1,
            kind,
        };
        let faults = [
            fault(Kind::Deaf(3, R1)),
            fault(Kind::NoCarrier(3, R1)),
            fault(Kind::RailOff(R0)),
        ];
        let at = |node, rail| port(faults.iter(), node, rail);
        assert!(at(3, R1).deaf && !at(3, R1).carrier && !at(2, R0).carrier);
        assert_eq!(at(2, R1), port([].iter(), 2, R1));
    }
}
