// SPDX-License-Identifier: MIT OR Apache-2.0

//! A second opinion on the wire: the test firmware, which was written from docs/wire-protocol.md
//! alone, as a member and as an attacker.

mod attacks;
mod drops;
mod members;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use podos_harness::{build_firmware, CmMode, Firmware, FirmwareReport};

use crate::support::Lab;
use crate::test::{Setting, Test, FIRMWARE_AEAD, FIRMWARE_MAC, FIRMWARE_OPEN};

/// Its place on the rails, and its host id.
const PLACE: u32 = 9;

/// What nodes may drop when a member comes and goes: frames that were under way on another rail
/// while keys changed or a circuit ended.
const PASSING: [&str; 5] = [
    "unknown_session",
    "replayed",
    "not_fresh",
    "no_circuit",
    "peer",
];

/// The program, once it is built.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// How long one scenario may take under KVM.
const LIMIT: Duration = Duration::from_secs(50);

pub const TESTS: &[Test] = &[
    test(
        "firmware.is_a_member_in_aead",
        FIRMWARE_AEAD,
        members::member,
    ),
    test("firmware.is_a_member_in_mac", FIRMWARE_MAC, members::member),
    test(
        "firmware.is_a_member_in_open",
        FIRMWARE_OPEN,
        members::member,
    ),
    test(
        "firmware.has_a_narrow_window",
        FIRMWARE_AEAD,
        members::narrow,
    ),
    test(
        "firmware.knows_rails_of_different_mtu",
        FIRMWARE_MAC,
        members::mixed,
    ),
    test(
        "firmware.sends_bad_frames_in_aead",
        FIRMWARE_AEAD,
        attacks::bad,
    ),
    test(
        "firmware.sends_bad_frames_in_mac",
        FIRMWARE_MAC,
        attacks::bad,
    ),
    test(
        "firmware.sends_bad_frames_in_open",
        FIRMWARE_OPEN,
        attacks::bad,
    ),
    test(
        "firmware.repeats_what_it_heard",
        FIRMWARE_AEAD,
        attacks::replay,
    ),
    test(
        "firmware.claims_ids_that_are_taken",
        FIRMWARE_AEAD,
        attacks::claims,
    ),
    test(
        "firmware.betrays_its_cluster",
        FIRMWARE_AEAD,
        attacks::treason,
    ),
    test("firmware.contradicts_itself", FIRMWARE_MAC, attacks::abuse),
    test(
        "firmware.hoards_what_nobody_can_read",
        FIRMWARE_AEAD,
        attacks::hoard,
    ),
    test(
        "firmware.floods_without_a_key",
        FIRMWARE_AEAD,
        attacks::flood,
    ),
    test(
        "firmware.floods_where_all_is_open",
        FIRMWARE_OPEN,
        attacks::flood,
    ),
];

const fn test(name: &'static str, setting: Setting, run: fn(&Lab<'_>) -> Result<()>) -> Test {
    Test {
        name,
        setting,
        limit: None,
        run,
    }
}

/// Builds the firmware of the checkout `root`.
pub fn prepare(root: &Path) -> Result<()> {
    let program = build_firmware(root)?;
    PROGRAM.get_or_init(|| program);
    Ok(())
}

/// Boots the firmware with a script.
fn boot<'a>(lab: &Lab<'a>, script: &str) -> Result<Firmware<'a>> {
    let program = PROGRAM.get().context("the firmware was not built")?;
    let cluster = lab.cluster()?;
    Ok(cluster.firmware(PLACE, program, script)?)
}

/// Waits for its end, which has to be a good one.
fn finish(firmware: Firmware<'_>) -> Result<FirmwareReport> {
    let report = firmware.finish(LIMIT)?;
    ensure!(
        report.passed(),
        "the firmware did not pass:{}",
        report.tail()
    );
    Ok(report)
}

/// Whether frames of the cluster have tags.
fn has_keys(lab: &Lab<'_>) -> Result<bool> {
    let cluster = lab.cluster()?;
    Ok(cluster.topology().cm_mode != CmMode::Open)
}
