// SPDX-License-Identifier: GPL-2.0-only

//! What an endpoint decides, one case after the other.

use podos_proto::cdt::CdtIndex;
use podos_proto::endpoint::{self, Clock, Dropped, Mac, News, Unwanted};
use podos_proto::heard::Heard;
use podos_proto::hello::Hello;
use podos_proto::keys::Mode;
use podos_proto::peer::{association, RailSet};
use podos_proto::tgroup::RailId::{self, *};
use podos_proto::time::Duration;
use podos_proto::wire::{Class, Flags, Header, Kind, ResetReason};
use podos_proto::{Gpid, HostId, Seq};
use podos_proto_fuzz::desk::{Deed, Desk, Tagged, CIRCUITS};
use zerocopy::IntoBytes;

const HERE: Gpid = Gpid::new(HostId::new(1), 1, 0);
const THERE: Gpid = Gpid::new(HostId::new(2), 1, 0);
/// Of the start of CM at the other node.
const INCARNATION: u32 = 70;

fn desk() -> Desk {
    Desk::new(HERE, Mode::Open, 0)
}

fn hello(desk: &mut Desk, from: Gpid, incarnation: u32, rail: RailId, seq: u32) {
    let header = Hello::header(from, Seq::new(seq));
    let hello = Hello::new(rail, 2, incarnation);
    let frame = Tagged::new(Desk::mac(from, rail), &header, hello.as_bytes(), None);
    endpoint::receive(desk, rail, frame);
}

/// An endpoint that has met the other node on both rails.
fn met() -> Desk {
    let mut desk = desk();
    hello(&mut desk, THERE, INCARNATION, R0, 0);
    hello(&mut desk, THERE, INCARNATION, R1, 0);
    desk.deeds.clear();
    desk
}

fn open(desk: &mut Desk, class: Class, active: u16, open_seq: u32) {
    let mut header = Header::new(Kind::Data, class, THERE, HERE);
    header.flags = Flags::OPEN | Flags::TO_PASSIVE | Flags::END;
    header.active = CdtIndex::new(active, 1);
    header.ack = Seq::new(open_seq);
    header.sack = association(INCARNATION, desk.incarnation);
    let frame = Tagged::new(Desk::mac(THERE, R0), &header, b"first", None);
    endpoint::receive(desk, R0, frame);
}

/// The reasons of the resets that were sent since the last call.
fn resets(desk: &mut Desk) -> Vec<ResetReason> {
    let deeds = std::mem::take(&mut desk.deeds);
    let reset = |deed: Deed| match deed {
        Deed::Sent { header, .. } if header.kind == Kind::Reset => {
            Some(ResetReason::from_raw(header.seq))
        }
        _ => None,
    };
    deeds.into_iter().filter_map(reset).collect()
}

/// What was told of rails since the last call: where the packets went, and the rails that they name.
fn reports(desk: &mut Desk) -> Vec<(RailId, Mac, RailSet)> {
    let deeds = std::mem::take(&mut desk.deeds);
    let report = |deed: Deed| match deed {
        Deed::Sent {
            rail,
            to,
            header,
            data,
            ..
        } if header.kind == Kind::Ephemeral => {
            let heard = Heard::decode(&data).expect("it is a report");
            Some((rail, to, heard.rails()))
        }
        _ => None,
    };
    deeds.into_iter().filter_map(report).collect()
}

fn rails<const N: usize>(rails: [RailId; N]) -> RailSet {
    rails.into_iter().collect()
}

#[test]
fn an_open_makes_one_circuit_and_its_copies_none() {
    let mut desk = met();
    open(&mut desk, Class::Test, 5, 1);
    let accepted = Deed::Accepted(
        THERE,
        association(INCARNATION, desk.incarnation),
        Seq::new(1),
    );
    assert_eq!(
        desk.deeds,
        [accepted, Deed::Delivered(THERE, THERE), Deed::Arrived]
    );
    desk.deeds.clear();
    open(&mut desk, Class::Test, 5, 1);
    assert_eq!(desk.deeds, [Deed::Delivered(THERE, THERE)]);
    let index = desk
        .circuits
        .window(0, CIRCUITS)
        .next()
        .map(|(index, _)| index);
    let index = index.expect("a circuit");
    desk.end(index, true);
    desk.deeds.clear();
    open(&mut desk, Class::Test, 5, 1);
    assert_eq!(resets(&mut desk), [ResetReason::NoCircuit]);
}

