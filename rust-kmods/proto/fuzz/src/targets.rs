// SPDX-License-Identifier: GPL-2.0-only

//! What is tried.

mod cdt;
mod circuit;
mod endpoint;
mod forged;
mod frames;
mod gipc;
mod members;
mod pdfs;
mod windows;

use crate::bytes::Outcome;

/// Something that takes bytes from others.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its corpus and on the command line.
    pub name: &'static str,
    /// Tries one input; panics if it breaks something.
    pub run: fn(&[u8]) -> Outcome,
    /// Inputs as the protocol's own encoders make them, with names.
    pub seeds: fn() -> Vec<(&'static str, Vec<u8>)>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    frames::HEADER,
    frames::HELLO,
    frames::HANDSHAKE,
    frames::BEACON,
    frames::KEYS,
    pdfs::REQUEST,
    pdfs::REPLY,
    gipc::BODIES,
    gipc::COMMAND,
    circuit::CIRCUIT,
    forged::FORGED,
    endpoint::ENDPOINT,
    members::PEERS,
    members::SESSIONS,
    windows::REPLAY,
    windows::COUNTERS,
    cdt::CDT,
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_seeds_are_there() {
        let names: HashSet<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
        for target in TARGETS {
            assert!(!(target.seeds)().is_empty(), "{}", target.name);
            assert!(find(target.name).is_some());
        }
    }

    #[test]
    fn every_target_is_one_of_libfuzzer_and_has_a_row() {
        let all: HashSet<_> = TARGETS.iter().map(|target| target.name).collect();
        let manifest = include_str!("../libfuzzer/Cargo.toml");
        let binaries = manifest.split("[[bin]]\nname = \"").skip(1);
        let binaries: HashSet<_> = binaries.filter_map(|text| text.split('"').next()).collect();
        assert_eq!(binaries, all);
        let table = include_str!("../README.md").lines();
        let rows = table.filter(|line| line.starts_with("| `"));
        let named = rows.filter_map(|row| row.split('|').nth(1));
        let named: HashSet<_> = named
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        assert_eq!(named, all);
    }
}
