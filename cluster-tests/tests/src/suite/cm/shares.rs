// SPDX-License-Identifier: MIT OR Apache-2.0

//! No user takes all circuits.

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, DYING, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.one_user_leaves_the_others_their_share",
        setting: SHARED,
        limit: None,
        run: one_user,
    },
    Test {
        name: "cm.users_of_several_nodes_share_a_server",
        setting: SHARED,
        limit: None,
        run: several_nodes,
    },
    Test {
        name: "cm.a_busy_node_stays_alive",
        setting: DYING,
        limit: None,
        run: busy,
    },
];

/// More than any table of circuits has.
const MANY: &str = "5000";
const USER: &str = "1000";
const OTHER: &str = "1001";

/// A limit that is set on a node until the value is dropped.
struct Limit<'a> {
    node: Machine<'a>,
    line: String,
}

impl<'a> Limit<'a> {
    fn set(node: Machine<'a>, which: &str, limit: u32) -> Result<Self> {
        let get = format!("grep '^{which} ' /sys/kernel/podos/cm/limits");
        let line = node.sh(&get)?;
        node.sh(&format!(
            "echo '{which} {limit}' >/sys/kernel/podos/cm/limits"
        ))?;
        ensure_eq!(node.sh(&get)?, format!("{which} {limit}"), "the limit");
        Ok(Self { node, line })
    }
}

impl Drop for Limit<'_> {
    fn drop(&mut self) {
        // The next one to set it will say what is wrong.
        let _ = self.node.sh(&format!(
            "echo '{}' >/sys/kernel/podos/cm/limits",
            self.line
        ));
    }
}

/// Circuits that a user is charged for.
fn held(node: Machine<'_>, pool: &str, uid: &str) -> Result<u64> {
    let line = format!(
        "awk '$1 == \"{pool}\" && $2 == \"{uid}\" {{ n = $3 }} END {{ print n + 0 }}' \
         /sys/kernel/podos/cm/shares"
    );
    Ok(node.sh(&line)?.parse()?)
}

fn one_user(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("echo text >{dir}/file; chmod 644 {dir}/file"))?;
    let (file, stop) = (format!("/linus2{dir}/file"), format!("{dir}/stop"));
    // A quarter of the table, which is more than can be opened here in a few seconds.
    let size = one.sh("awk '$1 == \"size\" { print $2 / 4 }' /sys/kernel/podos/cm/cdt")?;
    let most = one.sh("awk '/^opened user/ { print $3 }' /sys/kernel/podos/cm/limits")?;
    ensure_eq!(most, size, "the limit of a user");
    let most = 200;
    let _limit = Limit::set(one, "opened user", most)?;
    let most = u64::from(most);
    for round in 0..2 {
        one.sh("dmesg -C >/dev/null 2>&1 || dmesg -c >/dev/null")?;
        let hold = [
            "exhaust", &file, "--count", MANY, "--uid", USER, "--until", &stop,
        ];
        let holding = one.start_tool(&hold)?;
        holding.ready()?;
        let holds = held(one, "opened", USER)?;
        // One may be a session's.
        ensure!(
            (most - 1..=most).contains(&holds),
            "round {round}: uid {USER} holds {holds} of {most} circuits"
        );
        // Others find all as it was.
        ensure_eq!(one.sh(&format!("cat {file}"))?, "text", "what root reads");
        let other = one.tool(&["exhaust", &file, "--count", "100", "--uid", OTHER])?;
        other.expect("opened", 100)?;
        one.sh(&format!(
            "dmesg | grep -q 'uid {USER} is refused a circuit: it has the {most} '"
        ))?;
        one.sh(&format!("touch {stop}"))?;
        let held_back = holding.finish()?;
        held_back.expect_errno(libc::EMFILE)?;
        let opened: u64 = held_back.number("opened")?;
        ensure!(opened + 1 >= most, "only {opened} files were opened");
        one.sh(&format!("rm {stop}"))?;
        // What is left is a session's, at most.
        one.until(&format!(
            "[ $(awk '$1 == \"opened\" && $2 == {USER} {{ n = $3 }} END {{ print n + 0 }}' \
             /sys/kernel/podos/cm/shares) -le 4 ]"
        ))?;
    }
    Ok(())
}

/// The server has limits of its own, whatever node the user comes from.
fn several_nodes(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    two.sh(&format!("echo text >{dir}/file; chmod 644 {dir}/file"))?;
    let _limit = Limit::set(two, "served user", 100)?;
    let (file, stop) = (format!("/linus2{dir}/file"), format!("{dir}/stop"));
    let hold = |node: Machine<'_>, count: &str, uid: &str| {
        node.tool(&["exhaust", &file, "--count", count, "--uid", uid])
    };
    let args = [
        "exhaust", &file, "--count", "90", "--uid", USER, "--until", &stop,
    ];
    let holding = one.start_tool(&args)?;
    holding.ready()?;
    let refused = hold(three, "20", USER)?;
    refused.expect_errno(libc::EMFILE)?;
    ensure!(refused.number::<u64>("opened")? <= 10, "{refused:?}");
    hold(three, "20", OTHER)?.expect("opened", 20)?;
    ensure_eq!(three.sh(&format!("cat {file}"))?, "text", "what root reads");
    one.sh(&format!("touch {stop}"))?;
    holding.finish()?.expect("opened", 90)?;
    two.until(&format!(
        "[ $(awk '$1 == \"served\" && $2 == {USER} {{ n = $3 }} END {{ print n + 0 }}' \
         /sys/kernel/podos/cm/shares) -le 10 ]"
    ))?;
    hold(three, "20", USER)?.expect("opened", 20)?;
    // All users together leave root what they may not have.
    let _all = Limit::set(two, "served all", 10)?;
    hold(three, "20", OTHER)?.expect_errno(libc::ENFILE)?;
    ensure_eq!(three.sh(&format!("cat {file}"))?, "text", "what root reads");
    Ok(())
}

/// A node on which others want the processor more is not taken for dead, and takes nobody for it.
fn busy(lab: &Lab<'_>) -> Result<()> {
    const HOGS: &str = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do \
                        timeout 8 nice -n -20 sh -c 'while :; do :; done' & done; wait; true";
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let clear = "dmesg -C >/dev/null 2>&1 || dmesg -c >/dev/null";
    for node in [one, two] {
        node.sh(clear)?;
    }
    two.sh(HOGS)?;
    for (node, other) in [(one, 2), (two, 1)] {
        let said = node.sh("dmesg")?;
        ensure!(
            !said.contains(&format!("host {other} is down")),
            "on {}: {said}",
            node.name()
        );
    }
    Ok(())
}