#[test]
fn who_was_refused_hears_the_same_again() {
    let mut desk = met();
    open(&mut desk, Class::Pdfs, 5, 1);
    assert_eq!(resets(&mut desk), [ResetReason::Refused]);
    // Somebody takes them by now: the opener was told otherwise, or is going to be.
    desk.listeners.push(Class::Pdfs);
    open(&mut desk, Class::Pdfs, 5, 1);
    assert_eq!(resets(&mut desk), [ResetReason::Refused]);
    // One node has as many circuits as it leaves others.
    for number in 0..CIRCUITS as u16 / 2 {
        open(&mut desk, Class::Test, number, 10 + u32::from(number));
    }
    assert_eq!(resets(&mut desk), []);
    open(&mut desk, Class::Test, 90, 90);
    assert_eq!(resets(&mut desk), [ResetReason::Full]);
    desk.cut(|_| true);
    open(&mut desk, Class::Test, 90, 90);
    assert_eq!(resets(&mut desk), [ResetReason::Full]);
    open(&mut desk, Class::Test, 91, 91);
    endpoint::refused(&mut desk, THERE, Seq::new(91), ResetReason::Full);
    desk.cut(|_| true);
    open(&mut desk, Class::Test, 91, 91);
    assert_eq!(resets(&mut desk), [ResetReason::Full]);
}

#[test]
fn no_node_takes_the_whole_table() {
    let mut desk = desk();
    let nodes = [2, 3, 4].map(|host| Gpid::new(HostId::new(host), 1, 0));
    for node in nodes {
        hello(&mut desk, node, INCARNATION, R0, 0);
    }
    let open_from = |desk: &mut Desk, from: Gpid, number: u16| {
        let mut header = Header::new(Kind::Data, Class::Test, from, HERE);
        header.flags = Flags::OPEN | Flags::TO_PASSIVE | Flags::END;
        header.active = CdtIndex::new(number, 1);
        header.ack = Seq::new(number.into());
        header.sack = association(INCARNATION, desk.incarnation);
        let frame = Tagged::new(Desk::mac(from, R0), &header, b"first", None);
        endpoint::receive(desk, R0, frame);
    };
    for node in nodes {
        for number in 0..20 {
            open_from(&mut desk, node, number);
        }
    }
    let of = |desk: &Desk, node: Gpid| {
        let circuits = desk.circuits.window(0, CIRCUITS);
        circuits.filter(|(_, peer)| **peer == node).count()
    };
    assert_eq!(nodes.map(|node| of(&desk, node)), [4, 2, 1]);
    assert_eq!(
        desk.circuits.len(),
        7,
        "there is always room for another node"
    );
    // What ends is free for whoever comes.
    desk.cut(|peer| peer == nodes[0]);
    open_from(&mut desk, nodes[2], 50);
    assert_eq!(nodes.map(|node| of(&desk, node)), [0, 2, 2]);
}

#[test]
fn an_open_of_strangers_is_not_answered() {
    let mut desk = desk();
    open(&mut desk, Class::Test, 5, 1);
    assert_eq!(
        desk.deeds.last(),
        Some(&Deed::Dropped(Dropped::Unwanted(Unwanted::NoCircuit)))
    );
    assert_eq!(resets(&mut desk), []);
}

#[test]
fn between_nodes_that_hear_each_other_nothing_is_said_of_it() {
    let mut desk = met();
    let clock = Clock::new();
    for turn in 1..20 {
        desk.now = desk.now + Duration::from_millis(300);
        for rail in [R0, R1] {
            hello(&mut desk, THERE, INCARNATION, rail, turn);
        }
        clock.mind(&mut desk);
        assert_eq!(reports(&mut desk), []);
    }
}

#[test]
fn a_rail_that_brings_nothing_is_told_of_within_a_second() {
    let mut desk = met();
    let clock = Clock::new();
    let mut told = None;
    for turn in 1..=4_u32 {
        desk.now = desk.now + Duration::from_millis(300);
        hello(&mut desk, THERE, INCARNATION, R0, turn);
        clock.mind(&mut desk);
        let reports = reports(&mut desk);
        if !reports.is_empty() {
            told.get_or_insert(turn);
            // On both rails: either may be the one that works the other way.
            let to = |rail| (rail, Desk::mac(THERE, rail), rails([R0]));
            assert_eq!(reports, [to(R0), to(R1)]);
        }
    }
    assert_eq!(told, Some(3), "hellos until it was told");
    // It is heard again: that is said several times, and then no more.
    hello(&mut desk, THERE, INCARNATION, R1, 4);
    let mut words = 0;
    for turn in 5..30 {
        clock.mind(&mut desk);
        words += reports(&mut desk)
            .iter()
            .filter(|(_, _, heard)| *heard == rails([R0, R1]))
            .count();
        desk.now = desk.now + Duration::from_millis(300);
        for rail in [R0, R1] {
            hello(&mut desk, THERE, INCARNATION, rail, turn);
        }
    }
    assert_eq!(words, 16);
}

