// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who is measured, in what, and what is compared.

use podos_harness::CmMode;

use crate::benches::stack::{mode_name, MODES};
use crate::measure::Key;
use crate::row::{RowSpec, Wanted};

/// What CM's mode `open` is held against.
pub const PEERS: [Who; 3] = [Who::Tcp, Who::Udp, Who::Tipc];

/// What protects its frames as CM's mode `aead` does.
pub const SEALED_PEER: Who = Who::Wireguard;

/// Those that are measured while CM is in a mode.
pub fn contestants(mode: CmMode) -> Vec<Who> {
    let mut contestants = vec![Who::Cm(mode)];
    match mode {
        CmMode::Open => contestants.extend(PEERS.into_iter().chain([Who::PlainTcp])),
        CmMode::Mac => {}
        CmMode::Aead => contestants.push(SEALED_PEER),
    }
    contestants
}

/// A contestant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Cm(CmMode),
    Tcp,
    /// Without offloads: it cuts and joins segments itself, as CM does.
    PlainTcp,
    Udp,
    Tipc,
    /// TCP over WireGuard.
    Wireguard,
}

impl Who {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Cm(mode) => format!("CM {}", mode_name(mode)),
            Self::Tcp => "TCP".into(),
            Self::PlainTcp => "TCP without offloads".into(),
            Self::Wireguard => "TCP over WireGuard".into(),
            Self::Udp => "UDP".into(),
            Self::Tipc => "TIPC".into(),
        }
    }

    /// The one that [`Who::word`] names.
    pub fn find(word: &str) -> Option<Self> {
        Self::all().find(|who| who.word() == word)
    }

    /// Every contestant.
    pub fn all() -> impl Iterator<Item = Self> {
        MODES.into_iter().flat_map(contestants)
    }

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cm(mode) => mode_name(mode),
            Self::PlainTcp => "plain-tcp",
            _ => self.transport(),
        }
    }

    /// What the guest's tool calls it.
    pub fn transport(self) -> &'static str {
        match self {
            Self::Cm(_) => "cm",
            Self::Tcp | Self::PlainTcp => "tcp",
            Self::Wireguard => "wireguard",
            Self::Udp => "udp",
            Self::Tipc => "tipc",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Of messages of so many bytes.
    RoundTrip(u32),
    /// With a first message and its answer.
    SetUp,
    /// On one rail that is as fast as can be; not of UDP, which would only drown its receiver.
    Unshaped,
    /// On one shaped rail; gives the processor time as well.
    OneRail,
    /// On three shaped rails; CM only.
    ThreeRails,
    /// Without user processes; CM only.
    KernelRoundTrip,
}

/// The cases on rails that are as fast as can be.
pub const UNSHAPED: [Case; 4] = [
    Case::RoundTrip(64),
    Case::RoundTrip(1400),
    Case::SetUp,
    Case::Unshaped,
];

impl Case {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::RoundTrip(size) => format!("{size}-byte round trip"),
            Self::SetUp => "set-up with first reply".into(),
            Self::Unshaped => "throughput, one rail, unshaped".into(),
            Self::OneRail => "throughput, one rail, shaped".into(),
            Self::ThreeRails => "throughput, three rails, shaped".into(),
            Self::KernelRoundTrip => "64-byte round trip, kernel to kernel".into(),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::RoundTrip(_) | Self::SetUp | Self::KernelRoundTrip => "µs",
            Self::Unshaped | Self::OneRail | Self::ThreeRails => "Mbit/s",
        }
    }

    /// Whether it is measured of a contestant.
    pub fn has(self, who: Who) -> bool {
        match self {
            Self::Unshaped => who != Who::Udp,
            Self::ThreeRails | Self::KernelRoundTrip => matches!(who, Who::Cm(_)),
            _ => who != Who::PlainTcp,
        }
    }

    /// What ours to the peer's is to be.
    fn wanted(self, ours: Who, peer: Who) -> Option<Wanted> {
        match (self, ours, peer) {
            (Self::RoundTrip(64), Who::Cm(CmMode::Open), Who::Tcp) => Some(Wanted::AtMost(0.85)),
            (Self::SetUp, Who::Cm(CmMode::Open), Who::Tcp) => Some(Wanted::AtMost(0.35)),
            (Self::Unshaped, Who::Cm(CmMode::Open), Who::PlainTcp) => Some(Wanted::AtLeast(1.0)),
            (Self::Unshaped, Who::Cm(CmMode::Aead), SEALED_PEER) => Some(Wanted::AtLeast(1.1)),
            (Self::OneRail, Who::Cm(CmMode::Open), Who::Tcp) => Some(Wanted::AtLeast(1.0)),
            _ => None,
        }
    }

    /// Where the measured number goes.
    pub fn key(self, who: Who) -> Key {
        Key::new(self.name(), who.name())
    }
}

