// SPDX-License-Identifier: MIT OR Apache-2.0

//! Another machine with this node's host id.

use super::table::Row;
use super::Result;

/// Another machine that has this node's host id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// The hardware address that it was last heard from.
    pub mac: String,
    /// Whether this node keeps silent until the other one is gone; else the other one does.
    pub yielded: bool,
}

impl Namesake {
    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            mac: row.text("mac")?.to_owned(),
            yielded: row.text("state")? == "yielded",
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Cm;

    #[test]
    fn there_is_one_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let cm = Cm::at(dir.path(), dir.path());
        let file = dir.path().join("namesake");
        std::fs::write(&file, "mac state heard_ms\n").unwrap();
        assert_eq!(cm.namesake().unwrap(), None);
        std::fs::write(&file, "mac state heard_ms\n52:54:00:50:00:09 yielded 12\n").unwrap();
        let other = cm.namesake().unwrap().unwrap();
        assert_eq!(other.mac, "52:54:00:50:00:09");
        assert!(other.yielded);
    }
}
