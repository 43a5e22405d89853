// SPDX-License-Identifier: MIT OR Apache-2.0

//! The lock table of docs/architecture.md, and what lockdep tells of a kernel that has run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{bail, ensure, Context, Result};

const PAGE: &str = include_str!("../../../docs/architecture.md");
const HEAD: &str = "| order | kind | names | what they protect |";

/// What a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Mutex,
    Spinlock,
    /// A spinlock that keeps interrupts off.
    Irq,
    Timer,
    WaitQueue,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mutex" => Self::Mutex,
            "spinlock" => Self::Spinlock,
            "irq" => Self::Irq,
            "timer" => Self::Timer,
            "wait queue" => Self::WaitQueue,
            _ => return None,
        })
    }
}

/// The table: kinds and orders by lockdep's name. A name may be of a lock, and of the wait queue or
/// the timer beside it.
#[derive(Debug)]
pub struct LockTable(BTreeMap<String, BTreeMap<Kind, u32>>);

/// A lock that was taken under another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nested {
    pub outer: String,
    pub inner: String,
}

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is taken under {}", self.inner, self.outer)
    }
}

impl LockTable {
    /// That of the page.
    pub fn of_page() -> Result<Self> {
        Self::parse(PAGE)
    }

    fn parse(page: &str) -> Result<Self> {
        let mut lines = page.lines().skip_while(|line| *line != HEAD);
        ensure!(lines.next().is_some(), "there is no table `{HEAD}`");
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        let mut table = BTreeMap::<String, BTreeMap<Kind, u32>>::new();
        for row in rows {
            let mut cells = row.split('|').skip(1).map(str::trim);
            let mut cell = || cells.next().with_context(|| format!("`{row}` is short"));
            let (order, kind, names) = (cell()?, cell()?, cell()?);
            let order = order
                .parse()
                .with_context(|| format!("the order of `{row}`"))?;
            let kind = Kind::named(kind).with_context(|| format!("the kind of `{row}`"))?;
            for name in names.split('`').skip(1).step_by(2) {
                let before = table.entry(name.into()).or_default().insert(kind, order);
                ensure!(before.is_none(), "`{name}` has two rows of one kind");
            }
        }
        Ok(Self(table))
    }

    /// Mutexes that the table would have taken under a spinlock.
    #[cfg(test)]
    fn sleepers(&self) -> Vec<&str> {
        let orders = |wanted: fn(&Kind) -> bool| {
            let kinds = self.0.iter().flat_map(move |(name, kinds)| {
                let kinds = kinds.iter().filter(move |(kind, _)| wanted(kind));
                kinds.map(move |(_, order)| (name.as_str(), *order))
            });
            kinds
        };
        let spins = orders(|kind| matches!(kind, Kind::Spinlock | Kind::Irq));
        let first = spins.map(|(_, order)| order).min();
        let mutexes = orders(|kind| *kind == Kind::Mutex);
        let late = mutexes.filter(|(_, order)| first.is_some_and(|first| *order > first));
        late.map(|(name, _)| name).collect()
    }

    /// What lockdep tells that the table does not allow: names that it has not, and locks that were
    /// taken under those of the same or a higher order.
    pub fn faults(&self, lockdep: &str) -> Result<Vec<String>> {
        let (names, nested) = read(lockdep);
        if names.is_empty() {
            bail!("lockdep knows no lock of PODOS");
        }
        let unknown = names.iter().filter(|name| !self.0.contains_key(*name));
        let mut faults: Vec<_> = unknown.map(|name| format!("{name} is not in it")).collect();
        for pair in nested {
            let orders = |name: &str| {
                self.0
                    .get(name)
                    .into_iter()
                    .flat_map(|kinds| kinds.values())
            };
            let (outer, inner) = (orders(&pair.outer).min(), orders(&pair.inner).max());
            if outer
                .zip(inner)
                .is_some_and(|(outer, inner)| outer >= inner)
            {
                faults.push(pair.to_string());
            }
        }
        Ok(faults)
    }
}

/// Whether a lock is one of PODOS.
fn is_ours(name: &str) -> bool {
    name.starts_with("podos_") || name.starts_with("pdfs_")
}

