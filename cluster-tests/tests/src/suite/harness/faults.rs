// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults on purpose: one that is not seen in the guests proves nothing there.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use podos_harness::{Chance, Cluster, Direction, Faults, NodeState, Rate, Selector, WaitFor};
use podos_wireshark::Dissector;

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};

/// The cluster, for what concerns no single node.
fn cluster<'a>(lab: &Lab<'a>) -> Result<&'a Cluster> {
    Ok(lab.node(1)?.harness().cluster())
}

/// One question to another node on rail 0; whether there is an answer within a second.
pub fn hears(from: Machine<'_>, to: u32) -> Result<bool> {
    let ping = format!("ping -c 1 -W 1 -w 1 -q 10.80.0.{to}");
    Ok(from.try_sh(&ping)?.exit.success())
}

/// The same, until there is an answer: after a fault, addresses may have to be asked for again.
pub fn until_hears(from: Machine<'_>, to: u32) -> Result<()> {
    from.until(&format!("ping -c 1 -W 1 -w 1 -q 10.80.0.{to}"))
        .map(drop)
}

fn carrier(node: Machine<'_>, rail: u8) -> Result<String> {
    node.sh(&format!("cat /sys/class/net/eth{rail}/carrier"))
}

pub fn loss(lab: &Lab<'_>) -> Result<()> {
    let (one, switch) = (lab.node(1)?, lab.switch()?);
    until_hears(one, 2)?;
    let place = Selector::node(2).on_rail(0).going(Direction::Received);
    let all = Faults {
        loss: Chance::ALWAYS,
        ..Faults::default()
    };
    switch.set(place, all)?;
    ensure!(!hears(one, 2)?, "an answer to what was lost");
    ensure!(hears(one, 3)?, "another node lost frames, too");
    let ports = switch.counters()?;
    let port = ports.iter().find(|port| place.takes(port.rail, port.node));
    let port = port.context("no such port")?;
    ensure!(port.received.lost > 0, "{port:?}");
    ensure_eq!(port.sent.lost, 0, "the other direction");
    switch.clear()?;
    until_hears(one, 2)
}

pub fn delay(lab: &Lab<'_>) -> Result<()> {
    let (one, switch) = (lab.node(1)?, lab.switch()?);
    until_hears(one, 2)?;
    let delay = Duration::from_millis(300);
    let late = Faults {
        delay,
        ..Faults::default()
    };
    switch.set(Selector::rail(0), late)?;
    let start = Instant::now();
    one.sh("ping -c 1 -W 10 -q 10.80.0.2")?;
    // There and back, at two ports each.
    ensure!(start.elapsed() >= 4 * delay, "{:?}", start.elapsed());
    switch.clear().map_err(Into::into)
}

pub fn cut(lab: &Lab<'_>) -> Result<()> {
    let (one, cluster) = (lab.node(1)?, cluster(lab)?);
    until_hears(one, 2)?;
    cluster.cut(Selector::rail(0))?;
    ensure!(!hears(one, 2)?, "an answer on a rail that was cut");
    ensure_eq!(carrier(one, 0)?, "1", "a cut is told to nobody");
    cluster.mend(Selector::rail(0))?;
    until_hears(one, 2)?;
    cluster.cut(Selector::node(2).on_rail(0))?;
    ensure!(!hears(one, 2)?, "an answer of a node that was cut off");
    ensure!(hears(one, 3)?, "another node was cut off, too");
    cluster.mend(Selector::ALL)?;
    until_hears(one, 2)
}

/// Bridges, too: a plug is pulled, and a link is slow, while all runs.
pub fn bridge(lab: &Lab<'_>) -> Result<()> {
    let (one, two, cluster) = (lab.node(1)?, lab.node(2)?, cluster(lab)?);
    two.harness().link_down(0)?;
    two.until("grep -qx 0 /sys/class/net/eth0/carrier")?;
    ensure!(!hears(one, 2)?, "an answer through a plug that was pulled");
    ensure!(hears(one, 3)?, "another node was unplugged, too");
    two.harness().link_up(0)?;
    two.until("grep -qx 1 /sys/class/net/eth0/carrier")?;
    until_hears(one, 2)?;

    // 20,000 bytes, and what passes at once, at a million bits per second.
    let slow = Duration::from_millis(130);
    let asked = || -> Result<Duration> {
        let start = Instant::now();
        one.until("ping -c 1 -W 10 -s 20000 -q 10.80.0.2")?;
        Ok(start.elapsed())
    };
    let at = Selector::node(2).on_rail(0);
    cluster.rate(at, Some(Rate::mbit(1)))?;
    let links = cluster.status()?.links;
    let link = links.iter().find(|link| at.takes(link.rail, link.node));
    let rate = link.context("no such link")?.received.rate;
    let took = asked()?;
    cluster.rate(at, None)?;
    ensure_eq!(rate, Some(Rate::mbit(1)), "the rate in the status");
    ensure!(took >= slow, "{took:?} on a slow link");
    let deadline = Instant::now() + Duration::from_secs(60);
    while asked()? >= slow {
        ensure!(Instant::now() < deadline, "the link is slow for ever");
    }
    Ok(())
}

