// SPDX-License-Identifier: MIT OR Apache-2.0

//! Simulated time and what is to happen when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::network::{Flight, Shout};

/// A moment: nanoseconds since the simulation began, or a time span in the same unit.
pub type Nanos = u64;

/// Nanoseconds in a microsecond.
pub const MICROS: Nanos = 1_000;
/// Nanoseconds in a millisecond.
pub const MILLIS: Nanos = 1_000_000;
/// Nanoseconds in a second.
pub const SECONDS: Nanos = 1_000_000_000;

/// What happens.
#[derive(Debug)]
pub enum What {
    /// A frame arrives at one interface.
    Flight(Box<Flight>),
    /// A frame arrives at all interfaces of its rail.
    Shout(Box<Shout>),
    /// A node's clock thread wakes; only if this is still the wake-up that it waits for.
    Wake {
        /// Which node.
        node: u32,
        /// Which of the node's wake-ups.
        ticket: u64,
    },
    /// The user of a circuit's end does what it waited for.
    User {
        /// Which node.
        node: u32,
        /// Which life of it.
        life: u32,
        /// Which of that life's ends.
        end: u64,
    },
    /// A node boots for the first time.
    Boot(u32),
    /// A conversation of the workload begins.
    Begin(u32),
    /// A fault of the plan begins or ends.
    Fault(u32),
    /// The judge looks at everything.
    Check,
}

#[derive(Debug)]
struct Event {
    at: Nanos,
    /// Events of the same moment happen in the order in which they were planned.
    order: u64,
    what: What,
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives its greatest first.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Event {}

/// Everything that is still to happen.
#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Event>,
    planned: u64,
}

impl Queue {
    /// Plans something.
    pub fn plan(&mut self, at: Nanos, what: What) {
        let order = self.planned;
        self.planned += 1;
        self.heap.push(Event { at, order, what });
    }

    /// What happens next, and when.
    pub fn pop(&mut self) -> Option<(Nanos, What)> {
        self.heap.pop().map(|event| (event.at, event.what))
    }

    /// How many events were ever planned.
    pub fn planned(&self) -> u64 {
        self.planned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_order_of_time_then_of_planning() {
        let mut queue = Queue::default();
        for (at, number) in [(5, 0), (3, 1), (5, 2), (3, 3), (0, 4)] {
            queue.plan(at, What::Begin(number));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(at, what)| match what {
                What::Begin(number) => (at, number),
                _ => unreachable!("nothing else was planned"),
            })
            .collect();
        assert_eq!(order, [(0, 4), (3, 1), (3, 3), (5, 0), (5, 2)]);
    }
}
