// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames lost, damaged, doubled and out of order; rails cut; nodes killed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use podos_harness::{Chance, Direction, Faults, PortCounters, Selector};
use podos_wireshark::Dissector;

use super::devices::until_heard;
use super::load_modules;
use super::transfer::Transfer;
use crate::support::{Lab, Machine};
use crate::test::{Test, DYING, FAULTY};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.circuits_lose_nothing_on_bad_rails",
        setting: FAULTY,
        limit: None,
        run: bad_rails,
    },
    Test {
        name: "cm.every_rail_may_be_cut",
        setting: FAULTY,
        limit: None,
        run: cut_rails,
    },
    Test {
        name: "cm.links_may_go_down",
        setting: FAULTY,
        limit: None,
        run: links_down,
    },
    Test {
        name: "cm.late_copies_of_an_open_open_nothing",
        setting: FAULTY,
        limit: None,
        run: late_copies,
    },
    Test {
        name: "cm.a_rail_that_is_dead_one_way_is_left",
        setting: FAULTY,
        limit: None,
        run: one_way_rail,
    },
    Test {
        name: "cm.a_dead_node_breaks_its_own_circuits_only",
        setting: DYING,
        limit: None,
        run: dead_node,
    },
];

const MB: u64 = 1_000_000;

/// Three transfers at once, each node sending one and receiving one, each in a group of its own.
fn ring<'a>(lab: &Lab<'a>, bytes: u64) -> Result<Vec<Transfer<'a>>> {
    let ways = [(1, 2, "stripe"), (2, 3, "load"), (3, 1, "round-robin")];
    let start = |(from, to, group): (u32, u32, &str)| {
        Transfer::start(lab.node(from)?, lab.node(to)?, bytes, group)
    };
    ways.into_iter().map(start).collect()
}

fn bad_rails(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let switch = lab.switch()?;
    switch.reseed(lab.seed())?;
    let before = switch.counters()?;
    switch.set(
        // Every frame once: on its way to its receiver.
        Selector::ALL.going(Direction::Received),
        Faults {
            loss: Chance::percent(5.0),
            corruption: Chance::percent(1.0),
            duplication: Chance::percent(1.0),
            reordering: Chance::percent(2.0),
            held: Duration::from_millis(2),
            only_podos: true,
            ..Faults::default()
        },
    )?;
    let outcome: Result<()> = ring(lab, 100 * MB / 3 + 1)?
        .into_iter()
        .try_for_each(|transfer| transfer.finish().map(drop));
    switch.clear()?;
    outcome?;
    // The rails were as bad as they were meant to be.
    let after = switch.counters()?;
    let sum = |counters: &[PortCounters], what: fn(&PortCounters) -> u64| {
        counters.iter().map(what).sum::<u64>()
    };
    let grown = |what| sum(&after, what) - sum(&before, what);
    let frames = grown(|port| port.sent.forwarded);
    let lost = grown(|port| port.sent.lost + port.received.lost);
    let corrupted = grown(|port| port.sent.corrupted + port.received.corrupted);
    ensure!(
        lost > frames / 50 && corrupted > frames / 500,
        "of {frames} frames {lost} were lost and {corrupted} damaged"
    );
    Ok(())
}

/// How long rails stay cut: so long that both ends take note.
const CUT: Duration = Duration::from_millis(1800);

/// Lets time pass for the nodes, who are in the middle of something.
fn meanwhile(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::sleep(left);
    }
}

fn cut_rails(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let switch = lab.switch()?;
    switch.set(
        Selector::ALL,
        Faults {
            // So slow that there is something under way at every cut.
            delay: Duration::from_millis(2),
            ..Faults::default()
        },
    )?;
    let rounds: [&[u8]; 6] = [&[0], &[1], &[2], &[0, 1], &[1, 2], &[0, 2]];
    for cut in rounds {
        let transfers = ring(lab, 4 * MB)?;
        meanwhile(Duration::from_millis(200));
        cut.iter().try_for_each(|rail| switch.cut(*rail))?;
        let start = Instant::now();
        for transfer in transfers {
            transfer.finish()?;
        }
        // What is left of the time that it takes to call a rail dead.
        meanwhile(CUT.saturating_sub(start.elapsed()));
        for (host, other) in [(1, 2), (2, 3), (3, 1)] {
            let node = lab.node(host)?;
            for rail in cut {
                node.until(&format!("{} = down ]", rail_state(other, *rail)))?;
            }
        }
        cut.iter().try_for_each(|rail| switch.mend(*rail))?;
        for (host, other) in [(1, 2), (2, 3), (3, 1)] {
            let node = lab.node(host)?;
            for rail in cut {
                node.until(&format!("{} = up ]", rail_state(other, *rail)))?;
            }
        }
    }
    switch.clear()?;
    Ok(())
}

/// A line of shell without its end: the state of a rail of another node.
fn rail_state(host: u32, rail: u8) -> String {
    let peers = "/sys/kernel/podos/cm/peers";
    format!("[ \"$(awk '$1 == {host} && $3 == {rail} {{ print $6 }}' {peers})\"")
}

fn links_down(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for rail in 0..3 {
        let transfer = Transfer::start(one, two, 8 * MB, "stripe")?;
        two.harness().link_down(rail)?;
        transfer.finish()?;
        two.harness().link_up(rail)?;
        one.until(&format!("{} = up ]", rail_state(2, rail)))?;
    }
    Ok(())
}

