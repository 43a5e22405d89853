// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware as an attacker: all that it sends is dropped and counted by reason, and nothing
//! else happens.

use anyhow::{bail, ensure, Context, Result};
use podos_harness::{FirmwareReport, Kernel};

use super::super::cm::{load_modules, Transfer};
use super::drops::{Drops, Since};
use super::{boot, finish, has_keys, PASSING, PLACE};
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};

/// Sends nothing of its own, and has no key.
const OUTSIDER: &str = "silent\nkey wrong\n";
/// Bytes that two nodes exchange while they are attacked.
const BYTES: u64 = 5_000_000;
/// Most memory that a node may have less after an attack, in KiB.
const LEEWAY: u64 = 24 * 1024;
/// Most memory that pieces which are too short may cost a node, in KiB.
const SHORT_PIECES: u64 = 8 * 1024;

/// What the report says was sent to all, by reason.
fn sent(report: &FirmwareReport) -> Result<Drops> {
    let mut drops = Drops::new();
    for [reason, count] in report.sent(["reason", "count"]) {
        *drops.entry(reason).or_default() += count.parse::<u64>().context("a count")?;
    }
    ensure!(!drops.is_empty(), "nothing was sent");
    Ok(drops)
}

/// Hosts that a node knows.
fn known(node: Machine<'_>) -> Result<String> {
    node.sh("awk 'NR > 1 { print $1 }' /sys/kernel/podos/cm/peers | sort -u")
}

/// While two nodes exchange data, the firmware does this; the data come whole.
fn during_transfer(lab: &Lab<'_>, script: &str) -> Result<FirmwareReport> {
    load_modules(lab)?;
    let transfer = transfer(lab)?;
    let report = finish(boot(lab, script)?)?;
    transfer.finish()?;
    Ok(report)
}

fn transfer<'a>(lab: &Lab<'a>) -> Result<Transfer<'a>> {
    Transfer::start(lab.node(1)?, lab.node(2)?, BYTES, "stripe")
}

pub fn bad(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let since = [Since::now(one)?, Since::now(two)?];
    let peers = [known(one)?, known(two)?];
    let report = during_transfer(lab, &format!("{OUTSIDER}stay 700\nbad count=10\n"))?;
    let sent = sent(&report)?;
    for since in &since {
        since.are(&sent, &PASSING)?;
    }
    ensure_eq!([known(one)?, known(two)?], peers, "known hosts");
    Ok(())
}

pub fn replay(lab: &Lab<'_>) -> Result<()> {
    let nodes = [lab.node(1)?, lab.node(2)?];
    let since = [Since::now(nodes[0])?, Since::now(nodes[1])?];
    let report = during_transfer(lab, &format!("{OUTSIDER}replay count=3\n"))?;
    check_copies(&report, "replayed", &since)
}

pub fn claims(lab: &Lab<'_>) -> Result<()> {
    let nodes = [lab.node(1)?, lab.node(2)?];
    let since = [Since::now(nodes[0])?, Since::now(nodes[1])?];
    let report = during_transfer(lab, &format!("{OUTSIDER}impersonate 1 2\n"))?;
    check_copies(&report, "bad_tag", &since)
}

/// A kernel that watches each access to memory takes in far less than the rails carry, so that in a
/// flood nodes may lose each other from sight. Afterwards all is as it was.
fn recovered(lab: &Lab<'_>, during: Transfer<'_>) -> Result<()> {
    if during.finish_unless_apart()? {
        return Ok(());
    }
    lab.revive()?;
    transfer(lab)?.finish().map(drop)
}