/// The names of PODOS in /proc/lockdep, and which of them were taken under which. Classes of one
/// name are one here.
fn read(lockdep: &str) -> (BTreeSet<String>, BTreeSet<Nested>) {
    let (mut names, mut nested) = (BTreeSet::new(), BTreeSet::new());
    let mut outer = None;
    for line in lockdep.lines() {
        let name = line.rsplit(' ').next().unwrap_or_default();
        let name = name.split(['#', '/']).next().unwrap_or_default();
        if let Some(outer) = outer
            .as_ref()
            .filter(|_| line.trim_start().starts_with("->"))
        {
            if is_ours(name) && name != outer {
                let (outer, inner) = (String::clone(outer), name.into());
                nested.insert(Nested { outer, inner });
            }
        } else if line.contains(" FD:") {
            outer = is_ours(name).then(|| name.to_owned());
            names.extend(outer.clone());
        }
    }
    (names, nested)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// What makes a lock in the sources, and what kind it is then.
    const MAKERS: [(&str, Kind); 6] = [
        ("new_mutex!(", Kind::Mutex),
        ("new_spinlock!(", Kind::Spinlock),
        ("new_spinlock_irq!(", Kind::Irq),
        ("SpinLockIrq::new(", Kind::Irq),
        ("WaitQueue::new(", Kind::WaitQueue),
        ("Timer::new(", Kind::Timer),
    ];

    /// The text up to the bracket that closes the one before it.
    fn arguments(text: &str) -> &str {
        let mut depth = 1;
        for (at, c) in text.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &text[..at];
            }
        }
        text
    }

    fn last_string(text: &str) -> Option<&str> {
        text.rsplit('"').nth(1)
    }

    /// Every lock that a source file makes.
    fn made(file: &Path) -> Vec<(String, Kind)> {
        let text = fs::read_to_string(file).unwrap();
        let mut made = Vec::new();
        for (maker, kind) in MAKERS {
            for (at, _) in text.match_indices(maker) {
                let given = arguments(&text[at + maker.len()..]);
                // A name that more than one place must have the same letters of.
                let name = match given.contains("lock_name()") {
                    true => text
                        .split("fn lock_name()")
                        .nth(1)
                        .and_then(|rest| rest.split('"').nth(1)),
                    false => last_string(given),
                };
                let name = name.unwrap_or_else(|| panic!("{}: {given}", file.display()));
                made.push((name.to_owned(), kind));
            }
        }
        made
    }

    fn sources(folder: &Path, found: &mut Vec<(String, Kind)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str().unwrap() {
                // The one has no locks; the owning types make what they are told.
                "proto" | "sys" => {}
                _ if path.is_dir() => sources(&path, found),
                name if name.ends_with(".rs") => found.extend(made(&path)),
                _ => {}
            }
        }
    }

    #[test]
    fn the_table_has_the_locks_of_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rust-kmods");
        let mut found = made(&root.join("cm/sys/fragment.rs"));
        sources(&root, &mut found);
        let found: BTreeSet<_> = found.into_iter().collect();
        let table = LockTable::of_page().unwrap();
        let rows = table
            .0
            .iter()
            .flat_map(|(name, kinds)| kinds.keys().map(move |kind| (name.clone(), *kind)));
        let rows: BTreeSet<_> = rows.collect();
        let missing: Vec<_> = found.difference(&rows).collect();
        let gone: Vec<_> = rows.difference(&found).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "docs/architecture.md, Locks: missing {missing:?}, no longer there {gone:?}"
        );
    }

    #[test]
    fn no_mutex_is_taken_under_a_spinlock() {
        assert_eq!(LockTable::of_page().unwrap().sleepers(), [""; 0]);
        let late = PAGE.replace("| 1 | mutex |", "| 6 | mutex |");
        assert_eq!(LockTable::parse(&late).unwrap().sleepers(), ["pdfs_a"]);
    }

    const PAGE: &str = "| order | kind | names | what they protect |\n|---|---|---|---|\n\
        | 1 | mutex | `pdfs_a` | x |\n| 5 | irq | `podos_b`, `podos_c` | y |\n\
        | 11 | wait queue | `podos_b` | z |\n\nmore\n";

    #[test]
    fn lockdep_agrees_or_is_told() {
        let table = LockTable::parse(PAGE).unwrap();
        let head = "0000000000000001 FD:    1 BD:    1 +.+.: ";
        let good = format!(
            "{head}pdfs_a\n -> [2] podos_b#2\n -> [3] &rq->__lock\n\n{head}podos_b\n -> [9] podos_b#4\n\
             {head}&rq->__lock\n -> [1] podos_c\n"
        );
        assert_eq!(table.faults(&good).unwrap(), [""; 0]);
        let bad = format!("{head}podos_c#2\n -> [1] pdfs_a\n{head}podos_new\n");
        let faults = table.faults(&bad).unwrap();
        assert_eq!(
            faults,
            ["podos_new is not in it", "pdfs_a is taken under podos_c"]
        );
        assert!(table.faults("all lock classes:\n").is_err());
    }

    #[test]
    fn a_table_that_is_wrong_names_its_row() {
        for (from, to, word) in [
            ("| 1 |", "| one |", "order"),
            ("| irq |", "| iraq |", "kind"),
            ("`podos_c`", "`podos_b`", "two rows"),
            ("| order |", "| number |", "no table"),
        ] {
            let error = LockTable::parse(&PAGE.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{error:#}");
        }
    }
}
