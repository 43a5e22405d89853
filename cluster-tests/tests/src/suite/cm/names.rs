// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whom a frame is from: two machines with one host id, and boot numbers that come back.

use anyhow::Result;
use podos_harness::WaitFor;

use super::transfer::Transfer;
use super::{load_module, load_modules};
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, NAMESAKES, TIMELESS};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.the_first_of_two_with_one_host_id_goes_on",
        setting: NAMESAKES,
        limit: None,
        run: namesakes,
    },
    Test {
        name: "cm.a_boot_number_that_comes_back_is_let_in",
        setting: TIMELESS,
        limit: None,
        run: same_boot_number,
    },
];

/// Bytes that are on their way while the second machine comes.
const BYTES: u64 = 20_000_000;

/// How often linus2 was lost from sight, by a node's log; grep fails where it finds nothing.
const LOSSES: &str = "dmesg | grep -c 'host 2 is down' || true";

/// Waits until a node says, in its log and in `podos nodes`, what it makes of its namesake.
fn tells(node: Machine<'_>, log: &str, command: &str) -> Result<()> {
    node.until(&format!("dmesg | grep -q '{log}'"))?;
    node.until(&format!("podos nodes 2>&1 | grep -q '{command}'"))?;
    Ok(())
}

/// Machine 3 has the host id of machine 2, and comes when that is a member: both say so, and machine
/// 2 goes on as if nothing had come.
fn namesakes(lab: &Lab<'_>) -> Result<()> {
    let (one, second) = (lab.node(1)?, lab.node(2)?);
    lab.node(3)?.kill()?;
    one.until("cat /linus2/etc/hostname")?;
    second.sh("echo first > /tmp/who")?;
    [one, second].into_iter().try_for_each(load_module)?;
    // Machine 3 may have been linus2 until it was killed.
    let losses = one.sh(LOSSES)?;
    let transfer = Transfer::start(one, second, BYTES, "stripe")?;
    lab.cluster()?.node(3)?.start()?;
    lab.cluster()?.wait(WaitFor::Agents)?;
    let third = lab.node(3)?;
    tells(
        third,
        "host id 2 is another machine",
        "this node keeps silent",
    )?;
    tells(second, "has host id 2, too", "that one keeps silent")?;
    transfer.finish()?;
    for _ in 0..20 {
        ensure_eq!(one.sh("cat /linus2/tmp/who")?, "first", "who is linus2");
    }
    ensure_eq!(one.sh(LOSSES)?, losses, "how often linus2 was lost");
    Ok(())
}

/// A node without a clock or a disk boots with the number that it had before.
fn same_boot_number(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let gpid = two.sh("podos gpid 1")?;
    for _ in 0..2 {
        ensure_eq!(one.sh("cat /linus2/etc/hostname")?, "linus2", "before");
        two.kill()?;
        lab.revive()?;
        ensure_eq!(two.sh("podos gpid 1")?, gpid, "its init's name");
        ensure_eq!(one.sh("cat /linus2/etc/hostname")?, "linus2", "its files");
        ensure_eq!(two.sh("cat /linus1/etc/hostname")?, "linus1", "and back");
    }
    load_modules(lab)?;
    Transfer::start(one, two, BYTES, "stripe")?.finish()?;
    Ok(())
}
