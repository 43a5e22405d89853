// SPDX-License-Identifier: MIT OR Apache-2.0

//! Carries a scenario out on a machine, and reports.
//!
//! Every line of the report begins with `fw: ` and a word: `begin`, `ok` and `fail` (a command),
//! `sent` (bad frames, by reason), `count`, `violation` and `end`.

mod hoard;
mod hostile;
mod treason;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::circuit::{reset, State};
use crate::crypto::Key;
use crate::identity::{Identity, Random};
use crate::node::{Manners, Node, Rail};
use crate::scenario::{Command, Scenario};
use crate::wire::{class, Gpid, Mac};

/// What a scenario needs of the world.
pub trait Machine {
    /// Microseconds since the start.
    fn now(&mut self) -> u64;
    /// The addresses of the interfaces.
    fn macs(&self) -> Vec<Mac>;
    /// Sends a frame with its Ethernet header; may wait for room.
    fn send(&mut self, rail: usize, frame: &[u8]);
    /// A frame that came, and on which rail; does not wait.
    fn receive(&mut self) -> Option<(usize, Vec<u8>)>;
    /// There is nothing to do: waits a moment, a millisecond at most.
    fn idle(&mut self);
    /// Puts a line into the report.
    fn print(&mut self, line: fmt::Arguments<'_>);
}

/// Microseconds that a command may take: the others may be slow machines.
const PATIENCE: u64 = 60_000_000;
/// Frames that are taken in before the node does what is due.
const BATCH: usize = 64;
/// Segments that wait in a circuit before more is put into it.
const ENOUGH: usize = 128;

/// What became of a command: what to tell of it, or why it failed.
type Outcome = Result<String, String>;

/// A scenario under way.
pub struct Run<M> {
    machine: M,
    node: Node,
    served: u32,
}

impl<M: Machine> Run<M> {
    /// A node on this machine, that has this key.
    ///
    /// # Errors
    ///
    /// The scenario's rails are not those of the machine.
    pub fn new(mut machine: M, scenario: &Scenario, key: Key) -> Result<Self, String> {
        let macs = machine.macs();
        if macs.len() != scenario.mtu.len() {
            let (has, wants) = (macs.len(), scenario.mtu.len());
            return Err(format!(
                "{has} interfaces, and the scenario has {wants} rails"
            ));
        }
        let rails = macs.iter().zip(&scenario.mtu);
        let rails = rails.map(|(mac, mtu)| Rail {
            mac: *mac,
            mtu: *mtu,
        });
        let mut seed = key;
        let now = machine.now();
        let words = [scenario.seed, now, u64::from(scenario.host)];
        for (at, byte) in words.iter().flat_map(|word| word.to_be_bytes()).enumerate() {
            seed[at] ^= byte;
        }
        let mut random = Random::new(seed);
        let cluster = match scenario.wrong_key {
            true => random.key(),
            false => key,
        };
        let node = Gpid::new(scenario.host, scenario.boot, 0);
        let identity = Identity::new(node, scenario.mode, cluster, &mut random);
        let manners = Manners {
            speaks: scenario.speaks,
            serves: true,
            window: scenario.window,
            segment: scenario.segment,
        };
        let node = Node::new(identity, rails.collect(), manners, random);
        Ok(Self {
            machine,
            node,
            served: 0,
        })
    }

    /// Does all that the scenario says; whether all went well.
    pub fn go(&mut self, scenario: &Scenario) -> bool {
        let identity = &self.node.identity;
        self.machine.print(format_args!(
            "fw: begin node={} rails={} mode={:?}",
            identity.node,
            self.node.rails.len(),
            identity.mode
        ));
        let mut failed = 0;
        for command in &scenario.commands {
            let start = self.machine.now();
            let outcome = self.command(command);
            let ms = (self.machine.now() - start) / 1000;
            match outcome {
                Ok(told) => self
                    .machine
                    .print(format_args!("fw: ok ms={ms} {command:?}: {told}")),
                Err(why) => {
                    failed += 1;
                    self.machine
                        .print(format_args!("fw: fail ms={ms} {command:?}: {why}"));
                }
            }
        }
        let counts: Vec<_> = self.node.audit.counts().collect();
        for (what, count) in counts {
            self.machine.print(format_args!("fw: count {what}={count}"));
        }
        let violations = self.node.audit.violations();
        self.machine.print(format_args!(
            "fw: end failed={failed} violations={violations}"
        ));
        failed == 0 && violations == 0
    }

