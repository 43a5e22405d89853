// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory that another layer fills while a page fault makes CM send.

use anyhow::Result;

use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.a_mapped_file_passes_a_stream",
        setting: SHARED,
        limit: None,
        run: |lab| relay(lab, "tcp"),
    },
    Test {
        name: "cm.a_mapped_file_passes_as_datagrams",
        setting: SHARED,
        limit: None,
        run: |lab| relay(lab, "udp"),
    },
];

/// Bytes of the file.
const SIZE: u64 = 8 << 20;
/// What linus1 does meanwhile: memory is short, and pages that were read have to be read again.
const PRESSURE: &str = "while :; do echo 3 >/proc/sys/vm/drop_caches; done";

/// A file of linus2, mapped at linus1, goes through a socket there in pieces of all sizes, and comes
/// out as it is, also while memory is short.
fn relay(lab: &Lab<'_>, protocol: &str) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    one.sh("ip link set lo up")?;
    let size = lab.terms().at_least(SIZE).to_string();
    for round in 0..2 {
        let seed = (lab.seed() ^ round).to_string();
        let path = format!("{dir}/{round}");
        two.tool(&["write", &path, "--size", &size, "--seed", &seed])?;
        let pressure = match round {
            0 => None,
            _ => Some(one.harness().command("sh").args(["-c", PRESSURE]).spawn()?),
        };
        let path = format!("/linus2{path}");
        let relay = ["relay", &path, "--protocol", protocol, "--seed", &seed];
        let came = one.tool(&relay);
        drop(pressure);
        let came = came?;
        came.expect("bytes", &size)?;
        came.expect("wrong", 0)?;
    }
    Ok(())
}