fn tell(desk: &mut Desk, seq: u32, heard: RailSet, millis: u64) {
    let header = Heard::header(THERE, HERE, Seq::new(seq));
    let heard = Heard::new(heard, Duration::from_millis(millis));
    let frame = Tagged::new(Desk::mac(THERE, R0), &header, heard.as_bytes(), None);
    desk.deeds.clear();
    endpoint::receive(desk, R0, frame);
}

#[test]
fn a_rail_is_up_when_both_hear_each_other_there() {
    let mut desk = met();
    let clock = Clock::new();
    let node = THERE;
    let up = |desk: &Desk| desk.peers.get(THERE.host()).expect("it is known").rails();
    assert_eq!(up(&desk), rails([R0, R1]));
    tell(&mut desk, 1, rails([R1]), 1000);
    let down = Deed::Told(News::RailDown { node, rail: R0 });
    assert_eq!(desk.deeds, [Deed::Rerouted(THERE.host()), down]);
    assert_eq!(up(&desk), rails([R1]));
    // One that comes too soon after it, and one that was overtaken.
    tell(&mut desk, 2, rails([R0]), 1000);
    assert_eq!((up(&desk), desk.deeds.len()), (rails([R1]), 0));
    desk.now = desk.now + Duration::from_millis(100);
    tell(&mut desk, 0, rails([R0]), 1000);
    assert_eq!((up(&desk), desk.deeds.len()), (rails([R1]), 0));
    tell(&mut desk, 2, RailSet::EMPTY, 1000);
    let silent = Deed::Told(News::Silent { node });
    assert_eq!(desk.deeds, [Deed::Broke(THERE.host()), silent]);
    assert!(endpoint::open(&mut desk, THERE).is_none());
    // It holds for a second.
    desk.now = desk.now + Duration::from_millis(999);
    desk.deeds.clear();
    clock.mind(&mut desk);
    assert!(!desk.peers.is_up(THERE.host()) && desk.deeds.is_empty());
    desk.now = desk.now + Duration::from_millis(1);
    clock.mind(&mut desk);
    assert_eq!(desk.deeds, [Deed::Told(News::Up { node, rail: R0 })]);
    assert!(endpoint::open(&mut desk, THERE).is_some());
}

#[test]
fn frames_for_other_stations_are_not_looked_at() {
    let mut desk = desk();
    let header = Hello::header(THERE, Seq::ZERO);
    let hello = Hello::new(R0, 2, INCARNATION);
    let mut frame = Tagged::new(Desk::mac(THERE, R0), &header, hello.as_bytes(), None);
    frame.foreign = true;
    endpoint::receive(&mut desk, R0, frame);
    assert_eq!(
        desk.deeds,
        [Deed::Dropped(Dropped::Unwanted(Unwanted::Foreign))]
    );
    assert!(desk.peers.is_empty());
}

/// Another machine with the name of [`HERE`], started once more.
fn twin(mode: Mode) -> Desk {
    let mut twin = Desk::new(HERE, mode, 1);
    twin.incarnation = 12;
    // No two machines draw the same nonce.
    twin.sessions.fork(twin.now, twin.incarnation, [77; 32]);
    twin
}

/// Of the interfaces of both, as the other one sees them.
const FIRST_MAC: Mac = [2, 0, 0, 8, 8, 0];
const TWIN_MAC: Mac = [2, 0, 0, 9, 9, 0];

/// What `from` has sent since the last call, as it comes to `to` on rail 0.
fn carry(from: &mut Desk, source: Mac, to: &mut Desk) {
    bring(std::mem::take(&mut from.deeds), source, to);
}