    fn command(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Join(hosts) => self.join(hosts),
            Command::Echo {
                host,
                op,
                circuits,
                count,
                size,
            } => self.echo(*host, *op, *circuits, (*count, *size)),
            Command::Serve(count) => self.serve(*count),
            Command::Refused { host, class } => self.refused(*host, *class),
            Command::Rekey => self.rekey(),
            Command::Stay(ms) => {
                self.stay(*ms * 1000);
                Ok("stayed".into())
            }
            Command::Leave => {
                self.node.manners.speaks = false;
                self.node.say_hello(crate::body::Hello::LEAVING, None);
                self.step();
                Ok("left".into())
            }
            Command::Bad { count } => self.bad(*count),
            Command::Treason { host, count } => self.treason(*host, *count),
            Command::Abuse { host } => self.abuse(*host),
            Command::Hoard {
                host,
                circuits,
                size,
                ms,
            } => self.hoard(*host, *circuits, *size, *ms),
            Command::Replay { count } => self.replay(*count),
            Command::Impersonate(hosts) => self.impersonate(hosts),
            Command::Flood { kind, ms } => self.flood(*kind, *ms),
        }
    }

    /// Takes in what came, does what is due, sends what is to be sent.
    fn step(&mut self) {
        let mut busy = false;
        for _ in 0..BATCH {
            let Some((rail, frame)) = self.machine.receive() else {
                break;
            };
            busy = true;
            let now = self.machine.now();
            self.node.receive(rail, &frame, now);
        }
        let now = self.machine.now();
        self.node.tick(now);
        for (rail, frame) in self.node.take_out() {
            busy = true;
            self.machine.send(rail, &frame);
        }
        if !busy {
            self.machine.idle();
        }
        for (rule, what) in self.node.audit.untold() {
            self.machine
                .print(format_args!("fw: violation rule={rule} {what}"));
        }
    }

    /// Steps until something holds; whether it did in time.
    fn until(&mut self, mut holds: impl FnMut(&mut Node, u64) -> bool) -> bool {
        let deadline = self.machine.now() + PATIENCE;
        loop {
            self.step();
            let now = self.machine.now();
            if holds(&mut self.node, now) {
                return true;
            }
            if now > deadline {
                return false;
            }
        }
    }

    fn stay(&mut self, us: u64) {
        let end = self.machine.now() + us;
        while self.machine.now() < end {
            self.step();
        }
    }

    fn join(&mut self, hosts: &[u32]) -> Outcome {
        let rails = self.node.rails.len();
        let up = self.until(|node, now| hosts.iter().all(|host| node.is_up(*host, rails, now)));
        if up {
            return Ok(format!("{} peers on {rails} rails", hosts.len()));
        }
        let now = self.machine.now();
        let node = &self.node;
        let missing = hosts.iter().filter(|host| !node.is_up(**host, rails, now));
        let missing: Vec<_> = missing.collect();
        Err(format!("not up: {missing:?}"))
    }

