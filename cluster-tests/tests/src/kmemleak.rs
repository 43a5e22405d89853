// SPDX-License-Identifier: MIT OR Apache-2.0

//! Memory leaks of kernels, looked for after the last test of each setting.

use std::fmt::Write;

use anyhow::{ensure, Result};
use podos_harness::NodeState;

use crate::filter;
use crate::support::{Lab, Machine};
use crate::test::{Setting, Test};

/// Where a kernel with kmemleak tells.
const FILE: &str = "/sys/kernel/debug/kmemleak";

/// What the tests' names begin with.
const SUBJECT: &str = "kmemleak.";

/// The same tests, with one more behind those of each setting.
pub fn after_each_setting(tests: Vec<Test>) -> Vec<Test> {
    let settings = tests.chunk_by(|one, other| one.setting == other.setting);
    let with_one_more = settings.flat_map(|tests| {
        let setting = tests[0].setting;
        let has_nodes = !(setting.topology)().nodes.is_empty();
        let more = has_nodes.then(|| test(setting));
        tests.iter().copied().chain(more)
    });
    with_one_more.collect()
}

fn test(setting: Setting) -> Test {
    Test {
        // There are a few, once in a run.
        name: format!("{SUBJECT}{}", setting.name).leak(),
        setting,
        limit: None,
        run: nothing_is_lost,
    }
}

/// Whether it is one of these: it is about the tests before it, so it needs their cluster.
pub fn is_one(test: &Test) -> bool {
    test.name.starts_with(SUBJECT)
}

/// What selects the tests that it is about.
pub fn filter(test: &Test) -> String {
    filter::of_setting(test.setting.name)
}

fn nothing_is_lost(lab: &Lab<'_>) -> Result<()> {
    let status = lab.cluster()?.status()?;
    let runs = |host| {
        let mut nodes = status.nodes.iter();
        nodes.any(|node| node.id == host && node.state != NodeState::Down)
    };
    let nodes = lab.nodes().into_iter().filter(|node| runs(node.host()));
    let nodes = nodes.collect::<Vec<_>>();
    // It says so on the console as well, but not which; that comes below.
    let says = |node: &Machine<'_>| lab.expect_alarm(node.host(), "new suspected memory leaks");
    let _says = nodes.iter().map(says).collect::<Result<Vec<_>>>()?;
    // Every object that changed since the last scan gets one more chance, and none that is less
    // than 5 s old is suspected.
    for node in &nodes {
        node.sh(&format!(
            "echo scan > {FILE}; cut -d. -f1 /proc/uptime > /tmp/scanned"
        ))?;
    }
    let mut lost = String::new();
    for node in &nodes {
        node.until("[ $(cut -d. -f1 /proc/uptime) -gt $(($(cat /tmp/scanned) + 5)) ]")?;
        node.sh(&format!("rm /tmp/scanned; echo scan > {FILE}"))?;
        let found = node.sh(&format!("cat {FILE}"))?;
        if !found.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(lost, "{}:\n{found}", node.name());
        }
    }
    ensure!(lost.is_empty(), "kernels have lost memory: {lost}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite;

    #[test]
    fn every_setting_with_nodes_is_asked_once_at_its_end() {
        let tests = after_each_setting(suite::all());
        let settings = tests.chunk_by(|one, other| one.setting == other.setting);
        for tests in settings {
            let nodes = (tests[0].setting.topology)().nodes.len();
            let asked = tests.iter().filter(|test| is_one(test)).count();
            assert_eq!(asked, usize::from(nodes > 0), "{}", tests[0].setting.name);
            assert!(nodes == 0 || tests.last().is_some_and(is_one));
        }
        let last = tests.iter().find(|test| is_one(test)).unwrap();
        assert_eq!(format!("setting:{}", last.setting.name), filter(last));
        assert_eq!(last.name, format!("kmemleak.{}", last.setting.name));
    }
}
