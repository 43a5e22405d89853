// SPDX-License-Identifier: MIT OR Apache-2.0

//! The learning switch of a rail, without its sockets: frames and time go in,
//! frames and time come out.

use std::collections::HashMap;
use std::time::Duration;

use super::frame::{addresses, is_group, Mac};
use super::pipe::{Pipe, Refused};
use crate::counters::PortCounters;
use crate::faults::{Faults, Rate, Selector};

/// Addresses that are remembered; when there are more, all are learned anew.
const TABLE: usize = 4096;

/// Where frames for ports go.
pub(super) trait Outlet {
    /// Takes a frame for the port with this index.
    fn put(&mut self, port: usize, frame: &[u8]) -> Result<(), Refused>;
}

/// One rail's switch.
pub(super) struct Core {
    rail: u8,
    ports: Vec<Port>,
    table: HashMap<Mac, usize>,
    /// Frames that wait in any pipe.
    waiting: usize,
}

struct Port {
    node: u32,
    /// Only ports of the same group hear each other.
    group: usize,
    /// What the node sends.
    sent: Pipe,
    /// What the node is sent.
    received: Pipe,
}

#[derive(Clone, Copy)]
enum PortDirection {
    Sent,
    Received,
}

impl Core {
    /// A port for each node, in this order.
    pub(super) fn new(rail: u8, seed: u64, nodes: &[u32]) -> Self {
        let port = |node: &u32| Port {
            node: *node,
            group: 0,
            sent: Pipe::new(seed, place(rail, *node, PortDirection::Sent)),
            received: Pipe::new(seed, place(rail, *node, PortDirection::Received)),
        };
        Self {
            rail,
            ports: nodes.iter().map(port).collect(),
            table: HashMap::new(),
            waiting: 0,
        }
    }

    /// The index of a node's port.
    pub(super) fn port_of(&self, node: u32) -> Option<usize> {
        self.ports.iter().position(|port| port.node == node)
    }

    /// A node sends a frame. Time does not go backwards.
    pub(super) fn input(
        &mut self,
        now: Duration,
        port: usize,
        frame: &[u8],
        out: &mut impl Outlet,
    ) {
        self.advance(now, out);
        if addresses(frame).is_none() {
            self.ports[port].sent.block();
        } else if self.enter(now, port, PortDirection::Sent, frame) {
            self.forward(now, port, frame, out);
        }
        // What was changed or doubled on the way, but not delayed.
        self.advance(now, out);
    }

    /// When a frame that waits leaves.
    pub(super) fn due(&self) -> Option<Duration> {
        self.next().map(|(due, ..)| due)
    }

    /// Lets go what is due.
    pub(super) fn advance(&mut self, now: Duration, out: &mut impl Outlet) {
        while let Some((due, port, direction)) = self.next().filter(|(due, ..)| *due <= now) {
            let Some(frame) = self.pipe(port, direction).leave(due) else {
                return;
            };
            self.waiting -= 1;
            // At the time that it was due, so that a late timer does not add up over the pipes.
            match direction {
                PortDirection::Sent => self.forward(due, port, &frame, out),
                PortDirection::Received => self.deliver(port, &frame, out),
            }
        }
    }

    pub(super) fn set_faults(&mut self, at: Selector, faults: Faults) {
        self.each(at, |pipe| pipe.set_faults(faults));
    }

    pub(super) fn set_rate(&mut self, at: Selector, rate: Option<Rate>) {
        self.each(at, |pipe| pipe.set_rate(rate));
    }

    pub(super) fn set_cut(&mut self, at: Selector, cut: bool) {
        self.each(at, |pipe| pipe.set_cut(cut));
    }

    /// Nodes in none of the groups are together in one more.
    pub(super) fn partition(&mut self, groups: &[Vec<u32>]) {
        for port in &mut self.ports {
            let group = groups.iter().position(|group| group.contains(&port.node));
            port.group = group.unwrap_or(groups.len());
        }
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        for port in &mut self.ports {
            let place = |direction| place(self.rail, port.node, direction);
            port.sent.reseed(seed, place(PortDirection::Sent));
            port.received.reseed(seed, place(PortDirection::Received));
        }
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = PortCounters> + '_ {
        self.ports.iter().map(|port| PortCounters {
            rail: self.rail,
            node: port.node,
            sent: port.sent.counters(),
            received: port.received.counters(),
        })
    }

    fn each(&mut self, at: Selector, mut change: impl FnMut(&mut Pipe)) {
        for port in &mut self.ports {
            if at.takes(self.rail, port.node) {
                if at.direction.sent() {
                    change(&mut port.sent);
                }
                if at.direction.received() {
                    change(&mut port.received);
                }
            }
        }
    }

    fn pipe(&mut self, port: usize, direction: PortDirection) -> &mut Pipe {
        match direction {
            PortDirection::Sent => &mut self.ports[port].sent,
            PortDirection::Received => &mut self.ports[port].received,
        }
    }

    /// The pipe whose turn is next, and when that is.
    fn next(&self) -> Option<(Duration, usize, PortDirection)> {
        if self.waiting == 0 {
            return None;
        }
        let due = |(index, port): (usize, &Port)| {
            let sent = port.sent.due().map(|due| (due, index, PortDirection::Sent));
            let received = port
                .received
                .due()
                .map(|due| (due, index, PortDirection::Received));
            [sent, received].into_iter().flatten()
        };
        let pipes = self.ports.iter().enumerate().flat_map(due);
        // The first of several, so that the order depends on nothing else.
        pipes.min_by_key(|(due, ..)| *due)
    }

    fn enter(
        &mut self,
        now: Duration,
        port: usize,
        direction: PortDirection,
        frame: &[u8],
    ) -> bool {
        let pipe = self.pipe(port, direction);
        let before = pipe.len();
        let at_once = pipe.enter(now, frame);
        let more = pipe.len() - before;
        self.waiting += more;
        at_once
    }

    /// A frame has left its sender's pipe.
    fn forward(&mut self, now: Duration, from: usize, frame: &[u8], out: &mut impl Outlet) {
        let Some((to, source)) = addresses(frame) else {
            return;
        };
        self.ports[from].sent.taken(frame.len());
        if !is_group(source) {
            if self.table.len() >= TABLE && !self.table.contains_key(&source) {
                self.table.clear();
            }
            self.table.insert(source, from);
        }
        match self.table.get(&to).copied() {
            Some(port) if port == from => {}
            Some(port) => self.pass(now, from, port, frame, out),
            None => {
                for port in (0..self.ports.len()).filter(|port| *port != from) {
                    self.pass(now, from, port, frame, out);
                }
            }
        }
    }

    fn pass(&mut self, now: Duration, from: usize, to: usize, frame: &[u8], out: &mut impl Outlet) {
        if self.ports[from].group != self.ports[to].group {
            self.ports[to].received.block();
        } else if self.enter(now, to, PortDirection::Received, frame) {
            self.deliver(to, frame, out);
        }
    }

    fn deliver(&mut self, to: usize, frame: &[u8], out: &mut impl Outlet) {
        let pipe = &mut self.ports[to].received;
        match out.put(to, frame) {
            Ok(()) => pipe.taken(frame.len()),
            Err(why) => pipe.refused(why),
        }
    }
}

fn place(rail: u8, node: u32, direction: PortDirection) -> [u64; 2] {
    [u64::from(rail) << 32 | u64::from(node), direction as u64]
}

#[cfg(test)]
mod tests;
