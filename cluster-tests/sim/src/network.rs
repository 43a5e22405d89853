// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rails: what becomes of a frame between two interfaces, now and, for the judge, in the past.

use std::rc::Rc;

use podos_proto::tgroup::RailId;
use podos_random::{mix, SplitMix64};

use crate::clock::{Nanos, MICROS};
use crate::random;

/// An interface's hardware address.
pub type Mac = [u8; 6];

/// The address of a node's interface on a rail.
pub fn mac(node: u32, rail: RailId) -> Mac {
    let [_, high, middle, low] = node.to_be_bytes();
    [0x52, 0x54, rail as u8, high, middle, low]
}

/// The node and the rail that an address belongs to, if there is such a rail.
pub fn owner(mac: Mac) -> (u32, Option<RailId>) {
    let [_, _, rail, high, middle, low] = mac;
    (
        u32::from_be_bytes([0, high, middle, low]),
        RailId::new(rail.into()),
    )
}

/// A frame on its way to one interface.
#[derive(Debug)]
pub struct Flight {
    /// The sending node.
    pub from: u32,
    /// The node it is addressed to.
    pub to: u32,
    /// The rail.
    pub rail: RailId,
    /// What follows the Ethernet header.
    pub bytes: Vec<u8>,
    /// Ethernet's check sequence, as the sender has written it.
    pub check: u64,
}

/// A frame on its way to all interfaces of a rail.
#[derive(Clone, Debug)]
pub struct Shout {
    /// The sending node.
    pub from: u32,
    /// The rail.
    pub rail: RailId,
    /// What follows the Ethernet header.
    pub bytes: Rc<[u8]>,
    /// Tells this arrival from others.
    pub number: u64,
}

/// Stands for Ethernet's check sequence: damage is found, whatever it is.
pub fn check_sequence(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut sum = bytes.len() as u64;
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        sum = (sum ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    for &byte in chunks.remainder() {
        sum = (sum ^ u64::from(byte))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    mix(sum)
}

/// One interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Whether the node knows that the interface can send.
    pub carrier: bool,
    /// Nothing arrives, and the node does not know.
    pub deaf: bool,
    /// Nothing gets out, and the node does not know.
    pub mute: bool,
    /// Interfaces hear those of the same part of the rail.
    pub part: u8,
}

impl Port {
    const WHOLE: Port = Port {
        carrier: true,
        deaf: false,
        mute: false,
        part: 0,
    };

    fn hears(self, other: Port) -> bool {
        self.carrier && !self.deaf && other.carrier && !other.mute && self.part == other.part
    }
}

/// What a rail does to frames; chances in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub duplicates: u32,
    /// Delivered with other bytes in it.
    pub damage: u32,
    /// Delivered up to [`Weather::LATE`] late.
    pub stragglers: u32,
    /// Up to this much later than the fastest, so that frames overtake each other.
    pub jitter: Nanos,
}

impl Weather {
    /// How late a straggler may be.
    pub const LATE: Nanos = 2_000 * crate::clock::MILLIS;
    /// From one interface to the next, without anything in the way.
    const LATENCY: Nanos = 20 * MICROS;

    fn delay(&self, random: &mut SplitMix64) -> Nanos {
        let late = if random.chance(self.stragglers) {
            random.below(Self::LATE)
        } else {
            0
        };
        Self::LATENCY + random.below(self.jitter + 1) + late
    }
}

/// States that something had, each with the moment from which on it had it.
#[derive(Clone, Debug)]
struct History<T>(Vec<(Nanos, T)>);

impl<T: Copy + PartialEq> History<T> {
    fn new(first: T) -> Self {
        Self(vec![(0, first)])
    }

    fn now(&self) -> T {
        self.0[self.0.len() - 1].1
    }

    fn set(&mut self, at: Nanos, state: T) {
        if self.now() != state {
            self.0.push((at, state));
        }
    }

    /// Every state from `from` to `to`.
    fn between(&self, from: Nanos, to: Nanos) -> impl Iterator<Item = (Nanos, T)> + '_ {
        let first = self.0.partition_point(|(at, _)| *at <= from).max(1) - 1;
        let states = self.0[first..].iter().copied();
        states.take_while(move |(at, _)| *at <= to)
    }
}

