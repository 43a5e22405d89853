// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults on demand: checked, noted in the timeline, and done.

use std::sync::Arc;

use podos_switch::{Faults, Rate, Selector};

use super::cluster::Cluster;
use super::ending;
use crate::control::{Answer, NodeFault, Refusal, SwitchRequest};

type Outcome<T = ()> = Result<T, Refusal>;

/// A fault of a node that runs.
pub(super) fn node(cluster: &Arc<Cluster>, node: u32, fault: NodeFault) -> Outcome {
    match fault {
        NodeFault::Kill => cluster.kill(node),
        NodeFault::Pause => cluster.pause(node, true),
        NodeFault::Resume => cluster.pause(node, false),
        NodeFault::Reset => {
            cluster.kill(node)?;
            cluster.start(node, None)
        }
        NodeFault::PowerOff => ending::power_off(cluster, node),
        NodeFault::Panic => ending::panic(cluster, node),
    }
}

/// The carrier of a node on a rail, or on all.
pub(super) fn link(cluster: &Cluster, node: u32, rail: Option<u8>, up: bool) -> Outcome {
    let at = Selector {
        rail,
        ..Selector::node(node)
    };
    check(cluster, at)?;
    let what = if up { "give back" } else { "take away" };
    note(cluster, "cluster", &format!("{what} the carrier of {at}"));
    cluster.set_links(node, rail, up)
}

pub(super) fn cut(cluster: &Cluster, at: Selector, cut: bool) -> Outcome {
    check(cluster, at)?;
    let what = if cut { "cut" } else { "mend" };
    note(cluster, "cluster", &format!("{what} {at}"));
    let done = cluster.network().cut(cluster.topology(), at, cut);
    done.map_err(Refusal::of)?;
    cluster.lock().links.cut(at, cut);
    Ok(())
}

pub(super) fn rate(cluster: &Cluster, at: Selector, rate: Option<Rate>) -> Outcome {
    check(cluster, at)?;
    let shown = rate.map_or("no limit".into(), |rate| rate.to_string());
    note(cluster, "cluster", &format!("rate {shown}, {at}"));
    let done = cluster.network().rate(cluster.topology(), at, rate);
    done.map_err(Refusal::of)?;
    cluster.lock().links.rate(at, rate);
    Ok(())
}

pub(super) fn switch(cluster: &Cluster, order: SwitchRequest) -> Outcome<Answer> {
    let on_rail = |rail: Option<u8>| Selector {
        rail,
        ..Selector::ALL
    };
    let what = match &order {
        SwitchRequest::Set { at, faults } => {
            check(cluster, *at)?;
            refuse_too_long(faults)?;
            format!("frames, {at}: {faults}")
        }
        SwitchRequest::Partition { rail, groups } => {
            check(cluster, on_rail(*rail))?;
            for node in groups.iter().flatten() {
                check(cluster, Selector::node(*node))?;
            }
            match groups.is_empty() {
                true => format!("heal {}", on_rail(*rail)),
                false => format!("partition {groups:?}, {}", on_rail(*rail)),
            }
        }
        SwitchRequest::Reseed { seed } => format!("seed {seed}"),
        SwitchRequest::Capture { rail, file } => {
            check(cluster, Selector::rail(*rail))?;
            match file {
                Some(file) => format!("capture rail {rail} to {}", file.display()),
                None => format!("end the capture of rail {rail}"),
            }
        }
        SwitchRequest::Recent { .. } | SwitchRequest::Counters => String::new(),
    };
    if !what.is_empty() {
        note(cluster, "cluster", &what);
    }
    let answer = cluster.network().order(order.clone());
    let answer = answer.map_err(Refusal::of)?;
    cluster.lock().links.order(&order);
    Ok(answer)
}

fn check(cluster: &Cluster, at: Selector) -> Outcome {
    cluster.topology().check_selector(at).map_err(Refusal::of)
}

/// Refuses times that no frame is to be late by.
fn refuse_too_long(faults: &Faults) -> Outcome {
    let Some((name, time)) = faults.too_long() else {
        return Ok(());
    };
    let longest = Faults::LONGEST;
    let reason = format!("--{name}: {time:?} is more than {longest:?}");
    Err(Refusal::Other(reason))
}

fn note(cluster: &Cluster, who: &str, what: &str) {
    cluster.events().note(who, &format!("FAULT: {what}"));
}