/// What was sent in the name of a node is, to that node, an echo of its own, and to the other one what
/// it is.
fn check_copies(report: &FirmwareReport, reason: &str, since: &[Since<'_>; 2]) -> Result<()> {
    let rows = report.sent(["from", "reason", "count"]);
    ensure_eq!(rows.len(), 2, "hosts that were copied");
    for (since, host) in since.iter().zip(["1", "2"]) {
        let mut wanted = Drops::new();
        for [from, given, count] in &rows {
            ensure_eq!(given, reason, "reason");
            let dropped = if from == host { "echo" } else { reason };
            *wanted.entry(dropped.into()).or_default() += count.parse::<u64>()?;
        }
        since.are(&wanted, &PASSING)?;
    }
    Ok(())
}

/// A member whose frames are bad, sent to one node: that one counts them.
pub fn treason(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let since = [Since::now(one)?, Since::now(two)?];
    let script = "join 1 2\ntreason 1 count=10\necho 1 op=1 circuits=1 count=5 size=500\nleave\n";
    let report = during_transfer(lab, script)?;
    since[0].are(&sent(&report)?, &PASSING)?;
    since[1].are(&Drops::new(), &PASSING)
}

/// A member that breaks the protocol on its own circuits loses these, and nobody else any.
pub fn abuse(lab: &Lab<'_>) -> Result<()> {
    let one = lab.node(1)?;
    let script = "join 1 2\nabuse 1\necho 1 op=1 circuits=1 count=5 size=500\nleave\n";
    during_transfer(lab, script)?;
    one.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")
        .map(drop)
}

fn free_memory(node: Machine<'_>) -> Result<u64> {
    node.sh("echo 3 > /proc/sys/vm/drop_caches")?;
    Ok(node
        .sh("awk '/^MemAvailable:/ { print $2 }' /proc/meminfo")?
        .parse()?)
}

/// What a node keeps for its circuits until it is read, in bytes, and the most that it would.
fn kept(node: Machine<'_>) -> Result<[u64; 2]> {
    let told = node.sh("awk '{ print $2 }' /sys/kernel/podos/cm/kept")?;
    let mut numbers = told.lines().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(bytes), Some(limit)) => Ok([bytes?, limit?]),
        _ => bail!("`{told}` is not what is kept"),
    }
}

/// A member that has a node keep what can never be read gets half of what the node keeps for all, and
/// nothing for pieces that are shorter than any rail makes them. The others go on.
pub fn hoard(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let one = lab.node(1)?;
    let before = free_memory(one)?;
    let script = "join 1 2\nhoard 1 circuits=8 size=1 ms=1500\n\
                  hoard 1 circuits=40 size=1208 ms=4000\nleave\n";
    let firmware = boot(lab, script)?;
    firmware.wait_for("hoarding size=1 ", super::LIMIT)?;
    let spent = before.saturating_sub(free_memory(one)?);
    ensure!(spent < SHORT_PIECES, "short pieces cost {spent} KiB");
    firmware.wait_for("hoarding size=1208", super::LIMIT)?;
    let [bytes, limit] = kept(one)?;
    ensure!(
        (limit / 4..=limit / 2).contains(&bytes),
        "{bytes} bytes are kept for one member, of {limit} for all"
    );
    transfer(lab)?.finish()?;
    finish(firmware)?;
    one.until("awk '$1 == \"bytes\" { exit $2 > 1000000 }' /sys/kernel/podos/cm/kept")?;
    one.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    Ok(())
}

/// As many frames as the rails take: no memory goes, and the nodes keep each other.
pub fn flood(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let keys = has_keys(lab)?;
    let before = [free_memory(one)?, free_memory(two)?];
    let more = match keys {
        true => "flood hellos ms=700\nflood handshakes ms=700\n",
        false => "",
    };
    let script = format!("{OUTSIDER}stay 700\nflood garbage ms=700\nflood data ms=700\n{more}");
    load_modules(lab)?;
    let during = transfer(lab)?;
    let report = finish(boot(lab, &script)?)?;
    match lab.terms().kernel {
        Kernel::Base => during.finish().map(drop)?,
        Kernel::Debug => recovered(lab, during)?,
    }
    for [flood, count] in report.sent(["flood", "count"]) {
        ensure!(
            count.parse::<u64>()? > 500,
            "only {count} frames of {flood}"
        );
    }
    for (node, before) in [one, two].into_iter().zip(before) {
        let name = node.name();
        let left = free_memory(node)?;
        ensure!(
            left + LEEWAY > before,
            "{name} had {before} KiB, and has {left}"
        );
        let other = if node.host() == 1 { "2" } else { "1" };
        node.until(&format!("grep -qx 1 /sys/kernel/podos/sst/{other}/alive"))?;
        // Where nobody has a key, everybody who speaks is believed to be a node.
        if keys {
            let known = known(node)?;
            let strange = known.lines().filter(|host| ![other, "9"].contains(host));
            ensure_eq!(
                strange.count(),
                0,
                "strangers that {name} knows, of {known}"
            );
        }
    }
    ensure_eq!(PLACE, 9, "the place");
    Ok(())
}
