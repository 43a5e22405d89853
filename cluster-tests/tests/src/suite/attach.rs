// SPDX-License-Identifier: MIT OR Apache-2.0

//! Directories that become nodes', and their own again.

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "attach.own_content_comes_back",
        setting: SHARED,
        limit: None,
        run: own_content,
    },
    Test {
        name: "attach.what_is_refused",
        setting: SHARED,
        limit: None,
        run: refused,
    },
    Test {
        name: "attach.while_others_walk",
        setting: SHARED,
        limit: None,
        run: while_others_walk,
    },
    Test {
        name: "attach.while_it_is_in_use",
        setting: SHARED,
        limit: None,
        run: while_in_use,
    },
    Test {
        name: "attach.mounted_by_hand",
        setting: SHARED,
        limit: None,
        run: by_hand,
    },
];

const ATTACH: &str = "/sys/kernel/podos/pdfs/attach";
const DETACH: &str = "/sys/kernel/podos/pdfs/detach";

fn own_content(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let own = format!("{dir}/own");
    node.sh(&format!(
        "mkdir -p {own}/etc && echo own > {own}/etc/hostname"
    ))?;
    for _ in 0..3 {
        ensure_eq!(
            node.sh(&format!("cat {own}/etc/hostname"))?,
            "own",
            "before"
        );
        node.sh(&format!(
            "echo '2 {own}' > {ATTACH}; grep -qx '2 {own}' {ATTACH}"
        ))?;
        ensure_eq!(
            node.sh(&format!("cat {own}/etc/hostname"))?,
            "linus2",
            "attached"
        );
        ensure_eq!(
            node.sh(&format!("cd {own}/etc && /bin/pwd"))?,
            format!("{own}/etc"),
            "directory"
        );
        node.sh(&format!("echo {own} > {DETACH}; ! grep -q {own} {ATTACH}"))?;
        // The node's tree is still mounted for as long as it was just used.
        node.until(&format!("[ $(cat {own}/etc/hostname) = own ]"))?;
    }
    ensure_eq!(
        node.sh("cat /linus2/etc/hostname")?,
        "linus2",
        "the node's usual directory"
    );
    Ok(())
}

fn refused(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    node.sh(&format!("mkdir {dir}/d && : > {dir}/f"))?;
    for line in [
        format!("0 {dir}/d"),
        format!("1 {dir}/d"),
        format!("x {dir}/d"),
        format!("4294967296 {dir}/d"),
        format!("2 {dir}/none"),
        format!("2 {dir}/f"),
        "2 relative".to_owned(),
        "2 /linus2".to_owned(),
        "2".to_owned(),
        "2 ".to_owned(),
    ] {
        node.fails(&format!("echo '{line}' > {ATTACH}"))?;
    }
    for path in ["/", "/none", "relative", &format!("{dir}/d")] {
        node.fails(&format!("echo {path} > {DETACH}"))?;
    }
    ensure_eq!(
        node.sh(&format!("grep -c . {ATTACH}"))?,
        "2",
        "directories that are attached"
    );
    ensure_eq!(
        node.sh("cat /linus2/etc/hostname")?,
        "linus2",
        "the node's usual directory"
    );
    Ok(())
}

fn while_others_walk(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let own = format!("{dir}/own");
    node.sh(&format!(
        "mkdir -p {own}/etc && echo own > {own}/etc/hostname"
    ))?;
    let walker = node.start_tool(&[
        "walk",
        &own,
        "/linus2",
        "/linus3",
        "--threads",
        "6",
        "--time",
        "4000",
        "--content",
        "own",
        "--content",
        "linus2",
        "--content",
        "linus3",
    ])?;
    walker.ready()?;
    let rounds = node.sh(&format!(
        "end=$(($(date +%s) + 3)); n=0; while [ $(date +%s) -lt $end ]; do \
         echo '2 {own}' > {ATTACH} && cat {own}/etc/hostname > /dev/null && echo {own} > {DETACH} || exit 1; \
         n=$((n + 1)); done; echo $n"
    ))?;
    let least = lab.terms().at_least(4);
    ensure!(
        rounds.parse::<u64>()? >= least,
        "only {rounds} rounds in 3 s"
    );
    let answers = walker.finish()?;
    // The directory is always either of the two: nobody ever finds nothing.
    for errno in [libc::ENOENT, libc::EINVAL, libc::EIO, libc::ENOTDIR] {
        let key = format!("errno_{errno}");
        ensure!(!answers.has(&key), "walkers found errors: {answers:?}");
    }
    answers.expect("wrong", 0)?;
    ensure!(
        answers.number::<u64>("ok")? >= lab.terms().at_least(100),
        "hardly any walks: {answers:?}"
    );
    node.until(&format!("[ $(cat {own}/etc/hostname) = own ]"))
        .map(drop)
}

/// What is open or worked in goes on, whatever becomes of the name.
fn while_in_use(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let own = format!("{dir}/own");
    node.sh(&format!("mkdir {own}; echo '2 {own}' > {ATTACH}"))?;
    let script = format!(
        "cd {own}/etc && exec 3< hostname && echo {own} > {DETACH} && cat <&3 && cat hostname && cat ../etc/hostname"
    );
    ensure_eq!(
        node.sh(&script)?,
        "linus2\nlinus2\nlinus2",
        "after the name is gone"
    );
    node.until(&format!("[ ! -e {own}/etc ]")).map(drop)
}

fn by_hand(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let mnt = format!("{dir}/mnt");
    node.sh(&format!("mkdir {mnt}; mount -t pdfs linus3 {mnt}"))?;
    ensure_eq!(
        node.sh(&format!("cat {mnt}/etc/hostname"))?,
        "linus3",
        "mounted by hand"
    );
    node.sh(&format!("umount {mnt}; [ ! -e {mnt}/etc ]"))?;
    for bad in ["linus0", "linus1", "nowhere", "linus4"] {
        node.fails(&format!("mount -t pdfs {bad} {mnt}"))?;
    }
    Ok(())
}
