// SPDX-License-Identifier: MIT OR Apache-2.0

//! Modules come and go.

use std::time::Duration;

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, MODULES};

pub const TESTS: &[Test] = &[
    Test {
        name: "modules.go_while_idle",
        setting: MODULES,
        limit: None,
        run: |lab| come_and_go(lab, |_| Ok(())),
    },
    Test {
        name: "modules.go_after_use",
        setting: MODULES,
        limit: None,
        run: |lab| come_and_go(lab, use_them),
    },
    Test {
        name: "modules.stay_while_in_use",
        setting: MODULES,
        limit: None,
        run: stay_while_in_use,
    },
    Test {
        name: "modules.order_is_kept",
        setting: MODULES,
        limit: None,
        run: order,
    },
    Test {
        name: "modules.daemon_takes_over_from_a_killed_one",
        setting: MODULES,
        limit: None,
        run: killed_daemon,
    },
];

/// In the order in which they are loaded.
const NAMES: [&str; 4] = ["podos_cm", "podos_rm", "podos_pdfs", "podos_gipc"];
const DAEMON: &str = "/usr/sbin/podosd";

/// Ends the daemon, which gives the directories back; init can't start it again.
fn end_daemon(node: Machine<'_>) -> Result<()> {
    node.sh(&format!("mv {DAEMON} {DAEMON}.off && killall podosd"))?;
    node.until("! pidof podosd && [ ! -e /linus1 ] && [ ! -e /linus2 ]")
        .map(drop)
}

/// From now on init can start it.
fn allow_daemon(node: Machine<'_>) -> Result<()> {
    node.sh(&format!("mv {DAEMON}.off {DAEMON}")).map(drop)
}

/// What a daemon that was killed has left goes on, and goes away with the next one.
fn killed_daemon(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let took = "dmesg | grep -c 'podosd: linus2 is at /linus2$'";
    let before: u32 = node.sh(took)?.parse()?;
    // Somebody works there all the while.
    node.sh("cd /linus2/etc && killall -9 podosd && cat hostname")?;
    node.until(&format!("[ $({took}) = {} ]", before + 1))?;
    node.sh("! dmesg | grep 'linus2 has no directory'")?;
    ensure_eq!(
        node.sh("cat /linus2/etc/hostname && grep -c '^2 /linus2$' /sys/kernel/podos/pdfs/attach")?,
        "linus2\n1",
        "the directory under the second daemon"
    );
    // Its tree is mounted still when the daemon is told to end.
    node.sh("ls /linus2/etc > /dev/null && grep -q ' /linus2 ' /proc/mounts")?;
    end_daemon(node)?;
    node.fails("grep linus2 /sys/kernel/podos/pdfs/attach /proc/mounts")?;
    allow_daemon(node)?;
    node.until("[ $(cat /linus2/etc/hostname) = linus2 ]")
        .map(drop)
}

fn unload(node: Machine<'_>) -> Result<()> {
    for name in NAMES.iter().rev() {
        // The last circuits may still be on their way to an end.
        node.until(&format!("rmmod {name}"))?;
    }
    ensure_eq!(
        node.sh("grep -c podos /proc/modules || true")?,
        "0",
        "modules that are left"
    );
    node.sh("[ ! -e /sys/kernel/podos ] && ! grep -q pdfs /proc/filesystems")
        .map(drop)
}

fn load(node: Machine<'_>) -> Result<()> {
    for name in NAMES {
        node.sh(&format!("insmod /lib/modules/podos/{name}.ko"))?;
    }
    Ok(())
}

/// Unloads everything, these modules of others first.
pub fn unload_all(node: Machine<'_>, others: &[&str]) -> Result<()> {
    end_daemon(node)?;
    for name in others {
        node.until(&format!("rmmod {name}"))?;
    }
    unload(node)
}

/// Loads what [`unload_all`] unloaded, but for the modules of others.
pub fn load_all(node: Machine<'_>) -> Result<()> {
    load(node)?;
    allow_daemon(node)
}

fn come_and_go(lab: &Lab<'_>, before: fn(&Lab<'_>) -> Result<()>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for _ in 0..2 {
        before(lab)?;
        end_daemon(one)?;
        unload(one)?;
        // The other node goes on alone.
        two.until("[ $(cat /sys/kernel/podos/sst/1/alive) = 0 ]")?;
        two.call("stat", "/linus1/etc")?
            .expect_errno(libc::EHOSTDOWN)?;
        load(one)?;
        allow_daemon(one)?;
        for (node, other) in [(one, "linus2"), (two, "linus1")] {
            let read = node.until(&format!("cat /{other}/etc/hostname"))?;
            ensure_eq!(
                read,
                other,
                "what {} reads after all came back",
                node.name()
            );
        }
        ensure_eq!(
            one.sh("podos run linus2 -- uname -n")?,
            "linus2",
            "a remote program"
        );
        ensure_eq!(
            two.sh("podos run linus1 -- uname -n")?,
            "linus1",
            "a remote program"
        );
    }
    Ok(())
}

fn use_them(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    for (node, other) in [(lab.node(1)?, "linus2"), (lab.node(2)?, "linus1")] {
        let path = format!("/{other}{dir}/f");
        node.tool(&["write", &path, "--size", "300000"])?;
        node.tool(&["check", &path, "--size", "300000"])?;
        node.sh(&format!(
            "ls -lR /{other}/etc > /dev/null; /{other}/bin/busybox true"
        ))?;
        node.tool(&["many", &format!("/{other}"), "--threads", "4"])?
            .expect("ok", 16)?;
        node.call("stat", &format!("/{other}/none"))?
            .expect_errno(libc::ENOENT)?;
    }
    Ok(())
}

fn stay_while_in_use(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let program = ["sh", "-c", "echo ready; exec sleep 86405"];
    let args = [&["gipc", "/linus2", "--no-end", "--"], &program[..]].concat();
    let caller = one.start_tool(&args)?;
    caller.ready()?;
    // At the caller's node, and at the other one.
    for node in [one, two] {
        for name in NAMES {
            let said = node.fails(&format!("rmmod {name}"))?;
            let why = ["busy", "unavailable", "in use"];
            ensure!(
                why.iter().any(|why| said.contains(why)),
                "rmmod {name} says {said:?}"
            );
        }
    }
    caller.kill()?;
    two.until_gone("sleep 86405")?;
    // A file is of no concern to gipc.
    let script = "exec 3< /linus2/etc/hostname; echo go; exec sleep 86405";
    let mut reader = one.harness().command("sh").args(["-c", script]).spawn()?;
    reader.wait_for_stdout("go", Duration::from_secs(15))?;
    for name in &NAMES[..3] {
        one.fails(&format!("rmmod {name}"))?;
    }
    ensure_eq!(
        one.sh("cat /linus2/etc/hostname")?,
        "linus2",
        "a read after that"
    );
    ensure_eq!(
        two.sh("cat /linus1/etc/hostname")?,
        "linus1",
        "a read by the other node"
    );
    reader.signal(libc::SIGKILL as u8)?;
    reader.wait()?;
    Ok(())
}

fn order(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    end_daemon(node)?;
    for name in &NAMES[..3] {
        node.fails(&format!("rmmod {name}"))?;
    }
    unload(node)?;
    for name in NAMES.iter().rev().take(3) {
        node.fails(&format!("insmod /lib/modules/podos/{name}.ko"))?;
    }
    load(node)?;
    allow_daemon(node)?;
    ensure_eq!(
        node.until("cat /linus2/etc/hostname")?,
        "linus2",
        "a read after that"
    );
    Ok(())
}