/// A line of shell: whether more than so many bytes went out on a circuit of tests to that host.
fn has_sent(host: u32, bytes: u64) -> String {
    format!(
        "awk 'NR == 1 {{ for (i = 1; i <= NF; i++) at[$i] = i; next }} \
         $at[\"class\"] == \"test\" && substr($at[\"peer_gpid\"], 1, 8) == \"{host:08x}\" \
         && $at[\"bytes_sent\"] > {bytes} {{ found = 1 }} END {{ exit !found }}' \
         /sys/kernel/debug/podos/circuits"
    )
}

fn dead_node(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    let long = 4_000 * MB;
    let doomed = Transfer::start(one, three, long, "stripe")?;
    let other = Transfer::start(one, two, 30 * MB, "round-robin")?;
    one.until(&has_sent(3, MB))?;
    three.kill()?;
    let start = Instant::now();
    doomed.breaks(libc::EHOSTDOWN)?;
    let time = start.elapsed();
    ensure!(time < lab.terms().in_time(), "the news took {time:?}");
    other.finish()?;
    // What is opened now fails at once, and other nodes are as near as before.
    let answers = one.tool(&["cm", "open-close", "3", "1"])?;
    answers.expect(&format!("errno_{}", libc::EHOSTDOWN), 1)?;
    Transfer::start(two, one, 2 * MB, "load")?.finish()?;
    lab.revive()?;
    load_modules(lab)?;
    Transfer::start(one, lab.node(3)?, 2 * MB, "stripe")?
        .finish()
        .map(drop)
}

/// Nothing arrives.
fn deaf() -> Faults {
    Faults {
        loss: Chance::ALWAYS,
        ..Faults::default()
    }
}

/// When frames passed that a filter lets through, from the first frame of the capture on.
fn times(capture: &Path, filter: &str) -> Result<Vec<Duration>> {
    let rows = Dissector::new()?.fields(capture, filter, &["frame.time_relative"])?;
    let seconds = rows.iter().flatten().map(|cell| cell.parse::<f64>());
    seconds
        .map(|time| Ok(Duration::from_secs_f64(time?)))
        .collect()
}

/// How long a node may go on opening circuits on a rail on which nothing of it arrives.
const UNTOLD: Duration = Duration::from_secs(1);

/// Of linus1 nothing arrives on rail 1, where it hears all: that it is told, and opens no circuit there
/// any more.
fn one_way_rail(lab: &Lab<'_>) -> Result<()> {
    const COUNT: u64 = 300;
    load_modules(lab)?;
    let switch = lab.switch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let folder = tempfile::tempdir()?;
    // When OPENs went over rail 1, while circuits were opened for so long.
    let opens = |name: &str, long: Duration| -> Result<Vec<Duration>> {
        let capture = folder.path().join(name);
        switch.capture(1, &capture)?;
        let start = Instant::now();
        let opened = loop {
            let opened = one.tool(&["cm", "open-close", "2", &COUNT.to_string()]);
            if start.elapsed() > long || opened.is_err() {
                break opened;
            }
        };
        switch.end_capture(1)?;
        opened?.expect("ok", COUNT)?;
        times(&capture, "podos.flags.open == 1")
    };
    let before = opens("before", Duration::ZERO)?;
    ensure!(!before.is_empty(), "no circuit is opened on rail 1");
    switch.set(Selector::node(1).on_rail(1).going(Direction::Sent), deaf())?;
    let outcome = (|| {
        let untold = lab.terms().kernel.scale(UNTOLD);
        let mut late = opens("while", 3 * untold)?;
        late.retain(|time| *time > untold);
        ensure!(
            late.is_empty(),
            "OPENs on a rail that is dead that way, after {late:?}"
        );
        until_heard(one, 2, 1, "deaf")
    })();
    switch.clear()?;
    outcome?;
    until_heard(one, 2, 1, "up")?;
    let after = opens("after", Duration::ZERO)?;
    ensure!(!after.is_empty(), "rail 1 is not used again");
    server.kill()
}

/// Each frame comes twice, and one of the two mostly when its circuit has long come to its end.
fn late_copies(lab: &Lab<'_>) -> Result<()> {
    const COUNT: u64 = 300;
    load_modules(lab)?;
    let switch = lab.switch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let counted = |node: Machine<'_>, what: &str| -> Result<u64> {
        let table = "/sys/kernel/podos/cm/cdt";
        let count = node.sh(&format!("awk '$1 == \"{what}\" {{ print $2 }}' {table}"))?;
        count.parse().with_context(|| format!("{what} in {table}"))
    };
    let before = (counted(one, "opened")?, counted(two, "accepted")?);
    switch.set(
        Selector::node(2).going(Direction::Received),
        Faults {
            duplication: Chance::ALWAYS,
            reordering: Chance::percent(50.0),
            held: Duration::from_millis(150),
            only_podos: true,
            ..Faults::default()
        },
    )?;
    let opened = one.tool(&["cm", "open-close", "2", &COUNT.to_string()]);
    switch.clear()?;
    opened?.expect("ok", COUNT)?;
    for node in [one, two] {
        node.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    }
    let opened = counted(one, "opened")? - before.0;
    let accepted = counted(two, "accepted")? - before.1;
    ensure!(opened >= COUNT, "only {opened} circuits were opened");
    ensure!(
        accepted == opened,
        "{opened} circuits were opened, and {accepted} accepted"
    );
    server.kill()
}
