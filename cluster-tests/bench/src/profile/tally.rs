// SPDX-License-Identifier: MIT OR Apache-2.0

//! Executed instructions, by what they are part of.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::stats::digits;

/// What a processor was at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
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

/// How many instructions were executed where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally(BTreeMap<Place, f64>);

impl Tally {
    /// More of them.
    pub fn add(&mut self, place: Place, instructions: f64) {
        *self.0.entry(place).or_default() += instructions;
    }

    /// The difference to another one.
    pub fn less(mut self, other: &Self) -> Self {
        for (place, instructions) in &other.0 {
            *self.0.entry(place.clone()).or_default() -= instructions;
        }
        self
    }

    /// A share of so many.
    pub fn each(mut self, count: f64) -> Self {
        self.0
            .values_mut()
            .for_each(|instructions| *instructions /= count);
        self
    }

    /// What all of these have in common, at least: the least of each place.
    pub fn least(all: &[&Self]) -> Self {
        let Some((first, others)) = all.split_first() else {
            return Self::default();
        };
        let least = first.0.iter().filter_map(|(place, instructions)| {
            let least = others.iter().try_fold(*instructions, |least, other| {
                other
                    .0
                    .get(place)
                    .map(|instructions| least.min(*instructions))
            })?;
            Some((place.clone(), least))
        });
        Self(least.collect())
    }

    /// Instructions in all.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Instructions of the modules whose names begin so.
    pub fn of_modules(&self, prefix: &str) -> f64 {
        let ours = self
            .0
            .iter()
            .filter_map(|(place, instructions)| match place {
                Place::Kernel { module, .. } if module.starts_with(prefix) => Some(instructions),
                _ => None,
            });
        ours.sum()
    }

    /// A Markdown table of the `count` places with the most instructions, and of what they are part
    /// of, each module in sum, first.
    pub fn table(&self, count: usize) -> String {
        let mut text = String::from("| instructions | % | where |\n|---:|---:|---|\n");
        let mut line = |instructions: f64, place: &str| {
            let share = 100.0 * instructions / self.total().max(1.0);
            let instructions = digits(instructions);
            let _ = writeln!(text, "| {instructions} | {share:.1} | {place} |");
        };
        let mut owners = BTreeMap::<&str, f64>::new();
        for (place, instructions) in &self.0 {
            *owners.entry(place.owner()).or_default() += instructions;
        }
        line(self.total(), "**in all**");
        for (owner, instructions) in descending(owners) {
            line(instructions, &format!("**{owner}**"));
        }
        for (place, instructions) in descending(self.functions()).into_iter().take(count) {
            line(instructions, &place);
        }
        text
    }

    /// The functions, with their modules.
    fn functions(&self) -> BTreeMap<String, f64> {
        let functions = self
            .0
            .iter()
            .filter_map(|(place, instructions)| match place {
                Place::Kernel { function, module } if module.is_empty() => {
                    Some((format!("`{function}`"), *instructions))
                }
                Place::Kernel { function, module } => {
                    Some((format!("`{function}` [{module}]"), *instructions))
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
            Self::User => "programs",
            Self::Kernel { module, .. } if module.is_empty() => "kernel",
            Self::Kernel { module, .. } => module,
            Self::Unknown => "unknown",
        }
    }
}

/// Most first; of equals the one whose name is first.
fn descending<K: Ord>(counts: BTreeMap<K, f64>) -> Vec<(K, f64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, m), (b, n)| n.total_cmp(m).then(a.cmp(b)));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(function: &str, module: &str) -> Place {
        Place::Kernel {
            function: function.into(),
            module: module.into(),
        }
    }

    fn tally(places: &[(Place, f64)]) -> Tally {
        let mut tally = Tally::default();
        for (place, instructions) in places {
            tally.add(place.clone(), *instructions);
        }
        tally
    }

    #[test]
    fn most_is_first() {
        let tally = tally(&[
            (Place::User, 200.0),
            (Place::User, 300.0),
            (kernel("receive", "podos_cm"), 300.0),
            (kernel("schedule", ""), 100.0),
            (kernel("kfree", ""), 100.0),
        ]);
        assert_eq!(tally.total(), 1000.0);
        assert_eq!(tally.of_modules("podos_"), 300.0);
        assert_eq!(
            tally.table(2),
            "| instructions | % | where |\n|---:|---:|---|\n\
             | 1000 | 100.0 | **in all** |\n\
             | 500 | 50.0 | **programs** |\n| 300 | 30.0 | **podos_cm** |\n\
             | 200 | 20.0 | **kernel** |\n\
             | 300 | 30.0 | `receive` [podos_cm] |\n| 100 | 10.0 | `kfree` |\n"
        );
    }

    #[test]
    fn one_of_many_without_what_comes_once() {
        let long = tally(&[(Place::User, 70.0), (kernel("exec", ""), 5.0)]);
        let short = tally(&[(Place::User, 20.0), (kernel("exec", ""), 5.0)]);
        let each = long.less(&short).each(10.0);
        assert_eq!(
            each,
            tally(&[(Place::User, 5.0), (kernel("exec", ""), 0.0)])
        );
    }

    #[test]
    fn what_is_common_is_the_least_of_each() {
        let one = tally(&[(Place::User, 7.0), (kernel("tcp_ack", ""), 5.0)]);
        let other = tally(&[(Place::User, 9.0), (kernel("ack", "podos_cm"), 3.0)]);
        assert_eq!(Tally::least(&[&one, &other]), tally(&[(Place::User, 7.0)]));
        assert_eq!(Tally::least(&[]), Tally::default());
    }
}
