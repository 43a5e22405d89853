// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node's processor has executed, as the plugin of QEMU counts it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{IoContext, Result};

/// Executed instructions, by the address at which their block begins.
///
/// Programs that have the same address count as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instructions(BTreeMap<u64, u64>);

impl Instructions {
    /// Reads the plugin's file: pairs of an address and a count, up to the address 0.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).context(|| format!("read {}", path.display()))?;
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Self {
        let pairs = bytes.chunks_exact(16).map(|pair| {
            let (address, count) = pair.split_at(8);
            let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            (word(address), word(count))
        });
        Self(pairs.take_while(|(address, _)| *address != 0).collect())
    }

    /// What was executed since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let more = self.0.iter().filter_map(|(address, count)| {
            let before = earlier.0.get(address).copied().unwrap_or(0);
            Some((
                *address,
                count.checked_sub(before).filter(|more| *more > 0)?,
            ))
        });
        Self(more.collect())
    }

    /// The addresses, ascending, with what was executed there.
    pub fn blocks(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(address, count)| (*address, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pairs: &[(u64, u64)]) -> Vec<u8> {
        let words = pairs.iter().flat_map(|(address, count)| [*address, *count]);
        words.flat_map(u64::to_ne_bytes).collect()
    }

    #[test]
    fn only_what_came_since_is_told() {
        let before = Instructions::parse(&bytes(&[(7, 10), (3, 4), (0, 0)]));
        let after = Instructions::parse(&bytes(&[(7, 25), (3, 4), (9, 1), (0, 0), (5, 5)]));
        assert_eq!(
            after.since(&before).blocks().collect::<Vec<_>>(),
            [(7, 15), (9, 1)]
        );
        assert_eq!(after.since(&Instructions::default()), after);
        // Of a node that was booted anew.
        assert_eq!(before.since(&after), Instructions::default());
    }

    #[test]
    fn a_file_may_be_short() {
        assert_eq!(
            Instructions::parse(&bytes(&[(7, 10)])[..15]),
            Instructions::default()
        );
        let error = Instructions::read(Path::new("/nowhere/counts")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/counts"), "{error}");
    }
}
