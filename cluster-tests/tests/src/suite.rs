// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tests, a file per subject.

mod attach;
mod circuits;
mod cm;
mod coherence;
mod commands;
mod dead_node;
mod debug;
mod descriptors;
mod doors;
mod files;
mod firmware;
mod gipc;
mod gpid;
mod harness;
mod modules;
mod mounts;
mod names;
mod namespaces;
mod node;
mod numbers;
mod product;
mod programs;
mod sandbox;
mod soak;

use std::path::Path;

use anyhow::Result;

use crate::test::{Test, SETTINGS};

/// All tests, those of one setting together.
pub fn all() -> Vec<Test> {
    let subjects = [
        gpid::TESTS,
        node::TESTS,
        names::TESTS,
        numbers::TESTS,
        mounts::TESTS,
        files::TESTS,
        descriptors::TESTS,
        coherence::TESTS,
        doors::TESTS,
        gipc::TESTS,
        product::TESTS,
        programs::TESTS,
        sandbox::TESTS,
        commands::TESTS,
        circuits::TESTS,
        attach::TESTS,
        namespaces::TESTS,
        modules::TESTS,
        dead_node::TESTS,
        soak::TESTS,
    ];
    let mut tests = harness::tests();
    tests.extend(subjects.concat());
    tests.extend(cm::tests());
    tests.extend(firmware::TESTS);
    tests.extend(debug::TESTS);
    tests.sort_by_key(|test| SETTINGS.iter().position(|setting| *setting == test.setting));
    tests
}

/// Builds what these tests need besides an image, before the first of them has its time.
pub fn prepare(root: &Path, tests: &[Test]) -> Result<()> {
    let boots_firmware = |test: &Test| !(test.setting.topology)().firmware.is_empty();
    match tests.iter().any(boots_firmware) {
        true => firmware::prepare(root),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filters_for_one_test_each() {
        for test in all() {
            let hits = all()
                .iter()
                .filter(|other| other.name.contains(test.name))
                .count();
            assert_eq!(hits, 1, "{}", test.name);
            // No shell needs quotes for it, and it is no flag; replays rely on it.
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            for name in [test.name, test.setting.name] {
                assert!(name.chars().all(plain) && !name.starts_with('-'), "{name}");
            }
            assert!(test
                .name
                .split_once('.')
                .is_some_and(|(subject, name)| !subject.is_empty() && !name.is_empty()));
        }
    }

    #[test]
    fn every_setting_is_run_and_has_tests() {
        assert!(all().iter().all(|test| SETTINGS.contains(&test.setting)));
        for setting in SETTINGS {
            let has_tests = all().iter().any(|test| test.setting == *setting);
            assert!(has_tests, "{}", setting.name);
        }
    }
}
