// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of whole nodes: each has its effect, and the cluster recovers.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{ensure, Context, Result};
use podos_harness::{Error, NodeState};

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};

/// Where all nodes see the host's folder.
const SHARE: &str = "/mnt/host";

/// How a node is, as the harness has it.
fn state(node: Machine<'_>) -> Result<NodeState> {
    let status = node.harness().cluster().status()?;
    let mut nodes = status.nodes.iter();
    let found = nodes.find(|one| one.id == node.host());
    Ok(found.context("no such node in the status")?.state)
}

/// Waits until a node sees another one alive, or dead.
fn until_seen(by: Machine<'_>, of: Machine<'_>, alive: bool) -> Result<()> {
    let (of, alive) = (of.host(), u8::from(alive));
    by.until(&format!(
        "grep -qx {alive} /sys/kernel/podos/sst/{of}/alive"
    ))
    .map(drop)
}

/// An error unless the timeline has this.
fn noted(lab: &Lab<'_>, words: &str) -> Result<()> {
    let timeline = lab.cluster()?.timeline()?;
    ensure!(timeline.contains(words), "the timeline lacks `{words}`");
    Ok(())
}

/// Its programs are asked to end, and have the time to.
pub fn power_off(lab: &Lab<'_>) -> Result<()> {
    let (one, three) = (lab.node(1)?, lab.node(3)?);
    let file = format!("{SHARE}/ended-in-order");
    one.sh(&format!("rm -f {file}"))?;
    let script = format!(
        "trap 'sleep 0.3; echo in order > {file}; exit' TERM; echo ready; \
         while :; do sleep 0.05; done"
    );
    let program = three
        .harness()
        .command("sh")
        .args(["-c", &script])
        .spawn()?;
    program.wait_for_stdout("ready", Duration::from_secs(60))?;
    three.harness().power_off()?;
    ensure_eq!(state(three)?, NodeState::Down, "the status");
    ensure_eq!(
        one.sh(&format!("cat {file} && rm {file}"))?,
        "in order",
        "what the program left"
    );
    let console = fs::read_to_string(three.harness().console())?;
    ensure!(
        console.contains("Power down"),
        "the kernel said no good-bye"
    );
    noted(lab, "linus3 * FAULT: power off")?;
    until_seen(one, three, false)?;
    match three.harness().power_off() {
        Err(Error::NodeDown(_)) => {}
        other => anyhow::bail!("one that is down was switched off: {other:?}"),
    }
    lab.revive()?;
    until_seen(one, three, true)
}

/// The panic is expected; the runner would know of it otherwise.
pub fn panic(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let boot = two.sh("cat /proc/sys/kernel/random/boot_id")?;
    two.harness().panic()?;
    ensure_eq!(state(two)?, NodeState::Down, "the status");
    let console = fs::read_to_string(two.harness().console())?;
    ensure!(console.contains("sysrq triggered crash"), "no panic");
    noted(lab, "linus2 * FAULT: panic")?;
    until_seen(one, two, false)?;
    lab.revive()?;
    let again = two.sh("cat /proc/sys/kernel/random/boot_id")?;
    ensure!(boot != again, "it is the same boot");
    until_seen(one, two, true)
}

pub fn memory(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let boot = two.sh("cat /proc/sys/kernel/random/boot_id")?;
    let kills = "sed -n 's/^oom_kill //p' /proc/vmstat";
    ensure_eq!(two.sh(kills)?, "0", "processes killed before");
    two.harness().exhaust_memory()?;
    ensure_eq!(two.sh(kills)?, "1", "processes killed");
    noted(lab, "linus2 * FAULT: all memory is taken")?;
    let again = two.sh("cat /proc/sys/kernel/random/boot_id")?;
    ensure_eq!(boot, again, "the boot");
    until_seen(one, two, true)?;
    ensure_eq!(
        one.until("cat /linus2/etc/hostname")?,
        "linus2",
        "what it serves"
    );
    ensure_eq!(
        one.sh("podos run linus2 -- uname -n")?,
        "linus2",
        "what it runs"
    );
    Ok(())
}

/// One's own programs and those of other nodes find no room, until there is some again.
pub fn disk(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = lab.scratch()?;
    two.sh(&format!("mount -t tmpfs -o size=4m none {dir}"))?;
    let outcome = (|| {
        two.sh(&format!("echo before > {dir}/before"))?;
        two.harness().fill_disk(&dir)?;
        let said = two.fails(&format!("echo new > {dir}/new"))?;
        ensure!(said.contains("No space left"), "its own program: {said}");
        let said = one.fails(&format!("echo new > /linus2{dir}/other"))?;
        ensure!(said.contains("No space left"), "another node's: {said}");
        noted(lab, &format!("linus2 * FAULT: {dir} is filled"))?;
        ensure_eq!(
            one.sh(&format!("cat /linus2{dir}/before"))?,
            "before",
            "a file"
        );
        two.harness().free_disk(&dir)?;
        one.sh(&format!("head -c 100000 /dev/zero > /linus2{dir}/other"))?;
        two.harness().free_disk(&dir)?;
        match two.harness().fill_disk("/proc") {
            Err(Error::Unsuccessful { stderr, .. }) if stderr.contains("no limit") => Ok(()),
            other => anyhow::bail!("what can't be full is: {other:?}"),
        }
    })();
    two.sh(&format!("umount {dir}"))?;
    outcome
}

/// Only the time of day jumps: the cluster goes by other clocks.
pub fn clock(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let ahead = || -> Result<i64> {
        let there = two.sh("date +%s")?.parse::<i64>()?;
        let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(there - i64::try_from(here.as_secs())?)
    };
    // Hosts are busy; a jump is by far more.
    const NEAR: i64 = 600;
    for jump in [86_400, -200_000] {
        two.harness().set_clock()?;
        ensure!(ahead()?.abs() < NEAR, "{} s ahead before", ahead()?);
        two.harness().jump_clock(jump)?;
        ensure!(
            (ahead()? - jump).abs() < NEAR,
            "{} s ahead, not {jump}",
            ahead()?
        );
        until_seen(one, two, true)?;
        let path = format!("{}/f{jump}", lab.scratch()?);
        two.sh(&format!("echo written > {path}"))?;
        ensure_eq!(
            one.sh(&format!("cat /linus2{path}"))?,
            "written",
            "after {jump} s"
        );
        ensure_eq!(
            one.sh("podos run linus2 -- uname -n")?,
            "linus2",
            "after {jump} s"
        );
    }
    two.harness().set_clock()?;
    ensure!(ahead()?.abs() < NEAR, "{} s ahead at the end", ahead()?);
    noted(lab, "linus2 * FAULT: the clock jumps by -200000 s")
}
