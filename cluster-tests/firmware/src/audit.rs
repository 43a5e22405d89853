// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the firmware finds wrong with the frames of others.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Most findings that are kept to be told; the others are only counted.
const KEPT: usize = 64;

/// Findings and counts of one run.
#[derive(Debug, Default)]
pub struct Audit {
    kept: Vec<(&'static str, String)>,
    told: usize,
    violations: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Audit {
    /// A frame of another node breaks a rule of the document.
    pub fn violation(&mut self, rule: &'static str, what: impl fmt::Display) {
        self.violations += 1;
        if self.kept.len() < KEPT {
            self.kept.push((rule, alloc::format!("{what}")));
        }
    }

    /// The same, if it is so.
    pub fn demand(&mut self, holds: bool, rule: &'static str, what: impl fmt::Display) {
        if !holds {
            self.violation(rule, what);
        }
    }

    /// Something happened that is no violation.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// How many violations there were.
    pub fn violations(&self) -> u64 {
        self.violations
    }

    /// How often something happened.
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// All that was counted.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(what, count)| (*what, *count))
    }

    /// The violations that were not taken yet: rule, and what was wrong.
    pub fn untold(&mut self) -> &[(&'static str, String)] {
        let from = core::mem::replace(&mut self.told, self.kept.len());
        &self.kept[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_once_and_counted_always() {
        let mut audit = Audit::default();
        audit.demand(true, "a", "fine");
        audit.demand(false, "b", "wrong");
        assert_eq!(audit.untold().len(), 1);
        assert!(audit.untold().is_empty());
        for _ in 0..100 {
            audit.violation("c", 1);
        }
        assert_eq!(audit.untold().len(), KEPT - 1);
        assert_eq!(audit.violations(), 101);
        audit.count("x");
        assert_eq!((audit.counted("x"), audit.counted("y")), (1, 0));
    }
}
