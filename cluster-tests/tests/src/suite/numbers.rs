// SPDX-License-Identifier: MIT OR Apache-2.0

//! Device and inode numbers of a node's file systems, as other nodes see them.

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "numbers.are_one_file_s_alone",
        setting: SHARED,
        limit: None,
        run: alone,
    },
    Test {
        name: "numbers.file_systems_are_told_apart",
        setting: SHARED,
        limit: None,
        run: apart,
    },
];

/// As many files have the numbers of another one as at their own node: tar and its like take them
/// for one.
fn alone(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // Two file systems of the same kind, made alike.
    let dir = lab.scratch()?;
    two.sh(&format!(
        "cd {dir} && for d in a b c; do mkdir $d && mount -t tmpfs tmpfs $d && \
         for f in 1 2 3 4 5 6; do : > $d/$f; done; done"
    ))?;
    // All of /sys takes minutes where nothing is quick: there are ten thousand events to trace.
    for (path, depth) in [
        ("/sys/kernel", "2"),
        ("/sys/devices/system", "5"),
        ("/proc/sys/kernel", "5"),
        ("/etc", "5"),
        (&dir, "5"),
    ] {
        let depth = ["--depth", depth];
        let own = two.tool(&[&["numbers", path], &depth[..]].concat())?;
        let there = format!("/linus2{path}");
        let from_afar = one.tool(&[&["numbers", &there], &depth[..]].concat())?;
        let said = format!("{path} by itself: {own:?}, from afar: {from_afar:?}");
        let (few, files) = (
            own.number::<u64>("files")?,
            from_afar.number::<u64>("files")?,
        );
        ensure!(few > 6 && files + files / 10 >= few, "{said}");
        ensure!(
            from_afar.number::<u64>("twice")? <= own.number::<u64>("twice")?,
            "{said}"
        );
        from_afar.expect("devices", own.text("devices")?)?;
        from_afar.expect("listed_otherwise", own.text("listed_otherwise")?)?;
    }
    two.sh(&format!("cd {dir} && umount a b c")).map(drop)
}

fn apart(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let devices = |prefix: &str| {
        format!(
            "stat -c %d {prefix}/ {prefix}/proc {prefix}/sys {prefix}/dev | sort | uniq | wc -l"
        )
    };
    ensure_eq!(
        one.sh(&devices("/linus2"))?,
        two.sh(&devices(""))?,
        "different file systems of node 2"
    );
    let inodes = |prefix: &str| format!("stat -c %i {prefix}/proc/version {prefix}/sys/kernel");
    ensure_eq!(
        one.sh(&inodes("/linus2"))?,
        two.sh(&inodes(""))?,
        "inode numbers of node 2"
    );
    let entered = one.sh("find /linus2/ -xdev -path '/linus2/proc/*' | head -n 1")?;
    ensure_eq!(
        entered,
        "",
        "what find -xdev meets below another file system"
    );
    let dir = lab.scratch()?;
    one.sh(&format!(
        "cd /linus2{dir} && echo x > a && ln a b && tar cf t a b"
    ))?;
    let stored = two.sh(&format!(
        "cd {dir} && tar tvf t | grep -c 'b -> a\\|b link to a'"
    ))?;
    ensure_eq!(stored, "1", "hard links in an archive");
    Ok(())
}
