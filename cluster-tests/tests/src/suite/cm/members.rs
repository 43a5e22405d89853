// SPDX-License-Identifier: MIT OR Apache-2.0

//! Members only: other keys, no key, and keys that change.

use anyhow::{ensure, Result};

use super::load_modules;
use super::transfer::Transfer;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine, TOOL};
use crate::test::{Test, DYING, FAULTY, OUTSIDERS};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.outsiders_join_nothing",
        setting: OUTSIDERS,
        limit: None,
        run: join_nothing,
    },
    Test {
        name: "cm.outsiders_read_nothing",
        setting: OUTSIDERS,
        limit: None,
        run: read_nothing,
    },
    Test {
        name: "cm.bad_frames_are_dropped_and_counted",
        setting: OUTSIDERS,
        limit: None,
        run: bad_frames,
    },
    Test {
        name: "cm.keys_are_replaced_while_data_flow",
        setting: FAULTY,
        limit: None,
        run: replace_keys,
    },
    Test {
        name: "cm.keys_wait_for_a_node_that_is_down",
        setting: DYING,
        limit: None,
        run: wait_for_the_dead,
    },
    Test {
        name: "cm.keys_are_never_shown",
        setting: FAULTY,
        limit: None,
        run: never_shown,
    },
];

/// The key that the harness gave a node.
const GIVEN: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/podos/cluster-key/raw";
/// What keys a node knows.
const KEYRING: &str = "cat /sys/kernel/podos/cm/keyring";

/// How often a node dropped a frame for this reason.
fn drops(node: Machine<'_>, reason: &str) -> Result<u64> {
    let line = format!("awk '$1 == \"{reason}\" {{ print $2 }}' /sys/kernel/podos/cm/drops");
    Ok(node.sh(&line)?.parse()?)
}

fn join_nothing(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let [one, two, three, four] = [1, 2, 3, 4].map(|host| lab.node(host));
    let (one, two, three, four) = (one?, two?, three?, four?);
    for (node, other) in [(one, 2), (two, 1)] {
        let name = node.until(&format!("cat /linus{other}/etc/hostname"))?;
        ensure_eq!(name, format!("linus{other}"), "the other member");
    }
    // The members have heard the one with another key, and it them, and that was all.
    one.until("[ $(awk '$1 == \"no_key\" { print $2 }' /sys/kernel/podos/cm/drops) -gt 5 ]")?;
    three.until("[ $(awk '$1 == \"no_key\" { print $2 }' /sys/kernel/podos/cm/drops) -gt 5 ]")?;
    for node in [one, two] {
        let known = node.sh("awk 'NR > 1 { print $1 }' /sys/kernel/podos/cm/peers | sort -u")?;
        let other = if node.host() == 1 { "2" } else { "1" };
        ensure_eq!(known, other, "hosts that {} knows", node.name());
        for outsider in ["/linus3", "/linus4"] {
            node.fails(&format!("ls {outsider}/etc"))?;
        }
    }
    for node in [three, four] {
        let known = node.sh("awk 'NR > 1' /sys/kernel/podos/cm/peers")?;
        ensure_eq!(known, "", "hosts that {} knows", node.name());
        node.fails("ls /linus1/etc")?;
        node.fails("podos run linus1 -- true")?;
        let answers = node.tool(&["cm", "open-close", "1", "1"])?;
        answers.expect(&format!("errno_{}", libc::EHOSTDOWN), 1)?;
    }
    // Who has no key says nothing at all, but why.
    four.sh("dmesg | grep -q 'podosd: no cluster key .* so this node stays alone'")?;
    let sent =
        four.sh("awk 'NR > 1 { sum += $6 } END { print sum }' /sys/kernel/podos/cm/rails")?;
    ensure_eq!(sent, "0", "frames that linus4 sent");
    Ok(())
}

fn read_nothing(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let switch = lab.switch()?;
    let folder = tempfile::tempdir()?;
    let captures: Vec<_> = (0..3)
        .map(|rail| folder.path().join(format!("rail{rail}.pcap")))
        .collect();
    for (rail, capture) in captures.iter().enumerate() {
        switch.capture(rail as u8, capture)?;
    }
    // A text that whoever can read the frames would find.
    let secret = "a secret that none but members may read";
    let line = format!("yes '{secret}' | head -c 200000 > /linus2/tmp/secret");
    let written = one.until("ls /linus2/etc").and_then(|_| one.sh(&line));
    for rail in 0..3 {
        switch.end_capture(rail)?;
    }
    written?;
    ensure_eq!(two.sh("wc -c < /tmp/secret")?, "200000", "bytes written");
    two.sh("rm /tmp/secret")?;
    let mut captured = 0;
    for capture in captures {
        let bytes = std::fs::read(capture)?;
        captured += bytes.len();
        let found = bytes
            .windows(secret.len())
            .any(|at| at == secret.as_bytes());
        ensure!(!found, "the text is in a capture");
    }
    ensure!(captured > 200_000, "only {captured} bytes were captured");
    Ok(())
}