/// What the station `source` has sent, as it comes to `to` on rail 0.
fn bring(said: Vec<Deed>, source: Mac, to: &mut Desk) {
    for deed in said {
        let Deed::Sent {
            rail: R0,
            header,
            data,
            key,
            ..
        } = deed
        else {
            continue;
        };
        let frame = Tagged {
            source,
            bytes: podos_proto_fuzz::desk::frame(&header, &data),
            key: key.unwrap_or_default(),
            foreign: false,
        };
        endpoint::receive(to, R0, frame);
    }
}

/// Whether it was told that there is a twin, and whether the node yields by that.
fn told_of_twin(desk: &Desk) -> Option<bool> {
    desk.deeds.iter().find_map(|deed| match deed {
        Deed::Told(News::Namesake { yields, .. }) => Some(*yields),
        _ => None,
    })
}

#[test]
fn of_two_machines_with_one_name_the_first_goes_on() {
    for mode in [Mode::Open, Mode::Mac] {
        let (mut first, mut second) = (Desk::new(HERE, mode, 1), twin(mode));
        let mut clocks = [Clock::new(), Clock::new()];
        clocks[0].greet(&mut first);
        first.now = first.now + Duration::from_secs(3);
        second.now = first.now;
        first.deeds.clear();
        clocks[1].greet(&mut second);
        // Both hear what the other one says, and what comes of it.
        let (mut told, mut told_second) = (None, None);
        for _ in 0..3 {
            clocks[0].greet(&mut first);
            carry(&mut second, TWIN_MAC, &mut first);
            told = told.or(told_of_twin(&first));
            carry(&mut first, FIRST_MAC, &mut second);
            told_second = told_second.or(told_of_twin(&second));
            first.now = first.now + Duration::from_millis(300);
            second.now = first.now;
        }
        assert_eq!((told, told_second), (Some(false), Some(true)), "{mode}");
        assert!(second.identity.has_yielded() && !first.identity.has_yielded());
        // It says nothing, and takes nothing in.
        second.deeds.clear();
        second.now = second.now + Duration::from_millis(300);
        clocks[1].greet(&mut second);
        clocks[1].mind(&mut second);
        assert_eq!(second.deeds, []);
        hello(&mut second, THERE, INCARNATION, R0, 1);
        assert!(second.peers.is_empty() && resets(&mut second).is_empty());
        // The first is gone.
        second.now = second.now + Duration::from_secs(6);
        clocks[1].greet(&mut second);
        assert_eq!(
            second.deeds.first(),
            Some(&Deed::Told(News::Alone)),
            "{mode}"
        );
        assert!(!second.identity.has_yielded() && second.deeds.len() > 1);
    }
}

/// Two machines of one name, and another node, on one rail.
struct Contest {
    nodes: [Desk; 3],
    clocks: [Clock; 3],
    /// Who is off the network.
    off: [bool; 3],
}

impl Contest {
    const MACS: [Mac; 3] = [FIRST_MAC, TWIN_MAC, [2, 0, 0, 7, 7, 0]];

    fn new(mode: Mode, incarnations: [u32; 2]) -> Self {
        let other = Desk::new(THERE, mode, 1);
        let mut nodes = [Desk::new(HERE, mode, 1), twin(mode), other];
        for ((at, node), incarnation) in nodes.iter_mut().enumerate().zip(incarnations) {
            node.incarnation = incarnation;
            node.sessions
                .fork(node.now, incarnation, [70 + at as u8; 32]);
        }
        let clocks = [const { Clock::new() }; 3];
        let off = [false; 3];
        Self { nodes, clocks, off }
    }

    /// Lets time pass until `done`, but not more than so many ms; whether it is.
    fn run(&mut self, at_most: u64, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..at_most / 50 {
            if done(self) {
                return true;
            }
            for at in 0..3 {
                self.nodes[at].now = self.nodes[at].now + Duration::from_millis(50);
                if !self.off[at] {
                    self.clocks[at].greet(&mut self.nodes[at]);
                    self.clocks[at].mind(&mut self.nodes[at]);
                }
            }
            while (0..3).any(|from| self.spread(from)) {}
        }
        done(self)
    }

    /// What a node has said comes to all, or to whom it was said; whether there was anything.
    fn spread(&mut self, from: usize) -> bool {
        let deeds = std::mem::take(&mut self.nodes[from].deeds);
        let mut any = false;
        for (to, mac) in Self::MACS.into_iter().enumerate() {
            if to == from || self.off[to] {
                continue;
            }
            let heard = |deed: &&Deed| matches!(deed, Deed::Sent { to, .. } if [mac, [0xff; 6]].contains(to));
            let said: Vec<_> = deeds.iter().filter(heard).cloned().collect();
            any |= !said.is_empty();
            bring(said, Self::MACS[from], &mut self.nodes[to]);
        }
        any
    }

