// SPDX-License-Identifier: MIT OR Apache-2.0

//! The Communication Manager: circuits that lose nothing, on several rails, for members only.
//!
//! Through the test module's device, from user process to user process.

mod devices;
mod dissector;
mod faults;
mod interface;
mod leftovers;
mod mappings;
mod members;
mod names;
mod rails;
mod shares;
mod snapshot;
mod transfer;

use anyhow::Result;

pub(super) use self::transfer::Transfer;
use crate::support::{Lab, Machine};
use crate::test::Test;

pub fn tests() -> Vec<Test> {
    [
        faults::TESTS,
        rails::TESTS,
        devices::TESTS,
        leftovers::TESTS,
        mappings::TESTS,
        shares::TESTS,
        snapshot::TESTS,
        interface::TESTS,
        members::TESTS,
        names::TESTS,
        dissector::TESTS,
    ]
    .concat()
}

/// Loads the test module where it is not yet.
fn load_module(node: Machine<'_>) -> Result<()> {
    node.sh("[ -e /dev/podos-cm ] || insmod /lib/modules/podos/podos_cmtest.ko")
        .map(drop)
}

/// The same on all nodes.
pub(super) fn load_modules(lab: &Lab<'_>) -> Result<()> {
    lab.nodes().into_iter().try_for_each(load_module)
}