/// All rails with all their interfaces.
#[derive(Debug)]
pub struct Network {
    rails: usize,
    mtus: Vec<u16>,
    /// The present of `ports`, where it is read millions of times.
    ports_now: Vec<Port>,
    ports: Vec<History<Port>>,
    weather_now: Vec<Weather>,
    weather: Vec<History<Weather>>,
    salt: u64,
}

/// What becomes of a frame for one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It arrives damaged.
    Damaged,
    /// It is lost.
    Lost,
}

impl Network {
    /// A network in which everything works.
    pub fn new(nodes: u32, rails: usize, weather: Weather, seed: u64) -> Self {
        let mut random = random::of(seed, 4);
        // Most rails are ordinary Ethernet.
        let mtus = [1500, 1500, 1500, 1280, 9000];
        Self {
            rails,
            mtus: (0..rails).map(|_| mtus[random.index(mtus.len())]).collect(),
            ports_now: vec![Port::WHOLE; nodes as usize * rails],
            ports: vec![History::new(Port::WHOLE); nodes as usize * rails],
            weather_now: vec![weather; rails],
            weather: vec![History::new(weather); rails],
            salt: mix(seed),
        }
    }

    /// How many rails there are.
    pub fn rails(&self) -> usize {
        self.rails
    }

    /// Each of them.
    pub fn each_rail(&self) -> impl Iterator<Item = RailId> + use<> {
        RailId::ALL.into_iter().take(self.rails)
    }

    /// The longest frame of a rail, without its Ethernet header.
    pub fn mtu(&self, rail: RailId) -> u16 {
        self.mtus[rail.index()]
    }

    /// An interface as it is now.
    pub fn port(&self, node: u32, rail: RailId) -> Port {
        self.ports_now[self.place(node, rail)]
    }

    /// Where an interface is in the lists of all.
    fn place(&self, node: u32, rail: RailId) -> usize {
        node as usize * self.rails + rail.index()
    }

    /// Changes an interface.
    pub fn set_port(&mut self, now: Nanos, node: u32, rail: RailId, port: Port) {
        let place = self.place(node, rail);
        self.ports_now[place] = port;
        self.ports[place].set(now, port);
    }

    /// What a rail does to frames now.
    pub fn weather(&self, rail: RailId) -> Weather {
        self.weather_now[rail.index()]
    }

    /// Changes what a rail does to frames.
    pub fn set_weather(&mut self, now: Nanos, rail: RailId, weather: Weather) {
        self.weather_now[rail.index()] = weather;
        self.weather[rail.index()].set(now, weather);
    }

    /// When a frame that is sent now arrives, if it is not lost, and when a copy of it does.
    pub fn travel(&self, random: &mut SplitMix64, now: Nanos, rail: RailId) -> [Option<Nanos>; 2] {
        let weather = self.weather(rail);
        let first = !random.chance(weather.loss);
        let second = random.chance(weather.duplicates);
        [first, second].map(|arrives| arrives.then(|| now + weather.delay(random)))
    }

    /// The same for a frame to all, which each interface may miss on its own: see [`Network::fate`].
    pub fn travel_to_all(
        &self,
        random: &mut SplitMix64,
        now: Nanos,
        rail: RailId,
    ) -> [Option<Nanos>; 2] {
        let weather = self.weather(rail);
        let second = random.chance(weather.duplicates);
        [true, second].map(|arrives| arrives.then(|| now + weather.delay(random)))
    }

    /// Whether what `from` sends on a rail is heard by `to` now.
    pub fn hears(&self, to: u32, from: u32, rail: RailId) -> bool {
        self.port(to, rail).hears(self.port(from, rail))
    }

    /// What becomes of frame `number` to all on its way to `to`.
    pub fn fate(&self, to: u32, rail: RailId, number: u64) -> Fate {
        let weather = self.weather(rail);
        if weather.loss == 0 && weather.damage == 0 {
            return Fate::Arrives;
        }
        let dice = mix(self.salt ^ mix(number << 20 ^ u64::from(to))) >> 32;
        let dice = ((dice * 1_000_000) >> 32) as u32;
        match dice {
            dice if dice < weather.loss => Fate::Lost,
            dice if dice < weather.loss + weather.damage => Fate::Damaged,
            _ => Fate::Arrives,
        }
    }

    /// Damages a frame, perhaps.
    pub fn damage(&self, random: &mut SplitMix64, rail: RailId, bytes: &mut [u8]) {
        if bytes.is_empty() || !random.chance(self.weather(rail).damage) {
            return;
        }
        for _ in 0..random.within(1, 4) {
            let at = random.index(bytes.len());
            bytes[at] ^= random.within(1, 255) as u8;
        }
    }

