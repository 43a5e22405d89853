// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who is measured, in what, and what is compared.

use podos_harness::CmMode;

use super::{ssh, SERVER};
use crate::benches::stack::mode_name;
use crate::measure::Key;
use crate::paper_table::{LineSpec, TableSpec, Whose};
use crate::row::RowSpec;

/// The client of the rsh-like server: a link to the guest's tool, which goes by its name.
pub const REXEC: &str = "/tmp/rexec";

/// A contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Gipc(CmMode),
    Rexec,
    Ssh,
}

/// Ours and the peer beside it, for each mode of CM.
pub const PAIRS: [(CmMode, Who); 2] = [(CmMode::Open, Who::Rexec), (CmMode::Aead, Who::Ssh)];

impl Who {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gipc(CmMode::Open) => "GIPC open",
            Self::Gipc(CmMode::Mac) => "GIPC mac",
            Self::Gipc(CmMode::Aead) => "GIPC aead",
            Self::Rexec => "rexec (TCP)",
            Self::Ssh => "ssh",
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gipc(mode) => mode_name(mode),
            Self::Rexec => "rexec",
            Self::Ssh => "ssh",
        }
    }

    /// The command line that runs `command`, whose words have nothing that a shell minds.
    pub fn line(self, command: &[&str]) -> Vec<String> {
        let (host, node) = (SERVER.to_string(), format!("linus{SERVER}"));
        let (before, command): (Vec<&str>, _) = match self {
            Self::Gipc(_) => (vec!["podos", "run", &node, "--"], command.to_vec()),
            Self::Rexec => (vec![REXEC, &host], command.to_vec()),
            Self::Ssh => return ssh::line(command),
        };
        let words = before.into_iter().chain(command);
        words.map(str::to_owned).collect()
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A command line from its start to its end.
    Launch,
    /// The same, of a program whose file is at the caller's node; GIPC only.
    LaunchFromHere,
    /// A program from a process that runs already; not of ssh, which is a program of its own.
    Exec,
    /// 64 bytes through a program.
    Echo,
    /// What a program writes.
    Output,
}

/// All of them.
pub const CASES: [Case; 5] = [
    Case::Launch,
    Case::LaunchFromHere,
    Case::Exec,
    Case::Echo,
    Case::Output,
];

impl Case {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::LaunchFromHere => "launch, the program from the caller's node",
            Self::Exec => "launch from a process that runs",
            Self::Echo => "64-byte round trip through a program",
            Self::Output => "output of a program",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Launch | Self::LaunchFromHere | Self::Exec => "ms",
            Self::Echo => "µs",
            Self::Output => "Mbit/s",
        }
    }

    /// Whether it is measured of a contestant.
    pub fn has(self, who: Who) -> bool {
        match self {
            Self::LaunchFromHere => matches!(who, Who::Gipc(_)),
            Self::Exec => who != Who::Ssh,
            _ => true,
        }
    }

    /// Where the measured number goes.
    pub fn key(self, who: Who) -> Key {
        Key::new(self.name(), who.name())
    }
}

/// The table of ours beside peers'. It has no goals: they come with GIPC's own issue.
pub fn rows() -> Vec<RowSpec> {
    let [open, aead] = PAIRS.map(|(mode, _)| Who::Gipc(mode));
    let row = |case: &str, unit, ours, peer| RowSpec {
        case: case.to_owned(),
        unit,
        ours,
        peer,
        wanted: None,
    };
    let pairs = [(open, Who::Rexec), (aead, Who::Ssh), (aead, open)];
    let compared = pairs.iter().flat_map(|(ours, peer)| {
        CASES
            .iter()
            .filter(|case| case.has(*ours) && case.has(*peer))
            .map(|case| row(case.name(), case.unit(), case.key(*ours), case.key(*peer)))
    });
    let from_here = [open, aead].map(|who| {
        let (ours, peer) = (Case::LaunchFromHere.key(who), Case::Launch.key(who));
        row(
            "launch: from the caller's node, from its own",
            "ms",
            ours,
            peer,
        )
    });
    compared.chain(from_here).collect()
}

/// What the paper's section 5.5 tells of GIPC and of Berkeley's REXEC.
pub fn section_5_5() -> TableSpec {
    let (open, rexec) = (Who::Gipc(CmMode::Open), Who::Rexec);
    TableSpec {
        name: "section-5-5",
        title: "Section 5.5: a null program and its results",
        unit: "ms",
        ours: Whose {
            paper: "GIPC",
            here: open.name(),
        },
        peer: Whose {
            paper: "REXEC",
            here: rexec.name(),
        },
        lines: vec![LineSpec {
            what: "launch",
            paper: (130.0, 160.0),
            ours: Case::Launch.key(open),
            peer: Case::Launch.key(rexec),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let line = |who: Who| who.line(&["/bin/echo", "ok"]).join(" ");
        assert_eq!(
            line(Who::Gipc(CmMode::Open)),
            "podos run linus2 -- /bin/echo ok"
        );
        assert_eq!(line(Who::Rexec), "/tmp/rexec 2 /bin/echo ok");
        assert!(line(Who::Ssh).ends_with("root@10.80.0.2 /bin/echo ok"));
    }

    #[test]
    fn rows_compare_what_is_measured() {
        let measured: Vec<_> = PAIRS
            .iter()
            .flat_map(|(mode, peer)| [Who::Gipc(*mode), *peer])
            .flat_map(|who| {
                let cases = CASES.iter().filter(move |case| case.has(who));
                cases.map(move |case| case.key(who))
            })
            .collect();
        for row in rows() {
            assert!(measured.contains(&row.ours), "{}", row.ours);
            assert!(measured.contains(&row.peer), "{}", row.peer);
            assert!(row.wanted.is_none());
        }
    }
}
