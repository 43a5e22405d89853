// SPDX-License-Identifier: MIT OR Apache-2.0

//! What CM gives to the layers above: errors by name, groups, callbacks, and how it is seen.

use anyhow::{ensure, Result};

use super::load_modules;
use crate::check::ensure_eq;
use crate::support::{Lab, TOOL};
use crate::test::{Test, DYING, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.errors_have_their_names",
        setting: SHARED,
        limit: None,
        run: errors,
    },
    Test {
        name: "cm.a_group_tells_of_each_member",
        setting: SHARED,
        limit: None,
        run: group,
    },
    Test {
        name: "cm.a_dying_member_holds_up_nobody",
        setting: DYING,
        limit: None,
        run: dying_member,
    },
    Test {
        name: "cm.ephemeral_messages_reach_one_or_all",
        setting: SHARED,
        limit: None,
        run: ephemeral,
    },
    Test {
        name: "cm.the_example_greets",
        setting: SHARED,
        limit: None,
        run: example,
    },
    Test {
        name: "cm.tracepoints_tell_what_happens",
        setting: SHARED,
        limit: None,
        run: tracepoints,
    },
];

/// How the guest's tool names what became of a message at a node.
fn errno_at(host: u32) -> String {
    format!("errno_{:016x}", u64::from(host) << 32)
}

fn errors(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // Nobody listens.
    let answers = one.tool(&["cm", "open-close", "2", "1"])?;
    answers.expect(&format!("errno_{}", libc::ECONNREFUSED), 1)?;
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    one.tool(&["cm", "edges", "2"])?.expect("wrong", 0)?;
    server.kill()
}

fn group(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let one = lab.node(1)?;
    // 9 was never there.
    let answers = one.tool(&["cm", "group", "2", "3", "9", "--size", "60000"])?;
    answers.expect(&errno_at(2), 0)?;
    answers.expect(&errno_at(3), 0)?;
    answers.expect(&errno_at(9), libc::EHOSTDOWN)?;
    // One that takes the message and does nothing, one where nobody listens.
    let silent = lab
        .node(2)?
        .start_tool(&["cm", "recv", "--pause-ms", "600000"])?;
    silent.ready()?;
    let answers = one.tool(&["cm", "group", "2", "3", "--send", "--timeout-ms", "700"])?;
    silent.kill()?;
    answers.expect(&errno_at(2), libc::ETIMEDOUT)?;
    answers.expect(&errno_at(3), libc::ECONNREFUSED)?;
    answers.expect_errno(0)
}

fn dying_member(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    let reader = two.start_tool(&["cm", "recv"])?;
    reader.ready()?;
    let silent = three.start_tool(&["cm", "recv", "--pause-ms", "600000"])?;
    silent.ready()?;
    let sender = one.start_tool(&["cm", "group", "3", "2", "--send", "--size", "1000"])?;
    let read = reader.finish()?;
    read.expect("bytes", 1000)?;
    three.until("grep -q ' test passive ' /sys/kernel/debug/podos/circuits")?;
    three.kill()?;
    let answers = sender.finish()?;
    answers.expect(&errno_at(2), 0)?;
    answers.expect(&errno_at(3), libc::EHOSTDOWN)?;
    let [alive, dead]: [u64; 2] = [
        answers.number("us_0000000200000000")?,
        answers.number("us_0000000300000000")?,
    ];
    ensure!(
        alive < dead,
        "linus2's answer took {alive} us, linus3's death {dead} us"
    );
    one.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    drop(silent);
    lab.revive()
}

fn ephemeral(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let one = lab.node(1)?;
    let (two, three) = (lab.node(2)?, lab.node(3)?);
    let counts = || -> Result<[u64; 2]> {
        Ok([
            two.tool(&["cm", "ephemerals"])?.number("messages")?,
            three.tool(&["cm", "ephemerals"])?.number("messages")?,
        ])
    };
    let before = counts()?;
    one.tool(&["cm", "ephemeral", "--to", "2", "--count", "3"])?;
    one.tool(&["cm", "ephemeral", "--count", "5"])?;
    for (node, wanted) in [(two, before[0] + 8), (three, before[1] + 5)] {
        node.until(&format!(
            "{TOOL} cm ephemerals | grep -qx messages={wanted}"
        ))?;
    }
    Ok(())
}

fn example(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for node in [one, two] {
        node.sh("insmod /lib/modules/podos/podos_example.ko")?;
    }
    let ask = |what: &str| one.sh(&format!("echo {what} > /sys/kernel/podos/example/ask"));
    ask("call 2")?;
    ask("later 2")?;
    ask("all 2 3 9")?;
    ask("call 9")?;
    let answers = one.sh("cat /sys/kernel/podos/example/answers")?;
    let count = |line: &str| answers.lines().filter(|l| l.starts_with(line)).count();
    ensure_eq!(count("2: hello, 1, from 2"), 3, "greetings in {answers}");
    ensure_eq!(count("3: ECONNREFUSED"), 1, "refusals in {answers}");
    ensure_eq!(count("9: EHOSTDOWN"), 2, "dead nodes in {answers}");
    ask("shout hello there")?;
    two.until("grep -qx '1 shouts: hello there' /sys/kernel/podos/example/answers")?;
    for node in [one, two] {
        node.sh("rmmod podos_example")?;
    }
    Ok(())
}

fn tracepoints(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let switch = |value: &str| -> Result<()> {
        for node in [one, two] {
            let line = format!("echo {value} > /sys/kernel/tracing/events/podos_cm/enable");
            node.sh(&line)?;
        }
        Ok(())
    };
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    switch("1")?;
    one.tool(&["cm", "open-close", "2", "1"])?.expect("ok", 1)?;
    server.kill()?;
    let refused = one.tool(&["cm", "open-close", "2", "1"])?;
    refused.expect(&format!("errno_{}", libc::ECONNREFUSED), 1)?;
    switch("0")?;
    for (node, event) in [
        (one, "podos_circuit_open: remote=00000002.* class=7"),
        (one, "podos_segment_sent: remote=00000002.* seq=0 len=4"),
        (one, "podos_segment_received: remote=00000002.* seq=0 len=4"),
        (one, "podos_circuit_close: remote=00000002"),
        (one, "podos_circuit_reset: remote=00000002.* reason=refused"),
        (two, "podos_circuit_accept: remote=00000001.* class=7"),
    ] {
        node.sh(&format!("grep -q '{event}' /sys/kernel/tracing/trace"))?;
    }
    for node in [one, two] {
        node.sh("echo > /sys/kernel/tracing/trace")?;
    }
    Ok(())
}
