// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a case's time goes: what the nodes' processors execute, sampled again and again.
//!
//! QEMU's monitor tells the program counter, which the node's own table of symbols resolves, with
//! its modules. `/proc/profile` would know only the kernel's own text, and perf needs counters that
//! an emulated processor lacks. QEMU brings the program counter up to date at the end of a
//! translated block: good enough for functions, not for instructions.

mod symbols;
mod tally;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{anyhow, Context, Result};
use podos_harness::Node;
use serde_json::json;

use crate::lab::Lab;
pub use symbols::Symbols;
pub use tally::{Place, Tally};

/// Samples all these nodes for as long as `work` takes; a tally each.
pub fn sample(lab: &Lab, hosts: &[u32], work: impl FnOnce() -> Result<()>) -> Result<Vec<Tally>> {
    let nodes = hosts
        .iter()
        .map(|host| {
            let node = lab.node(*host)?;
            let table = node.command("cat").arg("/proc/kallsyms").succeed()?.stdout;
            Ok((node, Symbols::parse(&String::from_utf8_lossy(&table))))
        })
        .collect::<Result<Vec<_>>>()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let samplers: Vec<_> = nodes
            .iter()
            .map(|(node, symbols)| scope.spawn(move || until(over, *node, symbols)))
            .collect();
        let done = work();
        over.store(true, Ordering::Relaxed);
        let tallies = samplers
            .into_iter()
            .map(|sampler| sampler.join().map_err(|_| anyhow!("a sampler panicked"))?)
            .collect();
        done.and(tallies)
    })
}

fn until(over: &AtomicBool, node: Node<'_>, symbols: &Symbols) -> Result<Tally> {
    let mut tally = Tally::default();
    while !over.load(Ordering::Relaxed) {
        let arguments = json!({ "command-line": "info registers" });
        let text = node.qmp("human-monitor-command", arguments)?;
        let text = text.as_str().unwrap_or_default();
        let registers = Registers::parse(text)
            .with_context(|| format!("QEMU of {} says {text:?}", node.name()))?;
        tally.add(match registers {
            Registers { halted: true, .. } => Place::Idle,
            Registers { user: true, .. } => Place::User,
            Registers { counter, .. } => symbols.find(counter),
        });
    }
    Ok(tally)
}

/// What matters of a processor's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registers {
    counter: u64,
    user: bool,
    halted: bool,
}

impl Registers {
    /// Out of the monitor's `info registers`.
    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let words = text.split_whitespace();
            words.filter_map(|word| word.strip_prefix(name)).next()
        };
        Some(Self {
            counter: u64::from_str_radix(value("RIP=")?, 16).ok()?,
            user: value("CPL=")? == "3",
            halted: value("HLT=")? == "1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_the_monitor() {
        let text = "CPU#0\r\nRAX=0000000000000000 RBX=1\r\nR14=0 R15=0\r\n\
            RIP=ffffffff81a3bf0f RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n\
            ES =0000 0000000000000000 ffffffff 00c00000\r\n";
        let registers = Registers::parse(text).unwrap();
        assert_eq!(
            registers,
            Registers {
                counter: 0xffff_ffff_81a3_bf0f,
                user: false,
                halted: true,
            }
        );
        assert_eq!(Registers::parse("RIP=12 CPL=3"), None);
    }
}
