// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which devices are rails: renamed, unplugged and plugged in again, chosen, and not those of others.

use std::time::Duration;

use anyhow::{ensure, Result};
use podos_harness::{Chance, Direction, Faults, Selector};

use super::load_modules;
use super::transfer::Transfer;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, FAULTY};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.a_rail_is_a_device_and_not_its_name",
        setting: FAULTY,
        limit: None,
        run: renamed,
    },
    Test {
        name: "cm.rails_are_not_in_users_namespaces",
        setting: FAULTY,
        limit: None,
        run: namespaces,
    },
    Test {
        name: "cm.rails_by_name_address_and_place",
        setting: FAULTY,
        limit: None,
        run: chosen,
    },
    Test {
        name: "cm.the_daemon_tells_which_devices_are_rails",
        setting: FAULTY,
        limit: None,
        run: configured,
    },
    Test {
        name: "cm.who_is_not_heard_is_told_in_time",
        setting: FAULTY,
        limit: None,
        run: unheard,
    },
];

/// More than a node takes to say a word.
const WHILE: Duration = Duration::from_secs(60);
const FILE: &str = "/sys/kernel/podos/cm/rail_devices";
const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_net";

/// A line of shell: the device of a rail; nothing if it has none.
fn device_of(rail: u8) -> String {
    format!("awk 'NR > 1 && $1 == {rail} {{ print $2 }}' /sys/kernel/podos/cm/rails")
}

/// Waits until a node hears another one on a rail, or does so no more.
pub(super) fn until_heard(node: Machine<'_>, other: u32, rail: u8, state: &str) -> Result<()> {
    let seen =
        format!("awk '$1 == {other} && $3 == {rail} {{ print $6 }}' /sys/kernel/podos/cm/peers");
    node.until(&format!("[ \"$({seen})\" = {state} ]"))
        .map(drop)
}

/// Writes to a file of a driver, which waits until nobody holds the device; in a way that a wait
/// without end is a failure of the test and of nothing else.
fn tell_driver(node: Machine<'_>, file: &str, device: &str) -> Result<()> {
    let told = "/tmp/driver-was-told";
    node.sh(&format!(
        "rm -f {told}; (echo {device} > {DRIVER}/{file} && touch {told}) > /dev/null 2>&1 &"
    ))?;
    node.until(&format!("[ -e {told} ]")).map(drop)
}

fn renamed(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // More than is sent before the device is unplugged: circuits go on over the other rails.
    let traffic = Transfer::start(one, two, 60_000_000, "stripe")?;
    ensure_eq!(two.sh(&device_of(1))?, "eth1", "the device of rail 1");
    two.sh("ip link set eth1 down; ip link set eth1 name spare; ip link set spare up")?;
    ensure_eq!(two.sh(&device_of(1))?, "spare", "it after a new name");
    until_heard(one, 2, 1, "up")?;
    // What takes its former name neither becomes the rail nor, when it goes, ends it.
    two.sh("ip link add eth1 type dummy")?;
    ensure_eq!(two.sh(&device_of(1))?, "spare", "it beside a namesake");
    two.sh("ip link del eth1")?;
    ensure_eq!(two.sh(&device_of(1))?, "spare", "it without the namesake");
    until_heard(one, 2, 1, "up")?;

    let device = two.sh("basename $(readlink /sys/class/net/spare/device)")?;
    tell_driver(two, "unbind", &device)?;
    ensure_eq!(two.sh(&device_of(1))?, "", "it without a driver");
    until_heard(one, 2, 1, "down")?;
    ensure_eq!(one.sh("cat /linus2/etc/hostname")?, "linus2", "a read");
    tell_driver(two, "bind", &device)?;
    two.sh("ip link set eth1 up")?;
    ensure_eq!(two.sh(&device_of(1))?, "eth1", "it with a driver again");
    until_heard(one, 2, 1, "up")?;
    until_heard(two, 1, 1, "up")?;

    // A namesake that was there before it went takes its place.
    two.sh("ip link set eth1 down; ip link set eth1 name spare; ip link add eth1 type dummy")?;
    ensure_eq!(
        two.sh(&device_of(1))?,
        "spare",
        "it beside another namesake"
    );
    tell_driver(two, "unbind", &device)?;
    ensure_eq!(two.sh(&device_of(1))?, "eth1", "the namesake in its place");
    two.sh("ip link del eth1")?;
    ensure_eq!(two.sh(&device_of(1))?, "", "nothing in its place");
    tell_driver(two, "bind", &device)?;
    two.sh("ip link set eth1 up")?;
    until_heard(one, 2, 1, "up")?;
    until_heard(two, 1, 1, "up")?;
    traffic.finish().map(drop)
}

