// SPDX-License-Identifier: MIT OR Apache-2.0

//! Nodes' directories in mount and user namespaces.

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::Running;

use super::modules::{load_all, unload_all};
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, MODULES, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "namespaces.root_of_one_is_a_user_elsewhere",
        setting: SHARED,
        limit: None,
        run: user,
    },
    Test {
        name: "namespaces.what_is_refused_in_them",
        setting: SHARED,
        limit: None,
        run: refused,
    },
    Test {
        name: "namespaces.directories_come_back_in_all",
        setting: SHARED,
        limit: None,
        run: come_back,
    },
    Test {
        name: "namespaces.modules_go_all_the_same",
        setting: MODULES,
        limit: None,
        run: modules_go,
    },
];

const ATTACH: &str = "/sys/kernel/podos/pdfs/attach";
const DETACH: &str = "/sys/kernel/podos/pdfs/detach";

/// A line of shell for an ordinary user who is root of a user and a mount namespace.
fn as_root_of_one(line: &str) -> String {
    format!("su user -c \"unshare -Urm sh -c '{line}'\"")
}

fn user(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("cd {dir} && echo root > r && chmod 600 r"))?;
    let seen = one.sh(&as_root_of_one(&format!(
        "id -u; cat /linus2/etc/hostname; echo mine > /linus2{dir}/u"
    )))?;
    ensure_eq!(seen, "0\nlinus2", "what root of a namespace sees");
    ensure_eq!(
        two.sh(&format!("stat -c %u:%g {dir}/u"))?,
        "1000:1000",
        "owner of what it made"
    );
    let said = one.fails(&as_root_of_one(&format!("cat /linus2{dir}/r")))?;
    ensure!(said.contains("denied"), "a file of root's says {said:?}");
    Ok(())
}

fn refused(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    node.sh(&format!("mkdir -m 777 {dir}/d"))?;
    let before = node.sh(&format!("cat {ATTACH}"))?;
    node.fails(&as_root_of_one(&format!("mount -t pdfs linus2 {dir}/d")))?;
    // Who is root of the node, but has given up its power over it.
    for way in ["-U", "-Ur"] {
        for line in [
            format!("mount -t pdfs linus2 {dir}/d"),
            format!("echo 2 {dir}/d > {ATTACH}"),
            format!("echo /linus2 > {DETACH}"),
        ] {
            node.fails(&format!("unshare {way} -m sh -c '{line}'"))?;
        }
    }
    ensure_eq!(
        node.sh(&format!("cat {ATTACH}"))?,
        before,
        "directories that are attached"
    );
    Ok(())
}

/// Has a process of another mount namespace walk into `directory`, and wait; its pid.
fn start(node: Machine<'_>, directory: &str) -> Result<(Running, String)> {
    let script = format!("cat {directory}/etc/hostname; exec sleep 86406");
    let argv = ["-m", "sh", "-c", &script];
    let other = node.harness().command("unshare").args(argv).spawn()?;
    other.wait_for_stdout("linus2", Duration::from_secs(60))?;
    node.until_runs("sleep 86406")?;
    let pid = node.sh("ps -o pid,args | awk '/sleep 8640[6]/ { print $1 }'")?;
    Ok((other, pid))
}

fn come_back(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let own = format!("{dir}/own");
    node.sh(&format!(
        "mkdir -p {own}/etc && echo own > {own}/etc/hostname && echo '2 {own}' > {ATTACH}"
    ))?;
    let (mut other, pid) = start(node, &own)?;
    let there = |line: &str| format!("nsenter -t {pid} -m {line}");
    let read = there(&format!("cat {own}/etc/hostname"));
    ensure_eq!(node.sh(&read)?, "linus2", "in the other namespace");
    node.sh(&format!("echo {own} > {DETACH}"))?;
    node.until(&format!("[ $(cat {own}/etc/hostname) = own ]"))?;
    // There it goes when it is idle; a look at the list is no use of it.
    node.until(&format!("! grep -q ' {own} pdfs ' /proc/{pid}/mounts"))?;
    ensure_eq!(node.sh(&read)?, "own", "in the other namespace after that");
    other.signal(libc::SIGKILL as u8)?;
    other.wait()?;
    Ok(())
}

/// A namespace that has seen the nodes keeps no module.
fn modules_go(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let (mut other, _) = start(node, "/linus2")?;
    unload_all(node, &[])?;
    load_all(node)?;
    ensure_eq!(
        node.until("cat /linus2/etc/hostname")?,
        "linus2",
        "after all came back"
    );
    other.signal(libc::SIGKILL as u8)?;
    other.wait()?;
    Ok(())
}