    fn echo(&mut self, host: u32, op: u8, circuits: usize, what: (usize, usize)) -> Outcome {
        let (count, size) = what;
        let mut ends = Vec::new();
        for number in 0..circuits {
            let now = self.machine.now();
            let message = pattern(number, 0, size);
            let index = self.node.open(host, class::TEST, op, &message, now);
            let index = index.ok_or_else(|| format!("{host} is not known"))?;
            ends.push(EchoEnd {
                index,
                number,
                sent: 1,
                came: 0,
            });
        }
        let mut wrong = None;
        let done = self.until(|node, _| {
            for end in &mut ends {
                if let Err(why) = end.advance(node, op, count, size) {
                    wrong.get_or_insert(why);
                }
            }
            let over = |end: &EchoEnd| {
                let circuit = node.circuits.get(&end.index);
                circuit.is_none_or(|circuit| circuit.state != State::Open)
            };
            wrong.is_some() || ends.iter().all(over)
        });
        let mut again = 0;
        for end in &ends {
            let Some(circuit) = self.node.circuits.remove(&end.index) else {
                continue;
            };
            again += circuit.send_queue.again;
            if circuit.state != State::Done && wrong.is_none() {
                wrong = Some(format!(
                    "circuit {} is {:?} after {} of {count} messages",
                    end.number, circuit.state, end.came
                ));
            }
        }
        match wrong {
            Some(why) => Err(why),
            None if !done => Err("not over in time".into()),
            None => {
                let bytes = circuits * count * size;
                Ok(format!("bytes={bytes} both ways, again={again}"))
            }
        }
    }

    fn serve(&mut self, count: u32) -> Outcome {
        let wanted = self.served + count;
        self.machine.print(format_args!("fw: serving {count}"));
        let done = self.until(|node, _| node.served >= wanted);
        self.served = self.node.served;
        match done {
            true => Ok(format!("{count} circuits were served")),
            false => Err(format!("only {} circuits", self.node.served)),
        }
    }

    fn refused(&mut self, host: u32, class: u8) -> Outcome {
        let now = self.machine.now();
        let index = self.node.open(host, class, 1, b"anybody?", now);
        let index = index.ok_or_else(|| format!("{host} is not known"))?;
        match self.last_state(index) {
            Some(State::Broken(reset::REFUSED)) => Ok("it was".into()),
            other => Err(format!("{other:?}")),
        }
    }

    /// Waits until a circuit is open no longer, and lets go of it: how it ended, or still is.
    fn last_state(&mut self, index: u32) -> Option<State> {
        self.until(|node, _| {
            let circuit = node.circuits.get(&index);
            circuit.is_none_or(|circuit| circuit.state != State::Open)
        });
        let circuit = self.node.circuits.remove(&index)?;
        Some(circuit.state)
    }

    fn rekey(&mut self) -> Outcome {
        let now = self.machine.now();
        let hosts: Vec<u32> = self.node.peers.keys().copied().collect();
        self.node.rekey(now);
        self.join(&hosts)
    }
}

/// The opener's end of an echo.
struct EchoEnd {
    index: u32,
    number: usize,
    sent: usize,
    came: usize,
}

impl EchoEnd {
    fn advance(
        &mut self,
        node: &mut Node,
        op: u8,
        count: usize,
        size: usize,
    ) -> Result<(), String> {
        for (got, message) in node.messages(self.index) {
            let number = self.came;
            if got != op || message != pattern(self.number, number, size) {
                let len = message.len();
                return Err(format!(
                    "message {number} came back as op {got}, {len} bytes"
                ));
            }
            self.came += 1;
        }
        let Some(circuit) = node.circuits.get_mut(&self.index) else {
            return Ok(());
        };
        while self.sent < count && circuit.send_queue.backlog() < ENOUGH {
            circuit.send(op, &pattern(self.number, self.sent, size));
            self.sent += 1;
        }
        if self.came == count {
            circuit.finish();
        }
        Ok(())
    }
}

/// The bytes of a message: others for each circuit and message.
fn pattern(circuit: usize, message: usize, size: usize) -> Vec<u8> {
    let start = circuit.wrapping_mul(101) ^ message.wrapping_mul(31);
    (0..size)
        .map(|at| (start ^ at.wrapping_mul(7) ^ at >> 8) as u8)
        .collect()
}
