// SPDX-License-Identifier: MIT OR Apache-2.0

//! Consoles, agent calls and faults of a cluster, on one clock.

use std::fs;

use crate::error::{IoContext, Result};
use crate::state::StateDir;
use crate::topology::firmware_name;
use crate::topology::{node_name, Topology};

/// All records of a cluster that is up, merged by their stamps.
pub(crate) fn merge(state: &StateDir, topology: &Topology) -> Result<String> {
    let consoles = topology
        .nodes
        .iter()
        .map(|id| state.console(&node_name(*id)));
    let firmware = topology.firmware.iter();
    let firmware = firmware.map(|id| state.console(&firmware_name(*id)));
    let mut logs = Vec::new();
    for path in consoles.chain(firmware).chain([state.events()]) {
        let bytes = fs::read(&path).context(|| format!("read {}", path.display()))?;
        logs.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(merge_lines(&logs))
}

fn merge_lines(logs: &[String]) -> String {
    let mut lines = logs.iter().flat_map(|log| log.lines()).collect::<Vec<_>>();
    // Stable, so that lines of one log with the same stamp keep their order.
    lines.sort_by_key(|line| &line.as_bytes()[..line.len().min(STAMP)]);
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// Bytes of a stamp at the start of a line.
const STAMP: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_stamp_is_as_long_as_the_merge_thinks() {
        assert_eq!(Clock::start().stamp().to_string().len(), STAMP);
    }

    #[test]
    fn lines_are_merged_by_their_stamps() {
        let logs = [
            "     1.000000 linus1 | a\n    10.000000 linus1 | d\n".to_owned(),
            "     1.000000 linus2 | b\n     9.999999 linus2 | c\n".to_owned(),
        ];
        let merged = merge_lines(&logs);
        let order = merged
            .lines()
            .filter_map(|line| line.chars().last())
            .collect::<String>();
        assert_eq!(order, "abcd");
    }
}
