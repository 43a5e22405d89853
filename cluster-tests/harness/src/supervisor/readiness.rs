// SPDX-License-Identifier: MIT OR Apache-2.0

//! Readiness: when a cluster is up.

use std::time::{Duration, Instant};

use podos_agent_proto::Frame;

use super::cluster::Cluster;
use crate::alarm::Alarm;
use crate::control::{Refusal, WaitFor};
use crate::topology::{node_name, NodeKey};

/// Boot of one node, and what each more adds, under KVM.
const BOOT: Duration = Duration::from_secs(20);
const BOOT_MORE: Duration = Duration::from_secs(1);

/// Between two questions to the nodes.
const PAUSE: Duration = Duration::from_millis(50);

/// How long one answer of an agent may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A console that is quiet for so long has told all of an oops; it gets the other limit to.
const QUIET: Duration = Duration::from_millis(100);
const TELLS_WITHIN: Duration = Duration::from_secs(1);

/// Waits until every node that was not killed is as ready as asked for.
pub(super) fn wait(cluster: &Cluster, until: WaitFor) -> Result<(), Refusal> {
    let count = cluster.topology().nodes.len() as u32;
    let limit = cluster.accelerator().scale(BOOT + BOOT_MORE * count);
    let limit = cluster.topology().kernel.scale(limit);
    let deadline = Instant::now() + limit;
    let nodes = wait_for_agents(cluster, deadline, limit)?;
    match until {
        WaitFor::Agents => Ok(()),
        WaitFor::Alive => {
            refuse_problems(cluster)?;
            let mut pairs = pairs(&nodes);
            let topology = cluster.topology();
            pairs.retain(|(by, of)| {
                let as_itself = topology.host_id(*by) == *by && topology.host_id(*of) == *of;
                let can_see = topology.share_a_key(*by, *of) && as_itself;
                can_see && cluster.images().of(*by).has_agent
            });
            wait_for_sight(cluster, pairs, deadline, limit)
        }
    }
}

/// Waits for the end of boot; the nodes that run.
fn wait_for_agents(
    cluster: &Cluster,
    deadline: Instant,
    limit: Duration,
) -> Result<Vec<u32>, Refusal> {
    let mut inner = cluster.lock();
    loop {
        if let Some(alarm) = cluster.alarm(&inner) {
            drop(inner);
            return Err(Refusal::Alarm(Box::new(told_to_the_end(cluster, alarm))));
        }
        let wanted = || {
            inner
                .nodes
                .iter()
                .filter(|(_, node)| !node.killed && !node.paused)
        };
        if let Some((id, node)) = wanted().find(|(_, node)| node.vm.is_none()) {
            let (id, name, ended) = (*id, node_name(*id), node.ended.clone());
            drop(inner);
            let words = cluster.last_words(id);
            return Err(Refusal::NotReady(format!(
                "QEMU of {name} ended: {ended}{words}"
            )));
        }
        match wanted().find(|(_, node)| !node.booted) {
            None => return Ok(wanted().map(|(id, _)| *id).collect()),
            Some((id, _)) if Instant::now() > deadline => {
                let (id, name, seconds) = (*id, node_name(*id), limit.as_secs());
                drop(inner);
                let words = cluster.last_words(id);
                let reason = format!("boot of {name} is not over after {seconds} s{words}");
                return Err(Refusal::NotReady(reason));
            }
            Some(_) => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        inner = cluster.wait_change(inner, left + PAUSE);
    }
}

fn refuse_problems(cluster: &Cluster) -> Result<(), Refusal> {
    let inner = cluster.lock();
    let mut reasons = Vec::new();
    for (id, node) in &inner.nodes {
        let keyless = cluster.topology().key_of(*id) == &NodeKey::None;
        for problem in &node.problems {
            // It was to have none.
            if keyless && problem.contains("cluster key") {
                continue;
            }
            reasons.push(format!("\n  {}: {problem}", node_name(*id)));
        }
    }
    drop(inner);
    if reasons.is_empty() {
        return Ok(());
    }
    let reasons = reasons.concat();
    let hint = "\n(`cargo xtask cluster up --wait agents` leaves it up to be looked at)";
    Err(Refusal::NotReady(format!(
        "boot went wrong:{reasons}{hint}"
    )))
}

/// Waits until the first of each pair sees the second alive.
fn wait_for_sight(
    cluster: &Cluster,
    mut blind: Vec<(u32, u32)>,
    deadline: Instant,
    limit: Duration,
) -> Result<(), Refusal> {
    loop {
        wait_for_agents(cluster, deadline, limit)?;
        let mut left = Vec::new();
        for (by, of) in blind {
            if !sees(cluster, by, of)? {
                left.push((by, of));
            }
        }
        blind = left;
        let Some((by, of)) = blind.first() else {
            return Ok(());
        };
        if Instant::now() > deadline {
            let (by_name, of, seconds) = (node_name(*by), node_name(*of), limit.as_secs());
            let words = cluster.last_words(*by);
            let reason = format!("{by_name} does not see {of} alive after {seconds} s{words}");
            return Err(Refusal::NotReady(reason));
        }
        drop(cluster.wait_change(cluster.lock(), PAUSE));
    }
}

fn pairs(nodes: &[u32]) -> Vec<(u32, u32)> {
    let others = |by: u32| {
        nodes
            .iter()
            .map(move |of| (by, *of))
            .filter(|(by, of)| by != of)
    };
    nodes.iter().flat_map(|by| others(*by)).collect()
}

/// Asks a node's system state table about another node.
fn sees(cluster: &Cluster, by: u32, of: u32) -> Result<bool, Refusal> {
    let agent = cluster.agent(by)?;
    let Some((id, answer)) = agent.open() else {
        return Ok(false);
    };
    let path = format!("/sys/kernel/podos/sst/{of}/alive");
    agent.send(id, &Frame::ReadFile(path.into_bytes()));
    let seen = match answer.recv_timeout(ANSWER) {
        Ok(Frame::Content(content)) => content.trim_ascii() == b"1",
        // No such entry yet, or an agent that takes its time: ask again.
        _ => false,
    };
    agent.close(id);
    Ok(seen)
}

/// The same alarm with the lines that came after it.
pub(super) fn told_to_the_end(cluster: &Cluster, mut alarm: Alarm) -> Alarm {
    let deadline = Instant::now() + TELLS_WITHIN;
    loop {
        std::thread::sleep(QUIET);
        let Some(now) = cluster.alarm(&cluster.lock()) else {
            return alarm;
        };
        if now.tail == alarm.tail || Instant::now() > deadline {
            return now;
        }
        alarm = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_asked_about_every_other() {
        assert_eq!(
            pairs(&[1, 2, 3]),
            [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]
        );
        assert_eq!(pairs(&[9]), []);
    }
}
