// SPDX-License-Identifier: MIT OR Apache-2.0

//! The firmware as a member: both ends of circuits, in each mode.

use anyhow::{ensure, Result};

use super::super::cm::load_modules;
use super::drops::Since;
use super::{boot, finish, has_keys, PASSING, PLACE};
use crate::support::Lab;

/// Opens circuits and takes some, with data both ways; every frame of the nodes is as the document
/// has it, and they drop none of the firmware's.
pub fn member(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let server = two.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let since = [Since::now(one)?, Since::now(two)?];
    let rekey = if has_keys(lab)? { "rekey\n" } else { "" };
    let firmware = boot(
        lab,
        &format!(
            "join 1 2\n\
             echo 1 op=1 circuits=3 count=30 size=3000\n\
             echo 2 op=2 circuits=2 count=5 size=70000\n\
             refused 1 class=4\n\
             {rekey}\
             echo 1 op=1 circuits=1 count=20 size=1000\n\
             serve 12\n\
             leave\n"
        ),
    )?;
    firmware.wait_for("serving", super::LIMIT)?;
    let place = PLACE.to_string();
    one.until(&format!(
        "grep -qx 1 /sys/kernel/podos/sst/{PLACE}/alive && \
         grep -qx firmware{PLACE} /sys/kernel/podos/sst/{PLACE}/hostname"
    ))?;
    // From process and from kernel; each is one circuit.
    let opened = one.tool(&["cm", "open-close", &place, "10"])?;
    opened.expect("ok", 10)?;
    one.tool(&["cm", "ping", &place, "--size", "20000", "--count", "20"])?;
    two.tool(&["cm", "ping", &place, "--kernel", "--count", "50"])?;
    let report = finish(firmware)?;
    server.kill()?;
    ensure!(report.count("beacons") > 0, "no beacon came");
    ensure!(report.count("accepted") >= 12, "circuits were not opened");
    for since in &since {
        since.are(&Default::default(), &PASSING)?;
    }
    // Who has left is down.
    for node in [one, two] {
        node.until(&format!("grep -qx 0 /sys/kernel/podos/sst/{PLACE}/alive"))?;
        node.until("grep -qx 'used 0' /sys/kernel/podos/cm/cdt")?;
    }
    Ok(())
}

/// Has room for two segments only, and sends segments in pieces: the nodes keep to the one, and
/// join the others.
pub fn narrow(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let server = lab.node(1)?.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let since = Since::now(lab.node(1)?)?;
    let script = "window 2\nsegment 5000\njoin 1 2\n\
                  echo 1 op=2 circuits=2 count=4 size=60000\nleave\n";
    finish(boot(lab, script)?)?;
    server.kill()?;
    since.are(&Default::default(), &PASSING)
}

/// On rails of different MTU: its segments fit one of them only, those of the node any; what does
/// not fit the rail that it takes goes in pieces, both ways.
pub fn mixed(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let server = lab.node(1)?.start_tool(&["cm", "echo-server"])?;
    server.ready()?;
    let script = "segment 6000\njoin 1 2\n\
                  echo 1 op=2 circuits=4 count=8 size=100000\nleave\n";
    finish(boot(lab, script)?)?;
    server.kill()
}
