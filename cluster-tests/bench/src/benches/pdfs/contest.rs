// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who is measured, in what, and what is compared.

use podos_harness::CmMode;

use super::curves::{sizes, Curve};
use super::SERVER;
use crate::bench::Effort;
use crate::benches::stack::mode_name;
use crate::measure::Key;
use crate::paper_table::{LineSpec, TableSpec, Whose};
use crate::row::{RowSpec, Wanted};

/// The modes of CM that PDFS is measured in: as open as NFS is, and as closed as by default.
pub const MODES: [CmMode; 2] = [CmMode::Open, CmMode::Aead];

/// A contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Pdfs(CmMode),
    Nfs,
    /// Over TCP that cuts and joins its segments itself, as CM does.
    PlainNfs,
    /// Over TCP over WireGuard, which protects with the cipher of CM's mode `aead`.
    SealedNfs,
}

/// Those that are measured while CM is in a mode.
pub fn contestants(mode: CmMode) -> Vec<Who> {
    let mut contestants = vec![Who::Pdfs(mode)];
    match mode {
        CmMode::Open => contestants.extend([Who::Nfs, Who::PlainNfs]),
        CmMode::Mac => {}
        CmMode::Aead => contestants.push(Who::SealedNfs),
    }
    contestants
}

impl Who {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdfs(CmMode::Open) => "PDFS open",
            Self::Pdfs(CmMode::Mac) => "PDFS mac",
            Self::Pdfs(CmMode::Aead) => "PDFS aead",
            Self::Nfs => "NFSv4.2",
            Self::PlainNfs => "NFSv4.2 without offloads",
            Self::SealedNfs => "NFSv4.2 over WireGuard",
        }
    }

    /// Whether it is one of NFS's.
    pub fn is_nfs(self) -> bool {
        !matches!(self, Self::Pdfs(_))
    }

    /// Where its client sees the served directory.
    pub fn path(self) -> String {
        match self {
            Self::Pdfs(_) => format!("/linus{SERVER}{}", super::session::SERVED),
            Self::Nfs | Self::PlainNfs | Self::SealedNfs => super::session::NFS.into(),
        }
    }

    /// Its name as part of a file's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pdfs(mode) => mode_name(mode),
            Self::Nfs => "nfs",
            Self::PlainNfs => "plain-nfs",
            Self::SealedNfs => "sealed-nfs",
        }
    }
}

/// What is measured on rails that are as fast as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A file of so many KB that was never seen.
    Fetch(usize),
    /// A file of so many KB that was fetched just before.
    Again(usize),
    /// A new file of so many KB.
    Store(usize),
    /// Attributes of a name that was never seen.
    Stat,
    /// A directory with the attributes of its files.
    List,
    /// An empty new file.
    Make,
    /// The end of one.
    Remove,
}

/// The sizes of [`Case::Store`], in KB.
pub const STORED: [usize; 2] = [10, 1000];
/// The size of [`Case::Again`], in KB.
pub const AGAIN: usize = 100;

impl Case {
    fn all(effort: Effort) -> Vec<Self> {
        let mut all = Vec::new();
        all.extend(sizes(effort).iter().copied().map(Self::Fetch));
        all.push(Self::Again(AGAIN));
        all.extend(STORED.map(Self::Store));
        all.extend([Self::Stat, Self::List, Self::Make, Self::Remove]);
        all
    }

    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Fetch(size) => format!("fetch {size} KB"),
            Self::Again(size) => format!("fetch {size} KB again"),
            Self::Store(size) => format!("store {size} KB"),
            Self::Stat => "stat of a new name".into(),
            Self::List => "list of a directory, per file".into(),
            Self::Make => "make an empty file".into(),
            Self::Remove => "remove it".into(),
        }
    }

    /// Whether it is measured of a contestant: without offloads the device's part in long answers.
    pub fn has(self, who: Who) -> bool {
        who != Who::PlainNfs || matches!(self, Self::Fetch(_))
    }

    /// What ours to the peer's is to be.
    fn wanted(self, ours: Who, peer: Who) -> Option<Wanted> {
        match (self, ours, peer) {
            (Self::Fetch(1000), Who::Pdfs(CmMode::Open), Who::Nfs) => Some(Wanted::AtMost(1.1)),
            (Self::Fetch(1000), Who::Pdfs(CmMode::Open), Who::PlainNfs) => {
                Some(Wanted::AtMost(0.9))
            }
            (Self::Fetch(1000), Who::Pdfs(CmMode::Aead), Who::SealedNfs) => {
                Some(Wanted::AtMost(1.0))
            }
            _ => None,
        }
    }

    /// Where the measured number goes.
    pub fn key(self, who: Who) -> Key {
        Key::new(self.name(), who.name())
    }
}