    /// How improbable it was, at least, that `tries` frames in a row were lost on all rails between
    /// two nodes from `from` to `to`, as -log10: infinite where a rail lost none, 0 where each rail
    /// was cut for a while.
    pub fn certainty(&self, a: u32, b: u32, from: Nanos, to: Nanos, tries: u32) -> f64 {
        self.each_rail()
            .map(|rail| self.rail_certainty(a, b, rail, from, to) * f64::from(tries))
            .sum()
    }

    /// -log10 of a rail's loss at its worst; 0 where it was cut.
    fn rail_certainty(&self, a: u32, b: u32, rail: RailId, from: Nanos, to: Nanos) -> f64 {
        let history = |node: u32| &self.ports[self.place(node, rail)];
        let whole = |port: Port| port.carrier && !port.deaf && !port.mute;
        let states = |node| history(node).between(from, to);
        if !states(a).chain(states(b)).all(|(_, port)| whole(port)) {
            return 0.0;
        }
        let mut changes: Vec<Nanos> = states(a).chain(states(b)).map(|(at, _)| at).collect();
        changes.push(from);
        let part = |node, at| {
            history(node)
                .between(at, at)
                .last()
                .map(|(_, port)| port.part)
        };
        let apart = |&at: &Nanos| part(a, at.max(from)) != part(b, at.max(from));
        if changes.iter().any(apart) {
            return 0.0;
        }
        let weather = self.weather[rail.index()].between(from, to);
        let loss = weather.map(|(_, weather)| weather.loss + weather.damage + weather.stragglers);
        let loss = loss.max().unwrap_or(0);
        if loss == 0 {
            return f64::INFINITY;
        }
        6.0 - f64::from(loss.min(1_000_000)).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_proto::tgroup::RailId::*;

    const LOSSY: Weather = Weather {
        loss: 10_000,
        duplicates: 0,
        damage: 0,
        stragglers: 0,
        jitter: 0,
    };

    #[test]
    fn addresses_tell_their_owner() {
        for (node, rail) in [(0, R0), (9_999, R7), (0xff_ffff, R2)] {
            assert_eq!(owner(mac(node, rail)), (node, Some(rail)));
        }
    }

    #[test]
    fn the_past_tells_how_sure_a_connection_was() {
        let mut network = Network::new(3, 2, LOSSY, 1);
        assert_eq!(network.certainty(0, 1, 0, 100, 3), 12.0);
        let deaf = Port {
            deaf: true,
            ..Port::WHOLE
        };
        network.set_port(50, 1, R0, deaf);
        assert!(!network.hears(1, 0, R0) && network.hears(0, 1, R0) && network.hears(1, 0, R1));
        network.set_port(60, 1, R0, Port::WHOLE);
        // Rail 0 does not count while it was cut at any time.
        assert_eq!(network.certainty(0, 1, 0, 100, 3), 6.0);
        assert_eq!(network.certainty(0, 1, 60, 100, 3), 12.0);
        assert_eq!(network.certainty(0, 2, 0, 100, 3), 12.0);
        let away = Port {
            part: 1,
            ..Port::WHOLE
        };
        network.set_port(70, 0, R1, away);
        assert_eq!(network.certainty(0, 1, 60, 100, 1), 2.0);
        network.set_port(70, 1, R1, away);
        assert_eq!(network.certainty(0, 1, 60, 100, 1), 4.0);
        network.set_weather(80, R0, Weather::default());
        assert_eq!(network.certainty(0, 1, 80, 100, 1), f64::INFINITY);
    }

    #[test]
    fn damage_is_found() {
        let mut bytes: Vec<u8> = (0..100).collect();
        let check = check_sequence(&bytes);
        for at in 0..100 {
            bytes[at] ^= 1;
            assert_ne!(check_sequence(&bytes), check);
            bytes[at] ^= 1;
        }
        assert_ne!(check_sequence(&bytes[..99]), check);
    }

    #[test]
    fn shouts_are_missed_as_often_as_the_weather_says() {
        let network = Network::new(1_000, 1, LOSSY, 1);
        let lost = (0..1_000)
            .flat_map(|number| (0..100).map(move |to| (number, to)))
            .filter(|&(number, to)| network.fate(to, R0, number) == Fate::Lost)
            .count();
        assert!((900..1_100).contains(&lost), "{lost}");
    }
}
