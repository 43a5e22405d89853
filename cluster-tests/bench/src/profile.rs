// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the nodes' processors execute, function by function.
//!
//! A plugin of QEMU counts it, so the nodes are emulated. What a node executes does not depend on
//! what else the host does; only its clock's interrupts do, which come by time.

mod symbols;
mod tally;

use anyhow::{ensure, Result};
use podos_harness::{Instructions, Node};

use crate::bench::Repeat;
use crate::lab::Lab;
use symbols::Symbols;
pub use tally::{Place, Tally};

/// How much longer the long repetition is than the short one.
const LONGER: u32 = 5;

/// How much longer than the short one all repetitions are together.
pub const IN_ALL: u32 = 2 + LONGER;

/// What one unit of a case costs on each of these nodes.
///
/// The case is repeated [`Repeat::count`] times and [`LONGER`] times as often; the difference is what counts.
/// So what a repetition begins and ends with is in neither.
pub fn per_unit(lab: &Lab, hosts: &[u32], repeat: &mut Repeat<'_>) -> Result<Vec<Tally>> {
    let count = repeat.count;
    let nodes = hosts
        .iter()
        .map(|host| Counted::new(lab.node(*host)?))
        .collect::<Result<Vec<_>>>()?;
    // What is translated and cached for the first time is not what is asked for.
    (repeat.run)(count)?;
    let start = now(&nodes)?;
    let few = (repeat.run)(count)?;
    let middle = now(&nodes)?;
    let many = (repeat.run)(count * LONGER)?;
    let end = now(&nodes)?;
    ensure!(
        many > few,
        "{count} repetitions gave {few} {}s, {LONGER} times as many {many}",
        repeat.unit
    );
    let costs = nodes.iter().enumerate().map(|(index, node)| {
        let short = node.tally(&middle[index].since(&start[index]));
        let long = node.tally(&end[index].since(&middle[index]));
        long.less(&short).each(many - few)
    });
    Ok(costs.collect())
}

fn now(nodes: &[Counted<'_>]) -> Result<Vec<Instructions>> {
    let nodes = nodes.iter();
    nodes
        .map(|counted| Ok(counted.node.instructions()?))
        .collect()
}

/// A node whose processor is counted.
struct Counted<'a> {
    node: Node<'a>,
    symbols: Symbols,
}

impl<'a> Counted<'a> {
    /// Its modules must stay as they are from now on.
    fn new(node: Node<'a>) -> Result<Self> {
        let table = node.command("cat").arg("/proc/kallsyms").succeed()?.stdout;
        let symbols = Symbols::parse(&String::from_utf8_lossy(&table));
        Ok(Self { node, symbols })
    }

    fn tally(&self, executed: &Instructions) -> Tally {
        let mut tally = Tally::default();
        for (address, count) in executed.blocks() {
            tally.add(self.symbols.find(address), count as f64);
        }
        tally
    }
}