/// Where the processor time per megabyte goes that was measured with a throughput.
pub fn processor_key(case: Case, who: Who) -> Key {
    let rails = match case {
        Case::Unshaped => "one rail, unshaped",
        Case::ThreeRails => "three rails, shaped",
        _ => "one rail, shaped",
    };
    Key::new(format!("processor time per MB, {rails}"), who.name())
}

/// The table.
pub fn rows() -> Vec<RowSpec> {
    let mut rows = Vec::new();
    let mut row = |case: String, unit, ours: Key, peer: Key, wanted| {
        rows.push(RowSpec {
            case,
            unit,
            ours,
            peer,
            wanted,
        });
    };
    for case in UNSHAPED.into_iter().chain([Case::OneRail]) {
        for (ours, peer) in pairs() {
            if !case.has(ours) || !case.has(peer) {
                continue;
            }
            let wanted = case.wanted(ours, peer);
            let (ours, peer) = (case.key(ours), case.key(peer));
            row(case.name(), case.unit(), ours, peer, wanted);
        }
    }
    for case in [Case::Unshaped, Case::OneRail] {
        for (ours, peer) in pairs() {
            if case.has(peer) {
                let wanted = match (case, ours, peer) {
                    (Case::Unshaped, Who::Cm(CmMode::Open), Who::PlainTcp) => {
                        Some(Wanted::AtMost(1.0))
                    }
                    _ => None,
                };
                let (ours, peer) = (processor_key(case, ours), processor_key(case, peer));
                row(ours.case.clone(), "ms/MB", ours, peer, wanted);
            }
        }
    }
    for who in MODES.map(Who::Cm) {
        let (three, one) = (Case::ThreeRails.key(who), Case::OneRail.key(who));
        let wanted = (who == Who::Cm(CmMode::Open)).then_some(Wanted::AtLeast(2.9));
        let case = "throughput, shaped: three rails to one".into();
        row(case, "Mbit/s", three, one, wanted);
    }
    for who in MODES.map(Who::Cm) {
        let (kernel, user) = (Case::KernelRoundTrip, Case::RoundTrip(64));
        let case = "64-byte round trip: kernel to kernel, user to user".into();
        row(case, "µs", kernel.key(who), user.key(who), None);
    }
    rows
}

/// Which contestants are compared in a case.
fn pairs() -> [(Who, Who); 8] {
    let [open, mac, aead] = MODES.map(Who::Cm);
    [
        (open, Who::Tcp),
        (open, Who::PlainTcp),
        (open, Who::Udp),
        (open, Who::Tipc),
        (mac, open),
        (aead, open),
        (aead, Who::Tcp),
        (aead, SEALED_PEER),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_issue_wants_is_in_the_table() {
        let rows = rows();
        let wanted: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let wanted = row.wanted?;
                let (ours, peer) = (&row.ours.who, &row.peer.who);
                Some(format!("{}: {ours} / {peer} {wanted}", row.case))
            })
            .collect();
        assert_eq!(
            wanted,
            [
                "64-byte round trip: CM open / TCP ≤ 0.85",
                "set-up with first reply: CM open / TCP ≤ 0.35",
                "throughput, one rail, unshaped: CM open / TCP without offloads ≥ 1",
                "throughput, one rail, unshaped: CM aead / TCP over WireGuard ≥ 1.1",
                "throughput, one rail, shaped: CM open / TCP ≥ 1",
                "processor time per MB, one rail, unshaped: CM open / TCP without offloads ≤ 1",
                "throughput, shaped: three rails to one: CM open / CM open ≥ 2.9",
            ]
        );
        for who in Who::all().map(Who::name) {
            assert!(rows.iter().any(|r| r.ours.who == who || r.peer.who == who));
        }
    }
}