/// By reason, and nothing else happens.
fn bad_frames(lab: &Lab<'_>) -> Result<()> {
    const COUNT: u64 = 50;
    // What is dropped all the time where outsiders say hello is no less dropped now.
    const OFTEN: [&str; 2] = ["no_key", "unknown_session"];
    load_modules(lab)?;
    let (one, two, four) = (lab.node(1)?, lab.node(2)?, lab.node(4)?);
    let reasons = "short version kind class flags length offset auth address index misaddressed \
                   unsealed unknown_session no_key foreign";
    let counted = || -> Result<Vec<(&str, u64)>> {
        let reasons = reasons.split_ascii_whitespace();
        reasons
            .map(|reason| Ok((reason, drops(one, reason)?)))
            .collect()
    };
    let transfer = Transfer::start(one, two, 5_000_000, "stripe")?;
    // What the device leaves out would be counted by nobody.
    one.sh("ip link set eth0 promisc on")?;
    let before = counted()?;
    let sent = four.sh(&format!("{TOOL} cm bad-frames eth0 --count {COUNT}"))?;
    transfer.finish()?;
    let after = counted()?;
    one.sh("ip link set eth0 promisc off")?;
    for ((reason, before), (_, after)) in before.into_iter().zip(after) {
        let kinds = sent
            .lines()
            .filter(|line| *line == format!("sent={reason}"));
        let expected = kinds.count() as u64 * COUNT;
        ensure!(expected > 0, "no frame was bad as {reason}");
        let dropped = after - before;
        let right = match OFTEN.contains(&reason) {
            true => dropped >= expected,
            false => dropped == expected,
        };
        ensure!(right, "{dropped} frames were dropped as {reason}");
    }
    // The members are members still, and nobody else is.
    join_nothing(lab)
}

fn replace_keys(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    let before = one.sh(KEYRING)?;
    // Frames that other tests have damaged.
    let damaged = drops(one, "bad_tag")?;
    let transfer = Transfer::start(two, three, 20_000_000, "stripe")?;
    one.sh("podos key generate /tmp/new.key && podos key replace /tmp/new.key")?;
    transfer.finish()?;
    let after = one.sh(KEYRING)?;
    ensure!(before != after, "the key is as it was: {after}");
    for node in [one, two, three] {
        ensure_eq!(node.sh(KEYRING)?, after, "keyring of {}", node.name());
    }
    Transfer::start(three, one, 1_000_000, "round-robin")?.finish()?;
    ensure_eq!(drops(one, "bad_tag")?, damaged, "frames with a wrong tag");
    // At its next boot a node is given the first key again.
    one.sh(&format!("podos key replace {GIVEN}; rm /tmp/new.key"))?;
    ensure_eq!(one.sh(KEYRING)?, before, "keyring in the end");
    Ok(())
}

fn wait_for_the_dead(lab: &Lab<'_>) -> Result<()> {
    let one = lab.node(1)?;
    let before = one.sh(KEYRING)?;
    let key = "/tmp/waiting.key";
    let fingerprint = one.sh(&format!("podos key generate {key}"))?;
    lab.node(3)?.kill()?;
    one.until("[ $(cat /sys/kernel/podos/sst/3/alive) = 0 ]")?;
    let said = one.fails(&format!("podos key replace {key}"))?;
    for words in ["linus3 is down", "--without linus3", "no node is cut off"] {
        ensure!(said.contains(words), "no `{words}` in {said:?}");
    }
    for node in [one, lab.node(2)?] {
        ensure_eq!(node.sh(KEYRING)?, before, "keyring of {}", node.name());
    }
    lab.revive()?;
    one.sh(&format!("podos key replace {key}"))?;
    let after = format!("fingerprint state\n{fingerprint} used");
    for node in lab.nodes() {
        ensure_eq!(node.sh(KEYRING)?, after, "keyring of {}", node.name());
    }
    // At its next boot a node is given the first key again.
    one.sh(&format!("podos key replace {GIVEN}; rm {key}"))?;
    ensure_eq!(one.sh(KEYRING)?, before, "keyring in the end");
    Ok(())
}

fn never_shown(lab: &Lab<'_>) -> Result<()> {
    let one = lab.node(1)?;
    let key = std::fs::read_to_string(
        lab.key_file(1)
            .ok_or_else(|| anyhow::anyhow!("linus1 has no key of its own"))?,
    )?;
    let key = key.trim();
    ensure_eq!(key.len(), 64, "digits of the key");
    // By the file that the node was given: the key in the command line would be found there.
    let given = "/sys/firmware/qemu_fw_cfg/by_name/opt/podos/cluster-key/raw";
    ensure_eq!(
        one.sh(&format!("cat {given}"))?,
        key,
        "the key that linus1 was given"
    );
    let seen = one.sh(&format!(
        "dmesg | grep -cf {given}; grep -rlf {given} /sys/kernel/podos /sys/kernel/debug/podos \
         /proc/cmdline /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | wc -l"
    ))?;
    ensure_eq!(seen, "0\n0", "places that show the key");
    let mode = one.sh("stat -c %a /sys/kernel/podos/cm/keys")?;
    ensure_eq!(mode, "200", "mode of the file that takes keys");
    one.fails("cat /sys/kernel/podos/cm/keys")?;
    one.fails("echo 'add 12345' > /sys/kernel/podos/cm/keys")?;
    one.fails("echo open > /sys/kernel/podos/cm/mode").map(drop)
}
