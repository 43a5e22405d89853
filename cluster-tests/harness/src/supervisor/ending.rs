// SPDX-License-Identifier: MIT OR Apache-2.0

//! Orderly shutdown of nodes, and panics on purpose.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use podos_agent_proto::{Command, Frame, NODE};

use super::cluster::Cluster;
use crate::control::Refusal;
use crate::supervisor::agent::AgentPort;
use crate::topology::node_name;

/// How long a node may take to end, under KVM: its init waits for programs that end slowly.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// What makes a kernel panic, whatever `kernel.sysrq` allows at the keyboard.
const PANIC: [&str; 3] = ["sh", "-c", "echo c > /proc/sysrq-trigger"];

/// Has a node's init end it in good order, and waits until it is gone.
pub(super) fn power_off(cluster: &Cluster, node: u32) -> Result<(), Refusal> {
    end(cluster, node, "power off", |agent| {
        agent.send(NODE, &Frame::Poweroff);
        None
    })
}

/// Has a node's kernel panic, and waits until it is gone.
pub(super) fn panic(cluster: &Cluster, node: u32) -> Result<(), Refusal> {
    end(cluster, node, "panic", |agent| {
        let (id, answers) = agent.open()?;
        let argv = PANIC.map(|word| word.as_bytes().to_vec()).to_vec();
        let command = Command {
            argv,
            ..Command::default()
        };
        agent.send(id, &Frame::Exec(command));
        Some(answers)
    })
}

/// Gives the order, and waits until the node is gone. An order that is answered was not obeyed.
fn end(
    cluster: &Cluster,
    id: u32,
    what: &str,
    order: impl FnOnce(&AgentPort) -> Option<Receiver<Frame>>,
) -> Result<(), Refusal> {
    let name = node_name(id);
    cluster.agent(id)?;
    let mut inner = cluster.lock();
    let gone = || Refusal::NodeDown(name.clone());
    let node = inner.nodes.get_mut(&id).ok_or_else(gone)?;
    if node.paused {
        return Err(Refusal::Other(format!(
            "{name} is paused: `cluster fault resume {name}` first"
        )));
    }
    let agent = node.vm.as_ref().map(|vm| vm.agent.clone());
    let agent = agent.ok_or_else(gone)?;
    cluster.events().note(&name, &format!("FAULT: {what}"));
    // Before the order: that it goes down is no surprise from now on.
    node.killed = true;
    let boot = node.boots;
    let answers = order(&agent);
    let limit = cluster.accelerator().scale(ENDS_WITHIN);
    let deadline = Instant::now() + limit;
    loop {
        let node = inner.nodes.get_mut(&id).ok_or_else(gone)?;
        if node.vm.is_none() || node.boots != boot {
            return Ok(());
        }
        let answer = answers.as_ref().and_then(|answers| answers.try_recv().ok());
        if answer.is_some() || Instant::now() > deadline {
            node.killed = false;
            let why = match answer {
                Some(answer) => format!("its agent answered {answer:?}"),
                None => format!("it still runs after {} s", limit.as_secs()),
            };
            return Err(Refusal::Other(format!("{name} did not {what}: {why}")));
        }
        inner = cluster.wait_change(inner, Duration::from_millis(50));
    }
}