fn namespaces(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let rails = "awk '{ print $1, $2, $3 }' /sys/kernel/podos/cm/rails";
    let before = two.sh(rails)?;
    // Who has a namespace of his own is root there, and can call devices what he likes.
    let his_devices =
        "ip link add eth1 type dummy && ip link set eth1 up && ip link add eth5 type dummy \
               && echo made && exec sleep 86408";
    let his = two.harness().command("unshare");
    let mut his = his.args(["-Urn", "sh", "-c", his_devices]).spawn()?;
    his.wait_for_stdout("made", WHILE)?;
    ensure_eq!(two.sh(rails)?, before, "rails beside a user's devices");
    his.signal(libc::SIGKILL as u8)?;
    his.wait()?;
    // Its devices go some time after it.
    for _ in 0..20 {
        ensure_eq!(two.sh(rails)?, before, "rails after a user's devices");
        two.sh("cat /proc/net/dev > /dev/null; usleep 50000")?;
    }
    until_heard(one, 2, 1, "up")?;

    // A rail that is given away is none, and is one again when it comes back.
    let script = "echo $$ > /tmp/owner; echo made; exec sleep 86407";
    let owner = two.harness().command("unshare");
    let mut owner = owner.args(["-n", "sh", "-c", script]).spawn()?;
    owner.wait_for_stdout("made", WHILE)?;
    let pid = two.sh("cat /tmp/owner")?;
    two.sh(&format!("ip link set eth1 netns {pid}"))?;
    ensure_eq!(two.sh(&device_of(1))?, "", "a rail that was given away");
    until_heard(one, 2, 1, "down")?;
    owner.signal(libc::SIGKILL as u8)?;
    owner.wait()?;
    // What is no user's making comes back when the namespace ends.
    two.until("ip link set eth1 up")?;
    two.until(&format!("[ \"$({})\" = eth1 ]", device_of(1)))?;
    until_heard(one, 2, 1, "up")
}

/// Puts the rails back to where they were.
fn usual(node: Machine<'_>) -> Result<()> {
    let rails = "for i in 0 1 2 3 4 5 6 7; do echo $i name=eth$i; done";
    node.sh(&format!("t=$({rails}); echo \"$t\" > {FILE}"))
        .map(drop)
}

