// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counted samples.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What a processor was at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nothing: it waited for an interrupt.
    Idle,
    /// A program.
    User,
    /// A function of the kernel or of a module.
    Kernel {
        /// Its name.
        function: String,
        /// Its module; empty for the kernel itself.
        module: String,
    },
    /// Nothing that has a name.
    Unknown,
}

/// How often a processor was where.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Place, u64>);

impl Tally {
    /// One more sample.
    pub fn add(&mut self, place: Place) {
        *self.0.entry(place).or_default() += 1;
    }

    /// Samples in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// A Markdown table of the `count` places with the most samples, and of what is behind them
    /// in sum, each module's share first.
    pub fn table(&self, count: usize) -> String {
        let share = |samples: u64| 100.0 * samples as f64 / self.total().max(1) as f64;
        let mut text = String::from("| % | where |\n|---:|---|\n");
        let mut modules = BTreeMap::<&str, u64>::new();
        for (place, samples) in &self.0 {
            *modules.entry(place.owner()).or_default() += samples;
        }
        for (owner, samples) in descending(modules) {
            let _ = writeln!(text, "| {:.1} | **{owner}** |", share(samples));
        }
        for (place, samples) in descending(self.functions()).into_iter().take(count) {
            let _ = writeln!(text, "| {:.1} | {place} |", share(samples));
        }
        text
    }

    /// The functions, with their modules.
    fn functions(&self) -> BTreeMap<String, u64> {
        let functions = self.0.iter().filter_map(|(place, samples)| match place {
            Place::Kernel { function, module } if module.is_empty() => {
                Some((format!("`{function}`"), *samples))
            }
            Place::Kernel { function, module } => {
                Some((format!("`{function}` [{module}]"), *samples))
            }
            _ => None,
        });
        functions.collect()
    }
}

impl Place {
    /// What it is part of.
    fn owner(&self) -> &str {
        match self {
            Self::Idle => "idle",
            Self::User => "programs",
            Self::Kernel { module, .. } if module.is_empty() => "kernel",
            Self::Kernel { module, .. } => module,
            Self::Unknown => "unknown",
        }
    }
}

/// Most first; of equals the one whose name is first.
fn descending<K: Ord>(counts: BTreeMap<K, u64>) -> Vec<(K, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_is_first() {
        let kernel = |function: &str, module: &str| Place::Kernel {
            function: function.into(),
            module: module.into(),
        };
        let mut tally = Tally::default();
        (0..5).for_each(|_| tally.add(Place::Idle));
        (0..3).for_each(|_| tally.add(kernel("receive", "podos_cm")));
        tally.add(kernel("schedule", ""));
        tally.add(kernel("kfree", ""));
        assert_eq!(tally.total(), 10);
        assert_eq!(
            tally.table(2),
            "| % | where |\n|---:|---|\n\
             | 50.0 | **idle** |\n| 30.0 | **podos_cm** |\n| 20.0 | **kernel** |\n\
             | 30.0 | `receive` [podos_cm] |\n| 10.0 | `kfree` |\n"
        );
    }
}
