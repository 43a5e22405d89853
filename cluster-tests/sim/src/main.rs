// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos-sim`: simulates a cluster, or many.

#[macro_use]
extern crate podos_terminal;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{bail, Result};
use clap::Parser;
use podos_proto::peer::PeerSlot;
use podos_proto::sst::SstSlot;
use podos_proto::tgroup::MAX_RAILS;
use podos_sim::clock::MILLIS;
use podos_sim::Protection;
use podos_sim::{Config, Faults, Sabotage};

/// Most memory that a simulation's tables may take, in GiB, unless told otherwise.
const MEMORY: u64 = 8;

/// Simulate a cluster whose whole history follows from a seed, and look for what must not happen
#[derive(Parser)]
#[command(after_help = "Example:\n  cargo run --release -p podos-sim -- --nodes 10000 --seed 7")]
struct Options {
    /// Number of nodes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=1 << 24))]
    nodes: u32,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of seeds to try, from that one on
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Rails of each node
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MAX_RAILS as u64))]
    rails: Option<u64>,
    /// Number of nodes that each node keeps state of; frames of the others are only counted
    #[arg(long)]
    acquaintances: Option<u32>,
    /// Simulated time that the workload and the faults take, in milliseconds
    #[arg(long)]
    load_ms: Option<u64>,
    /// Conversations in that time
    #[arg(long)]
    circuits: Option<u32>,
    /// Whether some segments are longer than a frame, and go in pieces
    #[arg(long)]
    pieces: Option<bool>,
    /// Faults to inject
    #[arg(long, value_enum)]
    faults: Option<Faults>,
    /// How frames are protected
    #[arg(long, value_enum)]
    mode: Option<Protection>,
    /// Break the protocol on purpose
    #[arg(long, value_enum)]
    sabotage: Option<Sabotage>,
    /// Conversation whose frames are told, by number
    #[arg(long)]
    follow: Option<u32>,
    /// Most memory for the nodes' tables, in GiB
    #[arg(long, default_value_t = MEMORY)]
    memory_gib: u64,
}

impl Options {
    fn config(&self) -> Result<Config> {
        let mut config = Config::new(self.nodes, self.seed);
        if let Some(rails) = self.rails {
            config.rails = rails as usize;
        }
        if let Some(acquaintances) = self.acquaintances {
            config.acquaintances = acquaintances.clamp(1, self.nodes - 1);
        }
        if let Some(load) = self.load_ms {
            if load < 1_000 {
                bail!("--load-ms {load} is too short: the nodes need half a second to find each other; give 1000 or more");
            }
            config.load = load * MILLIS;
        }
        config.circuits = self.circuits.unwrap_or(config.circuits);
        config.faults = self.faults.unwrap_or(config.faults);
        config.pieces = self.pieces.unwrap_or(config.pieces);
        config.mode = self.mode.unwrap_or(config.mode);
        config.sabotage = self.sabotage;
        config.follow = self.follow;
        let slot = size_of::<PeerSlot>() + size_of::<SstSlot>();
        let pairs = u64::from(config.nodes) * (u64::from(config.acquaintances) * 9 / 8 + 9);
        let gib = (pairs * slot as u64) >> 30;
        if gib > self.memory_gib {
            bail!(
                "{} nodes that know {} others each take about {gib} GiB; give fewer --acquaintances or more --memory-gib",
                config.nodes,
                config.acquaintances
            );
        }
        Ok(config)
    }
}

fn main() -> ExitCode {
    simulate(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn simulate(options: &Options) -> Result<ExitCode> {
    let first = options.config()?;
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        let config = Config {
            seed,
            ..first.clone()
        };
        let started = Instant::now();
        match podos_sim::run(&config) {
            Ok(report) if options.seeds == 1 => {
                print!("{report}");
                println!("took {:.1} s", started.elapsed().as_secs_f64());
            }
            Ok(report) => println!("seed {seed}: digest {:016x}", report.digest),
            Err(violation) => {
                eprintln!("seed {seed}: {violation}");
                eprintln!("again: {}", config.replay());
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
