// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node dropped meanwhile, by reason.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};

use crate::support::Machine;

/// Counts by reason.
pub type Drops = BTreeMap<String, u64>;

/// What a node has dropped so far.
pub fn of(node: Machine<'_>) -> Result<Drops> {
    let text = node.sh("cat /sys/kernel/podos/cm/drops")?;
    let row = |line: &str| {
        let (reason, count) = line.split_once(' ')?;
        Some((reason.to_owned(), count.trim().parse().ok()?))
    };
    let rows: Option<Drops> = text.lines().map(row).collect();
    rows.with_context(|| format!("these are no drops: {text}"))
}

/// A node's drops from now on.
pub struct Since<'a> {
    node: Machine<'a>,
    before: Drops,
}

impl<'a> Since<'a> {
    pub fn now(node: Machine<'a>) -> Result<Self> {
        let before = of(node)?;
        Ok(Self { node, before })
    }

    /// An error unless just these frames were dropped, and nothing else was. Reasons in `open_end`
    /// may have been met more often.
    pub fn are(&self, wanted: &Drops, open_end: &[&str]) -> Result<()> {
        let after = of(self.node)?;
        let mut wrong = Vec::new();
        for (reason, count) in &after {
            let dropped = count - self.before.get(reason).copied().unwrap_or(0);
            let right = wanted.get(reason).copied().unwrap_or(0);
            let more = open_end.contains(&reason.as_str()) && dropped > right;
            if dropped != right && !more {
                wrong.push(format!("{reason}: {dropped}, not {right}"));
            }
        }
        for reason in wanted.keys().filter(|reason| !after.contains_key(*reason)) {
            wrong.push(format!("{reason}: there is no such reason"));
        }
        let name = self.node.name();
        ensure!(
            wrong.is_empty(),
            "{name} dropped frames as {}",
            wrong.join("; ")
        );
        Ok(())
    }
}