    /// Whether the other node takes this machine for host 1, and hears it.
    fn knows(&self, at: usize) -> bool {
        let peers = &self.nodes[2].peers;
        let start = association(0, self.nodes[at].incarnation);
        let up = peers.address(HERE.host(), R0) == Some(Self::MACS[at]);
        up && peers.association_with(HERE.host(), 0) == Some(start)
    }
}

#[test]
fn who_speaks_again_is_let_in_by_those_who_took_another_machine_for_it() {
    for mode in [Mode::Open, Mode::Mac] {
        for incarnations in [[5, 6], [6, 5]] {
            let mut contest = Contest::new(mode, incarnations);
            contest.off[1] = true;
            assert!(contest.run(5000, |contest| contest.knows(0)), "{mode}");
            // The other machine comes while the first is cut off, and is settled when that is back.
            contest.off = [true, false, false];
            assert!(contest.run(5000, |contest| contest.knows(1)), "{mode}");
            contest.run(3000, |_| false);
            contest.off[0] = false;
            let yields = |contest: &Contest, at: usize| contest.nodes[at].identity.has_yielded();
            let mut left = [0, 1].into_iter();
            let decided = |contest: &Contest| yields(contest, 0) != yields(contest, 1);
            assert!(contest.run(1000, decided), "{mode}");
            let winner = left.find(|&at| !yields(&contest, at)).unwrap();
            let what = format!("{mode}, {winner}");
            // Who yields has been a member; who does not goes on as it was.
            let start = contest.nodes[winner].incarnation;
            assert!(
                contest.run(32_000, |contest| contest.knows(winner)),
                "{what}"
            );
            contest.run(20_000, |_| false);
            assert!(contest.knows(winner) && decided(&contest), "{what}");
            assert_eq!(contest.nodes[winner].incarnation, start, "{what}");
            // It goes, and the other one may speak again.
            contest.off[winner] = true;
            let loser = 1 - winner;
            assert!(contest.run(8000, |contest| contest.knows(loser)), "{what}");
        }
    }
}

#[test]
fn a_recording_of_a_node_is_no_twin_of_it() {
    let mut desk = Desk::new(HERE, Mode::Mac, 1);
    let mut clock = Clock::new();
    clock.greet(&mut desk);
    let recorded = desk.deeds.clone();
    desk.now = desk.now + Duration::from_millis(500);
    // As after a restart: nothing is known of what was said before.
    let mut again = Desk::new(HERE, Mode::Mac, 1);
    again.now = desk.now;
    Clock::new().greet(&mut again);
    let mut replayed = Desk::new(HERE, Mode::Mac, 1);
    for _ in 0..3 {
        replayed.deeds.clone_from(&recorded);
        carry(&mut replayed, TWIN_MAC, &mut again);
        // And what it says to that, thrown back.
        let said: Vec<_> = again.deeds.drain(..).collect();
        assert!(said.iter().all(|deed| !matches!(deed, Deed::Told(_))));
        replayed.deeds = said;
        carry(&mut replayed, TWIN_MAC, &mut again);
    }
    assert_eq!(told_of_twin(&again), None);
    assert!(!again.identity.has_yielded());
}

#[test]
fn others_keep_to_the_first_of_two_machines() {
    let mut desk = met();
    let twin = Gpid::new(THERE.host(), 2, 0);
    let header = Hello::header(twin, Seq::ZERO);
    let body = Hello::new(R0, 2, 71);
    let frame = || Tagged::new(TWIN_MAC, &header, body.as_bytes(), None);
    endpoint::receive(&mut desk, R0, frame());
    let dropped = Deed::Dropped(Dropped::Unwanted(Unwanted::Peer));
    assert_eq!(desk.deeds, [dropped]);
    assert_eq!(
        desk.peers.get(THERE.host()).map(|peer| peer.node()),
        Some(THERE)
    );
    // The first is silent: it was the same machine with other interfaces, or is gone.
    desk.now = desk.now + Duration::from_millis(1300);
    desk.deeds.clear();
    endpoint::receive(&mut desk, R0, frame());
    assert_eq!(
        desk.peers.get(THERE.host()).map(|peer| peer.node()),
        Some(twin)
    );
}