pub fn partition(lab: &Lab<'_>) -> Result<()> {
    let (one, two, switch) = (lab.node(1)?, lab.node(2)?, lab.switch()?);
    until_hears(one, 2)?;
    until_hears(two, 3)?;
    switch.partition(Some(0), &[&[1]])?;
    ensure!(!hears(one, 2)?, "an answer from the other part");
    ensure!(hears(two, 3)?, "no answer from the same part");
    switch.heal(None)?;
    until_hears(one, 2)
}

pub fn capture(lab: &Lab<'_>) -> Result<()> {
    let (one, switch) = (lab.node(1)?, lab.switch()?);
    until_hears(one, 2)?;
    let folder = tempfile::tempdir().context("cannot make a folder for the capture")?;
    let file = folder.path().join("rail0.pcap");
    switch.capture(0, &file)?;
    one.sh("ping -c 3 -i 0.2 -s 333 -q 10.80.0.2")?;
    switch.end_capture(0)?;
    let dissector = Dissector::new()?;
    let count = |filter: &str| -> Result<usize> { Ok(dissector.frames(&file, filter)?.len()) };
    let length = 14 + 20 + 8 + 333;
    let echoes = count(&format!("icmp && frame.len == {length}"))?;
    ensure_eq!(echoes, 6, "3 questions and their answers");
    let ours = count("eth.type == 0x88b5")?;
    ensure!(ours > 0, "no frame of CM in 0.4 s");
    // Nothing more comes after its end.
    let before = count("frame")?;
    one.sh("ping -c 1 -q 10.80.0.2")?;
    ensure_eq!(count("frame")?, before, "after its end");
    Ok(())
}

pub fn pause(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let uptime =
        |node: Machine<'_>| -> Result<f64> { Ok(node.sh("cut -d' ' -f1 /proc/uptime")?.parse()?) };
    let before = uptime(two)?;
    let start = Instant::now();
    two.harness().pause()?;
    let state = cluster(lab)?.status()?.nodes[1].state;
    ensure_eq!(state, NodeState::Paused, "the status");
    one.until("grep -qx 0 /sys/kernel/podos/sst/2/alive")?;
    two.harness().resume()?;
    let paused = start.elapsed();
    one.until("grep -qx 1 /sys/kernel/podos/sst/2/alive")?;
    let passed = uptime(two)? - before;
    let all = start.elapsed();
    // What it did before the pause and after it, and no more.
    let most = (all - paused).as_secs_f64() + 1.0;
    ensure!(
        passed < most,
        "{passed} s of {all:?} passed there, {paused:?} were a pause"
    );
    Ok(())
}

pub fn reset(lab: &Lab<'_>) -> Result<()> {
    let (one, three) = (lab.node(1)?, lab.node(3)?);
    three.sh("echo lost > /tmp/memory")?;
    let boot = three.sh("cat /proc/sys/kernel/random/boot_id")?;
    three.harness().link_down(1)?;
    ensure_eq!(carrier(three, 1)?, "0", "the plug was pulled");
    ensure_eq!(carrier(three, 0)?, "1", "another one was not");
    three.harness().reset()?;
    cluster(lab)?.wait(WaitFor::Alive)?;
    three.prepare()?;
    three.sh("[ ! -e /tmp/memory ]")?;
    let again = three.sh("cat /proc/sys/kernel/random/boot_id")?;
    ensure!(boot != again, "it is the same boot");
    ensure_eq!(carrier(three, 1)?, "0", "in the next boot");
    three.harness().link_up(None)?;
    three.until("grep -qx 1 /sys/class/net/eth1/carrier")?;
    until_hears(one, 3)
}
