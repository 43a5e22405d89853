// SPDX-License-Identifier: MIT OR Apache-2.0

//! All nodes, and time that passes.

use podos_random::SplitMix64;

use crate::clock::{Nanos, What, MILLIS, SECONDS};
use crate::config::Config;
use crate::config::Protection;
use crate::ether::Ether;
use crate::faults::{self, Fault, Kind};
use crate::judge::Violation;
use crate::life::End;
use crate::network::{Network, Weather};
use crate::node::Node;
use crate::protocol;
use crate::random;
use crate::report::Report;

/// Time between two looks of the judge.
const CHECK: Nanos = 250 * MILLIS;
/// How much later than a rail's lifetime a dead peer must be known for dead: the clock thread looks
/// ten times a second.
const LOOKS: Nanos = 150 * MILLIS;
/// Others that the judge asks each node about, at each look.
const ASKED: u64 = 8;

/// See the module.
#[derive(Debug)]
pub struct World {
    ether: Ether,
    nodes: Vec<Node>,
    faults: Vec<Fault>,
    active: Vec<bool>,
    usual_weather: Weather,
    /// Chance of the judge's own, so that its questions change nothing.
    questions: SplitMix64,
}

impl World {
    /// The world of this simulation, before anything happened.
    pub fn new(config: &Config) -> Self {
        let usual_weather = faults::usual_weather(config.faults);
        let network = Network::new(config.nodes, config.rails, usual_weather, config.seed);
        let mut ether = Ether::new(config, network);
        let faults = faults::plan(config);
        for (number, fault) in (0..).zip(&faults) {
            ether.queue.plan(fault.from, What::Fault(number));
            ether.queue.plan(fault.until, What::Fault(number));
        }
        for conversation in 0..config.circuits {
            // The first hellos go round in the first half second.
            let at = ether.random.within(SECONDS / 2, config.load);
            ether.queue.plan(at, What::Begin(conversation));
        }
        ether.queue.plan(CHECK, What::Check);
        Self {
            ether,
            nodes: (0..config.nodes).map(Node::new).collect(),
            active: vec![false; faults.len()],
            faults,
            usual_weather,
            questions: random::of(config.seed, 3),
        }
    }

    /// Lets time pass until nothing is left to happen.
    ///
    /// # Errors
    ///
    /// What must not happen and did.
    pub fn run(mut self) -> Result<Report, Violation> {
        for node in 0..self.nodes.len() {
            // Nodes come up one after the other: their clocks do not beat in time.
            let at = self.ether.random.below(protocol::HELLO_INTERVAL);
            let boot = What::Boot(node as u32);
            self.ether.queue.plan(at, boot);
        }
        while let Some((at, what)) = self.ether.queue.pop() {
            self.ether.now = at;
            let over = self.happens(what);
            if let Some(violation) = self.ether.judge.violation() {
                return Err(violation.clone());
            }
            if over {
                break;
            }
        }
        self.listen_all();
        self.conclude();
        match self.ether.judge.violation() {
            Some(violation) => Err(violation.clone()),
            None => Ok(Report::new(&self.ether, &self.nodes)),
        }
    }

    /// Something happens; whether it was the last that matters.
    fn happens(&mut self, what: What) -> bool {
        let ether = &mut self.ether;
        match what {
            What::Flight(flight) => {
                if ether.network.hears(flight.to, flight.from, flight.rail) {
                    let node = &mut self.nodes[flight.to as usize];
                    node.listen(ether);
                    if let Some(life) = node.life_mut() {
                        life.receive(ether, *flight);
                    }
                }
            }
            What::Shout(shout) if ether.config.mode == Protection::Open => {
                ether.shout_arrives(&shout);
            }
            // Handshakes follow from it at once: nobody takes it in later.
            What::Shout(shout) => {
                ether.sealed_shout_arrives(&shout);
                for node in &mut self.nodes {
                    if let Some(life) = node.life_mut() {
                        life.overhear_sealed(ether, &shout);
                    }
                }
            }
            What::Wake { node, ticket } => {
                let node = &mut self.nodes[node as usize];
                node.listen(ether);
                if let Some(life) = node.life_mut() {
                    life.wake(ether, ticket);
                }
            }
            What::User { node, life, end } => {
                let node = &mut self.nodes[node as usize];
                node.listen(ether);
                if node.life_number() == life {
                    if let Some(life) = node.life_mut() {
                        life.user_wakes(ether, end);
                    }
                }
            }
            What::Boot(node) => self.nodes[node as usize].boot(ether),
            What::Begin(conversation) => self.begin(conversation),
            What::Fault(number) => self.change(number as usize),
            What::Check => return self.check(),
        }
        false
    }

