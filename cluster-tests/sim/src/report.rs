// SPDX-License-Identifier: MIT OR Apache-2.0

//! The report of a simulation.

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::{Nanos, SECONDS};
use crate::config::Config;
use crate::ether::Ether;
use crate::node::Node;
use crate::traffic::{Amount, Traffic, KINDS};

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was simulated.
    pub config: Config,
    /// How long, in simulated time.
    pub lasted: Nanos,
    /// Everything that happened: equal for equal simulations.
    pub digest: u64,
    /// Events that were planned.
    pub events: u64,
    /// Sent by all nodes.
    pub sent: Traffic,
    /// Received by all nodes.
    pub received: Traffic,
    /// What the busiest node received.
    pub busiest: Traffic,
    /// The most ends of circuits that one node had at any time.
    pub most_ends: usize,
    /// How often circuits' ends ended in which way.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Frames that were dropped, by reason.
    pub drops: BTreeMap<&'static str, u64>,
}

impl Report {
    /// What there is to tell.
    pub fn new(ether: &Ether, nodes: &[Node]) -> Self {
        let mut sent = Traffic::default();
        let mut received = ether.unheeded;
        for traffic in &ether.traffic {
            sent.add(&traffic.sent);
            received.add(&traffic.received);
        }
        let all = ether.traffic.iter().map(|traffic| traffic.received);
        let lives = nodes.iter().filter_map(Node::life);
        Self {
            config: ether.config.clone(),
            lasted: ether.now,
            digest: ether.digest.value(),
            events: ether.queue.planned(),
            sent,
            received,
            busiest: all
                .max_by_key(|traffic| traffic.total().bytes)
                .unwrap_or_default(),
            most_ends: lives.map(|life| life.most_ends()).max().unwrap_or(0),
            outcomes: ether.judge.outcomes().clone(),
            drops: ether.drops.clone(),
        }
    }

    /// How often circuits' ends ended in this way.
    pub fn outcome(&self, name: &str) -> u64 {
        self.outcomes.get(name).copied().unwrap_or(0)
    }

    /// What a node sends or receives in a second, on average.
    fn rate(&self, amount: Amount) -> [f64; 2] {
        let seconds = self.lasted as f64 / SECONDS as f64;
        let share = f64::from(self.config.nodes) * seconds;
        [amount.frames, amount.bytes].map(|count| count as f64 / share)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            nodes, seed, rails, ..
        } = self.config;
        let seconds = self.lasted as f64 / SECONDS as f64;
        writeln!(
            f,
            "{nodes} nodes on {rails} rails, seed {seed}: {seconds:.1} s simulated, {} events, digest {:016x}",
            self.events, self.digest
        )?;
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let items = counts.iter().map(|(name, count)| format!("{count} {name}"));
            items.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "ends of circuits: {}", list(&self.outcomes))?;
        writeln!(f, "most ends of one node at a time: {}", self.most_ends)?;
        writeln!(f, "dropped frames: {}", list(&self.drops))?;
        writeln!(f, "traffic of one node, each second, on average:")?;
        writeln!(
            f,
            "{:>10} {:>14} {:>14} {:>14} {:>14}",
            "", "sent frames", "sent bytes", "recv frames", "recv bytes"
        )?;
        let mut line = |name: &str, sent: Amount, received: Amount| {
            let [sent_frames, sent_bytes] = self.rate(sent);
            let [received_frames, received_bytes] = self.rate(received);
            writeln!(
                f,
                "{name:>10} {sent_frames:>14.1} {sent_bytes:>14.0} {received_frames:>14.1} {received_bytes:>14.0}"
            )
        };
        let amounts = self.sent.by_kind().iter().zip(self.received.by_kind());
        for ((_, name), (&sent, &received)) in KINDS.iter().zip(amounts) {
            line(name, sent, received)?;
        }
        line("all", self.sent.total(), self.received.total())?;
        let busiest = self.busiest.total();
        writeln!(
            f,
            "the busiest node looked at {:.0} frames a second",
            busiest.frames as f64 / seconds
        )
    }
}
