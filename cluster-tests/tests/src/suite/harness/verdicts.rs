// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests that never fail are worth nothing: here nodes are broken on purpose, and tests of this
//! very suite, run as values in runs of their own, have to come out red.

mod alarm;
mod hang;
mod nested;
mod process;
mod sabotage;

use crate::test::{Setting, Test, HOST};
use podos_harness::{Net, Topology, WaitFor};

pub const TESTS: &[Test] = &[
    Test {
        name: "harness.verdicts_on_a_broken_file",
        setting: HOST,
        limit: None,
        run: sabotage::file,
    },
    Test {
        name: "harness.verdicts_on_broken_frames",
        setting: HOST,
        limit: None,
        run: sabotage::frames,
    },
    Test {
        name: "harness.verdicts_on_a_killed_process",
        setting: HOST,
        limit: None,
        run: sabotage::process,
    },
    Test {
        name: "harness.verdicts_on_a_panic",
        setting: HOST,
        limit: None,
        run: alarm::panic,
    },
    Test {
        name: "harness.verdicts_on_a_warning_and_a_kept_cluster",
        setting: HOST,
        limit: None,
        run: alarm::warning,
    },
    Test {
        name: "harness.verdicts_after_a_time_limit",
        setting: HOST,
        limit: None,
        run: hang::test,
    },
    Test {
        name: "harness.verdicts_on_a_hung_agent",
        setting: HOST,
        limit: None,
        run: hang::agent,
    },
    Test {
        name: "harness.verdicts_reach_the_exit_status",
        setting: HOST,
        limit: None,
        run: process::exit_status,
    },
];

/// Where what is broken runs.
const PAIR: Setting = Setting {
    name: "pair",
    topology: || Topology::nodes(2).net(Net::Switch),
    wait: WaitFor::Alive,
};