    /// Two nodes get into conversation.
    fn begin(&mut self, conversation: u32) {
        let config = &self.ether.config;
        let nodes = u64::from(config.nodes);
        let mut random = random::of(config.seed, 1 << 50 | u64::from(conversation));
        let opener = random.below(nodes);
        let reach = u64::from(config.reach()).min(nodes / 2);
        let apart = random.within(1, reach.max(1));
        let target = if random.chance(500_000) {
            (opener + apart) % nodes
        } else {
            (opener + nodes - apart) % nodes
        };
        if opener == target {
            return;
        }
        let there = self.nodes[target as usize].life_number();
        let node = &mut self.nodes[opener as usize];
        node.listen(&mut self.ether);
        if let Some(life) = node.life_mut() {
            let host = Node::host(target as u32);
            life.connect(&mut self.ether, conversation, host, there);
        }
    }

    /// A fault begins, or is over.
    fn change(&mut self, number: usize) {
        // What came before came under the old circumstances.
        self.listen_all();
        let begins = !self.active[number];
        self.active[number] = begins;
        let fault = self.faults[number];
        self.ether.digest.note(number as u64);
        if self.ether.config.follow.is_some() {
            let (ms, word) = (
                self.ether.now / MILLIS,
                if begins { "begins" } else { "ends" },
            );
            eprintln!("{ms:>6} ms {:?} {word}", fault.kind);
        }
        match fault.kind {
            Kind::NodeOff(node) => {
                let node = &mut self.nodes[node as usize];
                match begins {
                    true => node.stop(&mut self.ether, false),
                    false if node.life().is_none() => node.boot(&mut self.ether),
                    // Another fault had it off, too, and it is back from that.
                    false => {}
                }
            }
            Kind::Reload(node, orderly) => {
                let node = &mut self.nodes[node as usize];
                match begins {
                    true => node.stop(&mut self.ether, orderly),
                    false if node.life().is_none() => node.start(&mut self.ether),
                    false => {}
                }
            }
            Kind::Rekey(node) => {
                if let Some(life) = self.nodes[node as usize].life_mut() {
                    life.rekey(&mut self.ether);
                }
            }
            Kind::Storm(rail, _) => {
                let active = self.active_faults();
                let weather = faults::weather(active, self.usual_weather, rail);
                let (network, now) = (&mut self.ether.network, self.ether.now);
                network.set_weather(now, rail, weather);
            }
            kind => {
                let nodes = match kind.node() {
                    Some(node) => node..node + 1,
                    None => 0..self.ether.config.nodes,
                };
                for node in nodes {
                    for rail in self.ether.network.each_rail() {
                        let port = faults::port(self.active_faults(), node, rail);
                        let (network, now) = (&mut self.ether.network, self.ether.now);
                        network.set_port(now, node, rail, port);
                    }
                    if let Some(life) = self.nodes[node as usize].life_mut() {
                        life.carrier_changed(&mut self.ether);
                    }
                }
            }
        }
    }

    fn active_faults(&self) -> impl Iterator<Item = &Fault> {
        let faults = self.faults.iter().zip(&self.active);
        faults
            .filter(|(_, active)| **active)
            .map(|(fault, _)| fault)
    }

    fn listen_all(&mut self) {
        for node in &mut self.nodes {
            node.listen(&mut self.ether);
        }
        let end = self.ether.air.end();
        self.ether.air.forget(end);
    }

    /// The judge looks at everything; whether nothing is left to happen.
    fn check(&mut self) -> bool {
        self.listen_all();
        let now = self.ether.now;
        for index in 0..self.nodes.len() {
            self.check_circuits(index);
            self.check_membership(index);
        }
        let load = self.ether.config.load;
        // The last faults end a second after the load; by then everybody is found, or given up.
        let mut lives = self.nodes.iter().filter_map(Node::life);
        let idle = lives.all(|life| life.ends().next().is_none());
        let patience = protocol::give_up() + protocol::keepalive() + 5 * SECONDS;
        let over = now > load + 2 * SECONDS && (idle || now > load + patience);
        if !over {
            self.ether.queue.plan(now + CHECK, What::Check);
        }
        over
    }