/// A system call of the paper's table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Close,
    Read,
}

impl Call {
    /// In the table's order.
    pub const ALL: [Self; 3] = [Self::Open, Self::Close, Self::Read];

    /// As the guest's tool calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Read => "read",
        }
    }

    /// PDFS and NFS in the paper, in ms.
    fn paper(self) -> (f64, f64) {
        match self {
            Self::Open => (1.5, 2.4),
            Self::Close => (0.03, 0.052),
            Self::Read => (6.0, 10.0),
        }
    }

    /// Where the measured number goes.
    pub fn key(self, who: Who) -> Key {
        Key::new(format!("{}() of a 10 KB file", self.word()), who.name())
    }
}

/// The table of ours beside NFS's. Goals of the other cases come with PDFS's own issue.
pub fn rows(effort: Effort) -> Vec<RowSpec> {
    let [open, aead] = MODES.map(Who::Pdfs);
    let mut rows = Vec::new();
    let mut row = |case: String, ours: Key, peer: Key, wanted| {
        rows.push(RowSpec {
            case,
            unit: "ms",
            ours,
            peer,
            wanted,
        });
    };
    for (ours, peer) in [
        (open, Who::Nfs),
        (open, Who::PlainNfs),
        (aead, Who::SealedNfs),
        (aead, Who::Nfs),
        (aead, open),
    ] {
        for case in Case::all(effort).into_iter().filter(|case| case.has(peer)) {
            let wanted = case.wanted(ours, peer);
            row(case.name(), case.key(ours), case.key(peer), wanted);
        }
    }
    for call in Call::ALL {
        let (ours, peer) = (call.key(open), call.key(Who::Nfs));
        row(ours.case.clone(), ours, peer, None);
    }
    for (ours, peer) in Curve::PAIRS {
        for size in sizes(effort) {
            let (ours, peer) = (ours.key(*size), peer.key(*size));
            row(ours.case.clone(), ours, peer, None);
        }
    }
    rows
}

/// The paper's table 4.
pub fn table_4() -> TableSpec {
    let (open, nfs) = (Who::Pdfs(CmMode::Open), Who::Nfs);
    TableSpec {
        name: "table-4",
        title: "Table 4: PDFS seek times",
        unit: "ms",
        ours: Whose {
            paper: "PDFS",
            here: open.name(),
        },
        peer: Whose {
            paper: "NFS",
            here: nfs.name(),
        },
        lines: Call::ALL
            .map(|call| LineSpec {
                what: call.word(),
                paper: call.paper(),
                ours: call.key(open),
                peer: call.key(nfs),
            })
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_are_told_apart_and_a_megabyte_has_goals() {
        let rows = rows(Effort::Full);
        let names: BTreeSet<_> = rows
            .iter()
            .map(|row| format!("{} {} {}", row.case, row.ours.who, row.peer.who))
            .collect();
        assert_eq!(names.len(), rows.len());
        let wanted = rows.iter().filter_map(|row| Some((row, row.wanted?)));
        let wanted: Vec<_> = wanted
            .map(|(row, wanted)| {
                let (ours, peer) = (&row.ours.who, &row.peer.who);
                format!("{}: {ours} / {peer} {wanted}", row.case)
            })
            .collect();
        assert_eq!(
            wanted,
            [
                "fetch 1000 KB: PDFS open / NFSv4.2 ≤ 1.1",
                "fetch 1000 KB: PDFS open / NFSv4.2 without offloads ≤ 0.9",
                "fetch 1000 KB: PDFS aead / NFSv4.2 over WireGuard ≤ 1",
            ]
        );
    }

    #[test]
    fn table_4_is_the_papers() {
        let lines: Vec<_> = table_4()
            .lines
            .iter()
            .map(|line| (line.what, line.paper))
            .collect();
        assert_eq!(
            lines,
            [
                ("open", (1.5, 2.4)),
                ("close", (0.03, 0.052)),
                ("read", (6.0, 10.0))
            ]
        );
    }
}
