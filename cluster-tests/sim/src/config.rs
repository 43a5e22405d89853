// SPDX-License-Identifier: MIT OR Apache-2.0

//! The configuration of a simulation.

use std::fmt::Write as _;

use podos_proto::keys::Mode;

use crate::clock::{Nanos, SECONDS};
use crate::sabotage::Sabotage;

/// Most nodes for which every node keeps everything of every other one, unless asked for.
const ALL_ACQUAINTED: u32 = 2_500;
/// Others that a node of a larger cluster keeps, unless asked for.
const ACQUAINTANCES: u32 = 256;

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Faults {
    /// Nothing.
    None,
    /// Frames are lost, doubled, late and damaged.
    Frames,
    /// That, and interfaces, rails and nodes come and go, and CM is loaded anew.
    All,
}

/// A simulation, down to the last bit of what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The seed of all random numbers.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u32,
    /// Rails of each node, from 1 to 8.
    pub rails: usize,
    /// How many others, half of them on either side of its number, a node keeps state of and opens
    /// circuits to. The frames of all others are counted and dropped unread, so that 10,000 nodes
    /// fit into a machine's memory.
    pub acquaintances: u32,
    /// How long the workload and the faults last; then all rails work until nothing is left.
    pub load: Nanos,
    /// Conversations that begin in that time.
    pub circuits: u32,
    /// Whether there are segments too long for a frame of some rail, which go in pieces.
    pub pieces: bool,
    /// What goes wrong in that time.
    pub faults: Faults,
    /// How frames are protected. With a key each frame to all is checked by each of its receivers
    /// with real cryptography, which a thousand nodes make slow.
    pub mode: Protection,
    /// How the protocol is broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// The conversation whose frames are told on standard error; changes nothing.
    pub follow: Option<u32>,
}

impl Config {
    /// A cluster of this many nodes in all sorts of faults.
    pub fn new(nodes: u32, seed: u64) -> Self {
        Self {
            seed,
            nodes,
            rails: 3,
            acquaintances: Self::usual_acquaintances(nodes),
            load: 4 * SECONDS,
            circuits: Self::usual_circuits(nodes),
            pieces: true,
            faults: Faults::All,
            mode: Protection::Open,
            sabotage: None,
            follow: None,
        }
    }

    /// Others that a node keeps state of unless asked for.
    pub fn usual_acquaintances(nodes: u32) -> u32 {
        if nodes <= ALL_ACQUAINTED {
            nodes - 1
        } else {
            ACQUAINTANCES
        }
    }

    /// How many conversations there are unless asked for.
    pub fn usual_circuits(nodes: u32) -> u32 {
        (nodes * 3).clamp(60, 20_000)
    }

    /// Whether two nodes, by their numbers, keep state of each other.
    pub fn are_acquainted(&self, a: u32, b: u32) -> bool {
        let apart = a.abs_diff(b);
        a != b && apart.min(self.nodes - apart) <= self.reach()
    }

    /// How far the numbers of acquainted nodes may be apart, in the ring of all.
    pub fn reach(&self) -> u32 {
        self.acquaintances.div_ceil(2)
    }

    /// The command that does the same again.
    pub fn replay(&self) -> String {
        let usual = Config::new(self.nodes, self.seed);
        let mut command = format!(
            "cargo run --release -p podos-sim -- --nodes {} --seed {}",
            self.nodes, self.seed
        );
        let mut add = |is_usual: bool, option: &str, value: String| {
            if !is_usual {
                let _ = write!(command, " --{option} {value}");
            }
        };
        add(self.rails == usual.rails, "rails", self.rails.to_string());
        add(
            self.acquaintances == usual.acquaintances,
            "acquaintances",
            self.acquaintances.to_string(),
        );
        add(
            self.load == usual.load,
            "load-ms",
            (self.load / crate::clock::MILLIS).to_string(),
        );
        add(
            self.circuits == usual.circuits,
            "circuits",
            self.circuits.to_string(),
        );
        add(self.faults == usual.faults, "faults", name(self.faults));
        add(self.mode == usual.mode, "mode", name(self.mode));
        add(
            self.pieces == usual.pieces,
            "pieces",
            self.pieces.to_string(),
        );
        if let Some(sabotage) = self.sabotage {
            add(false, "sabotage", name(sabotage));
        }
        command
    }
}

/// A value as it is given on the command line.
fn name(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How a simulated cluster protects its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Protection {
    /// Not at all.
    Open,
    /// Every frame is authenticated.
    Mac,
    /// And its data encrypted.
    Aead,
}

impl Protection {
    /// The same in the protocol's words.
    pub fn of_protocol(self) -> Mode {
        match self {
            Protection::Open => Mode::Open,
            Protection::Mac => Mode::Mac,
            Protection::Aead => Mode::Aead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_replays_names_what_is_unusual() {
        let mut config = Config::new(5, 7);
        let usual = "cargo run --release -p podos-sim -- --nodes 5 --seed 7";
        assert_eq!(config.replay(), usual);
        config.rails = 1;
        config.mode = Protection::Aead;
        config.sabotage = Some(Sabotage::DeliverTwice);
        assert_eq!(
            config.replay(),
            format!("{usual} --rails 1 --mode aead --sabotage deliver-twice")
        );
    }

    #[test]
    fn acquaintances_are_mutual_and_as_many_as_said() {
        let mut config = Config::new(100, 1);
        assert!((0..100).all(|b| b == 9 || config.are_acquainted(9, b)));
        config.acquaintances = 10;
        let known = |a| (0..100).filter(|&b| config.are_acquainted(a, b)).count();
        assert!((0..100).all(|a| known(a) == 10));
        assert!(config.are_acquainted(99, 4) && config.are_acquainted(4, 99));
        assert!(!config.are_acquainted(99, 5) && !config.are_acquainted(99, 99));
    }
}