    /// What a node keeps of circuits is bounded, and not with the dead.
    fn check_circuits(&mut self, index: usize) {
        let (now, judge) = (self.ether.now, &self.ether.judge);
        let Some(life) = self.nodes[index].life() else {
            return;
        };
        let mut objection = None;
        let ends = life.ends().count() as i64;
        if life.buffers() > ends * protocol::MOST_BUFFERS {
            let buffers = life.buffers();
            objection = Some(format!(
                "node {index} keeps {buffers} buffers for {ends} ends of circuits"
            ));
        }
        for end in life.ends().filter(|end| end.in_table()) {
            let Some((conversation, side)) = end.conversation() else {
                continue;
            };
            let Some(known) = judge.conversation(conversation) else {
                continue;
            };
            let there = known.lives[side.other() as usize];
            let span = protocol::SILENCE + LOOKS;
            // It may have been taken for its successor, of which a frame came but no hello yet.
            if judge.is_gone(there, now, span) && known.began + span < now {
                objection = Some(format!(
                    "node {index} keeps its end of conversation {conversation} though node {} died long ago",
                    judge.life(there).node
                ));
            }
        }
        if let Some(objection) = objection {
            self.ether.judge.object(now, objection);
        }
    }

    /// A node takes those for alive who are, and no others, and knows how they are.
    fn check_membership(&mut self, index: usize) {
        let now = self.ether.now;
        let nodes = self.ether.config.nodes;
        let Some(age) = self.nodes[index].age(&self.ether) else {
            return;
        };
        for _ in 0..ASKED {
            let reach = u64::from(self.ether.config.reach().min(nodes / 2)).max(1);
            let apart = self.questions.within(1, reach) as u32;
            let other = (index as u32 + apart) % nodes;
            if other == index as u32 {
                continue;
            }
            let Some(life) = self.nodes[index].life() else {
                return;
            };
            let alive = life.takes_for_alive(Node::host(other));
            let there = &self.nodes[other as usize];
            let wrong = match there.age(&self.ether) {
                None => {
                    let judge = &self.ether.judge;
                    let gone = judge.is_gone(there.life_number(), now, protocol::SILENCE + LOOKS);
                    (alive && gone).then(|| "for alive".to_owned())
                }
                Some(there) => {
                    let together = age.min(there);
                    let told_at = life.state_told_at(Node::host(other));
                    self.is_misjudged(index as u32, other, together, alive, told_at)
                }
            };
            if let Some(wrong) = wrong {
                let text = format!("node {index} takes node {other} {wrong}");
                self.ether.judge.object(now, text);
            }
        }
    }

    /// What a node gets wrong of another one that has been up for the time `together`, as itself.
    fn is_misjudged(
        &self,
        index: u32,
        other: u32,
        together: Nanos,
        alive: bool,
        told_at: Option<Nanos>,
    ) -> Option<String> {
        let now = self.ether.now;
        let acquaintance = match self.ether.config.mode {
            Protection::Open => SECONDS,
            // First they have to shake hands, and again if one renews its keys.
            Protection::Mac | Protection::Aead => 4 * SECONDS,
        };
        let network = &self.ether.network;
        // Whether they heard each other for sure in the last time of `span`, or in that which they
        // have been together if it is `least`.
        let sure = |least: Nanos, span: Nanos| {
            let from = now.saturating_sub(span.min(together));
            together >= least && network.certainty(index, other, from, now, 3) >= 9.0
        };
        if !alive && sure(acquaintance, acquaintance.max(2 * SECONDS)) {
            return Some("for dead".to_owned());
        }
        // Each beacon goes over one rail only, and to which it falls is not known here: in this time
        // each rail has its turn three times.
        let span = 4 * protocol::BEACON_INTERVAL * network.rails() as Nanos;
        let state_age = told_at.map_or(now, |at| now - at);
        let is_old = state_age > span;
        let span = acquaintance + span;
        (is_old && sure(span, span)).then(|| {
            let ms = state_age / MILLIS;
            format!("to be as it was {ms} ms ago")
        })
    }

    /// Nothing is left to happen: nothing may be left over.
    fn conclude(&mut self) {
        let now = self.ether.now;
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(life) = node.life() else {
                self.ether
                    .judge
                    .object(now, format!("node {index} is still off"));
                continue;
            };
            let (entries, buffers) = (life.entries(), life.buffers());
            if entries > 0 || life.ends().next().is_some() {
                let left: Vec<_> = life.ends().map(End::conversation).collect();
                let text =
                    format!("node {index} has {entries} entries left in its table: {left:?}");
                self.ether.judge.object(now, text);
            }
            if buffers > 0 {
                let text = format!("node {index} has {buffers} buffers left");
                self.ether.judge.object(now, text);
            }
        }
        self.ether.judge.conclude(now);
    }
}