fn chosen(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let all = one.sh(&format!("cat {FILE}"))?;
    ensure!(all.starts_with("0 name=eth0\n1 name=eth1\n"), "{all}");
    for (wrong, why) in [
        ("9 name=eth0", "it begins with no rail"),
        ("3 eth3", "a rule is name="),
        ("3 mac=52:54", "six bytes"),
        ("3 name=eth0", "rail 0 has the same rule"),
    ] {
        one.fails(&format!("echo {wrong} > {FILE}"))?;
        one.sh(&format!("dmesg | grep -q '`{wrong}`: .*{why}'"))?;
        ensure_eq!(one.sh(&format!("cat {FILE}"))?, all, "after {wrong}");
    }

    // The second card by its address and the third by its place, whatever their names; a fourth
    // rail on top of the first.
    for node in [one, two] {
        let place = "basename $(readlink -f /sys/class/net/eth2/device/..)";
        node.sh(&format!(
            "place=$({place}); mac=$(cat /sys/class/net/eth1/address)
             ip link set eth1 down; ip link set eth2 down
             echo \"1 none
             2 none\" > {FILE}
             ip link set eth1 name enp1s0; ip link set eth2 name enp2s0
             ip link set enp1s0 up; ip link set enp2s0 up
             ip link add link eth0 name lan.7 type vlan id 7; ip link set lan.7 up"
        ))?;
        ensure_eq!(node.sh(&device_of(1))?, "", "rail 1 of {}", node.name());
        node.sh(&format!(
            "place=$(basename $(readlink -f /sys/class/net/enp2s0/device/..))
             mac=$(cat /sys/class/net/enp1s0/address)
             echo \"1 mac=$mac
             2 path=$place
             3 name=lan.7\" > {FILE}"
        ))?;
        for (rail, device) in [(1, "enp1s0"), (2, "enp2s0"), (3, "lan.7")] {
            let name = node.name();
            ensure_eq!(node.sh(&device_of(rail))?, device, "rail {rail} of {name}");
        }
    }
    for rail in [1, 2, 3] {
        until_heard(one, 2, rail, "up")?;
        until_heard(two, 1, rail, "up")?;
    }
    // All traffic over the VLAN.
    let switch_off = format!("echo \"0 none\n1 none\n2 none\" > {FILE}");
    for node in [one, two] {
        node.sh(&switch_off)?;
    }
    Transfer::start(one, two, 4_000_000, "stripe")?.finish()?;
    let sent = one.sh("awk '$1 == 3 { print $7 }' /sys/kernel/podos/cm/rails")?;
    ensure!(sent.parse::<u64>()? > 4_000_000, "the VLAN carried {sent}");
    for node in [one, two] {
        node.sh("ip link del lan.7
             ip link set enp1s0 down; ip link set enp2s0 down
             ip link set enp1s0 name eth1; ip link set enp2s0 name eth2
             ip link set eth1 up; ip link set eth2 up")?;
        usual(node)?;
    }
    for rail in [0, 1, 2] {
        until_heard(one, 2, rail, "up")?;
        until_heard(two, 1, rail, "up")?;
    }
    Ok(())
}

fn configured(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let config = "/etc/podos/rails.conf";
    let lines = "0 name=eth0 # the first\n2 mac=$(cat /sys/class/net/eth2/address)";
    two.sh(&format!("mkdir -p /etc/podos; echo \"{lines}\" > {config}"))?;
    two.sh("podosd --load-keys")?;
    let told = two.sh(&format!("cat {FILE}"))?;
    let expected = "0 name=eth0\n1 none\n2 mac=52:54:00:50:02:02\n3 none\n";
    ensure!(told.starts_with(expected), "CM was told {told}");
    until_heard(one, 2, 1, "down")?;
    until_heard(one, 2, 2, "up")?;
    // One that is wrong changes nothing, and says what.
    two.sh(&format!("echo '0 nam=eth0' > {config}"))?;
    two.fails("podosd --load-keys")?;
    ensure_eq!(two.sh(&format!("cat {FILE}"))?, told, "after a wrong file");
    two.sh("dmesg | grep -q '`0 nam=eth0`: a rule is name='")?;
    two.sh("dmesg | grep -q 'cannot use /etc/podos/rails.conf: '")?;
    two.sh(&format!("rm {config}"))?;
    usual(two)?;
    until_heard(one, 2, 1, "up")
}

/// A node of which nobody hears anything, but which hears all.
fn unheard(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (switch, one, two) = (lab.switch()?, lab.node(1)?, lab.node(2)?);
    // One circuit is there already, others have to be opened.
    one.sh("cat /linus2/etc/hostname > /dev/null")?;
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    switch.set(
        Selector::node(1).going(Direction::Sent),
        Faults {
            loss: Chance::ALWAYS,
            only_podos: true,
            ..Faults::default()
        },
    )?;
    let calls = || -> Result<()> {
        for operation in ["stat", "open", "list", "open", "stat"] {
            let answers = one.call(operation, "/linus2/etc")?;
            answers.expect_errno(libc::EHOSTDOWN)?;
            let took: u64 = answers.number("elapsed_ms")?;
            let most = lab.terms().in_time().as_millis();
            ensure!(u128::from(took) <= most, "{operation} took {took} ms");
        }
        // By now it knows that nobody hears it, whatever it hears.
        for rail in 0..3 {
            until_heard(one, 2, rail, "deaf")?;
        }
        let answers = one.tool(&["cm", "open-close", "2", "1"])?;
        answers.expect(&format!("errno_{}", libc::EHOSTDOWN), 1)
    };
    let outcome = calls();
    switch.clear()?;
    outcome?;
    server.kill()?;
    for (node, other) in [(two, 1), (one, 2)] {
        let hostname = node.until(&format!("cat /linus{other}/etc/hostname"))?;
        ensure_eq!(hostname, format!("linus{other}"), "{}", node.name());
    }
    Ok(())
}
