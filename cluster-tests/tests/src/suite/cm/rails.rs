// SPDX-License-Identifier: MIT OR Apache-2.0

//! Transmission groups, and rails of different MTU.

use anyhow::{ensure, Context, Result};

use super::load_modules;
use super::transfer::Transfer;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, MIXED, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.stripe_uses_all_rails_others_few",
        setting: SHARED,
        limit: None,
        run: groups,
    },
    Test {
        name: "cm.the_cluster_has_a_group",
        setting: SHARED,
        limit: None,
        run: default_group,
    },
    Test {
        name: "cm.jumbo_frames_where_both_ends_have_them",
        setting: MIXED,
        limit: None,
        run: jumbo,
    },
    Test {
        name: "cm.large_segments_cross_small_rails",
        setting: MIXED,
        limit: None,
        run: pieces,
    },
];

const BYTES: u64 = 6_000_000;

/// How many of them a circuit gets to stay on its rail in one.
const TRANSFERS: usize = 4;

/// Frames and bytes that a node has sent on each rail.
fn sent(node: Machine<'_>) -> Result<Vec<[u64; 2]>> {
    let table = node.sh("awk 'NR > 1 { print $6, $7 }' /sys/kernel/podos/cm/rails")?;
    let row = |line: &str| {
        let (frames, bytes) = line.split_once(' ')?;
        Some([frames.parse().ok()?, bytes.parse().ok()?])
    };
    let rows: Option<Vec<_>> = table.lines().map(row).collect();
    rows.with_context(|| format!("these are no counters: {table}"))
}

/// What a transfer adds to them.
fn sent_by(lab: &Lab<'_>, group: &str) -> Result<Vec<[u64; 2]>> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let before = sent(one)?;
    Transfer::start(one, two, lab.terms().at_least(BYTES), group)?.finish()?;
    let after = sent(one)?;
    let grown = |(after, before): (&[u64; 2], &[u64; 2])| [0, 1].map(|i| after[i] - before[i]);
    Ok(after.iter().zip(&before).map(grown).collect())
}

fn total(rails: &[[u64; 2]]) -> u64 {
    rails.iter().map(|[_, bytes]| bytes).sum()
}

/// Whether every rail had its part. On rails that nothing slows down the first one has the most:
/// its queue is empty again when the next frame comes.
fn is_striped(rails: &[[u64; 2]]) -> bool {
    let all = total(rails);
    rails.iter().all(|[_, bytes]| *bytes > all / 50)
}

/// Whether it went over one rail, or another one after that.
fn is_bound(rails: &[[u64; 2]]) -> bool {
    let all = total(rails);
    let used = rails.iter().filter(|[_, bytes]| *bytes > all / 10);
    used.count() <= 2
}

fn groups(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let rails = sent_by(lab, "stripe")?;
    ensure!(
        rails.len() == 3 && is_striped(&rails),
        "striped over the rails as {rails:?}"
    );
    for group in ["single", "round-robin"] {
        // A circuit whose answers are late leaves its rail for another one, and stays there: on a
        // node that is slow or starved more than once, but not in each transfer.
        let mut transfers = Vec::new();
        let bound = loop {
            let rails = sent_by(lab, group)?;
            let bound = is_bound(&rails);
            transfers.push(rails);
            if bound || transfers.len() == TRANSFERS {
                break bound;
            }
        };
        ensure!(bound, "{group} went over {transfers:?}");
    }
    Ok(())
}

fn default_group(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let one = lab.node(1)?;
    let file = "/sys/kernel/podos/cm/group";
    ensure_eq!(one.sh(&format!("cat {file}"))?, "round-robin", "{file}");
    one.fails(&format!("echo all > {file}"))?;
    one.sh(&format!("echo stripe > {file}"))?;
    let rails = sent_by(lab, "default");
    one.sh(&format!("echo round-robin > {file}"))?;
    let rails = rails?;
    ensure!(is_striped(&rails), "striped over the rails as {rails:?}");
    Ok(())
}

fn jumbo(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    // The first rail is the one with the largest frames. A circuit whose answers are late, as on a
    // host with more nodes than processors, may have gone on over another one.
    let rails = sent_by(lab, "single")?;
    let [frames, bytes] = rails[0];
    ensure!(
        bytes > total(&rails) / 10 && bytes / frames > 5000,
        "{bytes} bytes went in {frames} frames"
    );
    Ok(())
}

fn pieces(lab: &Lab<'_>) -> Result<()> {
    load_modules(lab)?;
    let switch = lab.switch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let before = sent(one)?;
    // Segments made for the first rail have to go over the second one, and back.
    for cut in [&[0, 2][..], &[0], &[2, 1]] {
        let transfer = Transfer::start(one, two, 4 * BYTES, "single")?;
        cut.iter().try_for_each(|rail| switch.cut(*rail))?;
        let outcome = transfer.finish();
        cut.iter().try_for_each(|rail| switch.mend(*rail))?;
        outcome?;
        one.until("[ $(awk '$1 == 2 && $6 == \"up\"' /sys/kernel/podos/cm/peers | wc -l) = 3 ]")?;
    }
    let after = sent(one)?;
    ensure!(after[1][0] > before[1][0] + 1000, "{before:?} to {after:?}");
    Ok(())
}
