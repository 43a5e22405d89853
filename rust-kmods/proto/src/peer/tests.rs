// SPDX-License-Identifier: GPL-2.0-only

//! Nodes that come, go, reboot and lose rails.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::tgroup::RailId::*;

/// Host 2, of which nearly all here is about.
const TWO: HostId = HostId::new(2);
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x50, 0, 2];

fn peers(room: usize) -> Peers<Vec<PeerSlot>> {
    Peers::new((0..room).map(|_| PeerSlot::new()).collect())
}

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn node(boot: u16) -> Gpid {
    Gpid::new(TWO, boot, 0)
}

fn lost(peers: &mut Peers<Vec<PeerSlot>>, millis: u64) -> Vec<Change> {
    std::iter::from_fn(|| peers.next_change(at(millis))).collect()
}

#[test]
fn rails_come_and_go() {
    let mut peers = peers(4);
    assert!(!peers.is_up(TWO));
    assert_eq!(
        peers.heard(at(0), Gpid::new(TWO, 1, 500), R0, MAC),
        Event::New
    );
    assert_eq!(peers.heard(at(100), node(1), R2, MAC), Event::RailUp);
    assert_eq!(peers.heard(at(600), node(1), R2, MAC), Event::None);
    assert_eq!(
        peers.get(TWO).unwrap().rails().iter().collect::<Vec<_>>(),
        [R0, R2]
    );
    assert_eq!(peers.get(TWO).unwrap().rail(R2).mac, MAC);
    assert_eq!(lost(&mut peers, 1199), []);
    assert_eq!(
        lost(&mut peers, 1200),
        [Change::RailDown {
            node: node(1),
            rail: R0
        }]
    );
    assert_eq!(lost(&mut peers, 1200), []);
    assert!(peers.is_up(TWO));
    assert_eq!(lost(&mut peers, 1800), [Change::Down { node: node(1) }]);
    assert!(!peers.is_up(TWO) && peers.get(TWO).unwrap().rails().is_empty());
    assert_eq!(peers.heard(at(5000), node(1), R0, MAC), Event::Up);
}

#[test]
fn all_rails_at_once_are_one_death() {
    let mut peers = peers(4);
    for rail in [R0, R1, R2] {
        peers.heard(at(0), node(1), rail, MAC);
    }
    let lost = lost(&mut peers, 2000);
    let down = [R0, R1].map(|rail| Change::RailDown {
        node: node(1),
        rail,
    });
    assert_eq!(lost, vec![down[0], down[1], Change::Down { node: node(1) }]);
}

#[test]
fn a_reboot_forgets_and_the_past_cannot_return() {
    let mut peers = peers(4);
    peers.heard(at(0), node(7), R0, MAC);
    peers.heard(at(0), node(7), R1, MAC);
    assert_eq!(peers.accept_open(TWO, Seq::new(50)), OpenCheck::Fresh);
    assert_eq!(peers.accept_open(TWO, Seq::new(50)), OpenCheck::Duplicate);
    assert_eq!(peers.heard(at(10), node(8), R1, MAC), Event::Rebooted);
    assert_eq!(
        peers.get(TWO).unwrap().rails().iter().collect::<Vec<_>>(),
        [R1]
    );
    assert_eq!(peers.accept_open(TWO, Seq::new(50)), OpenCheck::Fresh);
    assert_eq!(peers.heard(at(11), node(7), R0, MAC), Event::Ignored);
    assert_eq!(peers.get(TWO).unwrap().node(), node(8));
}

#[test]
fn a_boot_number_that_comes_back_is_let_in() {
    let mut peers = peers(4);
    let mut hello = |millis, boot, incarnation| {
        let hello = Hello::new(R0, 3, incarnation);
        peers.hello(at(millis), node(boot), R0, MAC, (Seq::ZERO, &hello))
    };
    assert_eq!(hello(0, 7, 10), Event::New);
    assert_eq!(hello(1, 8, 20), Event::Rebooted);
    // Its disk was rolled back: boot 7 again, and nothing else that is old.
    assert_eq!(hello(2, 7, 10), Event::Ignored);
    assert_eq!(hello(3, 7, 30), Event::Rebooted);
    assert_eq!(hello(4, 8, 20), Event::Ignored);
    assert_eq!(hello(5, 7, 30), Event::None);
    assert_eq!(hello(6, 8, 40), Event::Rebooted);
    assert_eq!(hello(7, 7, 30), Event::Ignored);
    assert_eq!(hello(8, 7, 10), Event::Ignored);
    // What does not tell its start waits for a hello.
    assert_eq!(peers.heard(at(9), node(7), R0, MAC), Event::Ignored);
    assert_eq!(peers.heard(at(9), node(8), R0, MAC), Event::None);
}

#[test]
fn who_was_replaced_and_is_there_is_let_in() {
    let mut peers = peers(4);
    let (first, other) = (Hello::new(R0, 1, 10), Hello::new(R0, 1, 20));
    let mut hello =
        |millis, hello: &Hello| peers.hello(at(millis), node(7), R0, MAC, (Seq::ZERO, hello));
    assert_eq!(hello(0, &first), Event::New);
    // It was cut off, and another machine of its name was heard for it, which has gone.
    assert_eq!(hello(2000, &other), Event::Rebooted);
    assert_eq!(hello(11_999, &first), Event::Ignored);
    assert_eq!(hello(12_000, &first), Event::Rebooted);
    assert_eq!(hello(12_001, &other), Event::Ignored);
}

#[test]
fn who_is_let_in_again_opens_nothing_twice() {
    let mut peers = peers(4);
    let hello = |peers: &mut Peers<Vec<PeerSlot>>, millis, boot, incarnation| {
        let hello = Hello::new(R0, 1, incarnation);
        peers.hello(at(millis), node(boot), R0, MAC, (Seq::ZERO, &hello))
    };
    let open = |peers: &mut Peers<Vec<PeerSlot>>, seq| peers.accept_open(TWO, Seq::new(seq));
    hello(&mut peers, 0, 7, 10);
    assert_eq!(open(&mut peers, 5), OpenCheck::Fresh);
    assert_eq!(hello(&mut peers, 1000, 8, 20), Event::Rebooted);
    assert_eq!(open(&mut peers, 5), OpenCheck::Fresh);
    assert_eq!(hello(&mut peers, 11_000, 7, 10), Event::Rebooted);
    for seen in [5, 4, 1] {
        assert_eq!(open(&mut peers, seen), OpenCheck::Duplicate, "{seen}");
    }
    assert_eq!(open(&mut peers, 6), OpenCheck::Fresh);
    // Also if it does not tell at once which start it is.
    assert_eq!(hello(&mut peers, 12_000, 8, 30), Event::Rebooted);
    assert_eq!(peers.heard(at(22_000), node(7), R0, MAC), Event::Rebooted);
    assert_eq!(hello(&mut peers, 22_001, 7, 10), Event::None);
    assert_eq!(open(&mut peers, 6), OpenCheck::Duplicate);
    assert_eq!(open(&mut peers, 7), OpenCheck::Fresh);
    // And however often.
    for turn in 1..20 {
        assert_eq!(
            hello(&mut peers, 22_001 + turn * 22_000, 8, 30),
            Event::Rebooted
        );
        assert_eq!(
            hello(&mut peers, 33_001 + turn * 22_000, 7, 10),
            Event::Rebooted
        );
        assert_eq!(open(&mut peers, 7), OpenCheck::Duplicate);
    }
}

#[test]
fn a_reloaded_cm_is_like_a_reboot() {
    let mut peers = peers(4);
    assert_eq!(
        peers.hello(at(0), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10))),
        Event::New
    );
    assert_eq!(
        peers.hello(at(1), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10))),
        Event::None
    );
    peers.accept_open(TWO, Seq::new(1));
    peers.heard(at(2), node(1), R1, MAC);
    assert_eq!(
        peers.hello(at(3), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 11))),
        Event::Rebooted
    );
    assert_eq!(peers.accept_open(TWO, Seq::new(1)), OpenCheck::Fresh);
    assert_eq!(
        peers.get(TWO).unwrap().rails().iter().collect::<Vec<_>>(),
        [R0]
    );
    assert_eq!(
        peers.hello(at(4), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10))),
        Event::Ignored
    );
}

#[test]
fn the_first_frame_need_not_be_a_hello() {
    let mut peers = peers(4);
    peers.heard(at(0), node(1), R0, MAC);
    assert_eq!(
        peers.hello(at(1), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10))),
        Event::None
    );
}

#[test]
fn who_leaves_is_down_at_once() {
    let mut peers = peers(4);
    peers.hello(at(0), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10)));
    peers.heard(at(0), node(1), R1, MAC);
    assert_eq!(
        peers.hello(
            at(5),
            node(1),
            R0,
            MAC,
            (Seq::ZERO, &Hello::new(R0, 3, 10).leaving())
        ),
        Event::Left
    );
    assert!(!peers.is_up(TWO));
    // The same farewell on another rail, or a hello that it overtook, revives nobody.
    assert_eq!(
        peers.hello(
            at(6),
            node(1),
            R1,
            MAC,
            (Seq::ZERO, &Hello::new(R1, 3, 10).leaving())
        ),
        Event::Ignored
    );
    assert_eq!(
        peers.hello(at(6), node(1), R1, MAC, (Seq::ZERO, &Hello::new(R1, 3, 10))),
        Event::Ignored
    );
    // So does any other frame that is late.
    assert_eq!(peers.heard(at(7), node(1), R1, MAC), Event::Ignored);
    assert_eq!(
        peers.hello(
            at(900),
            node(1),
            R1,
            MAC,
            (Seq::ZERO, &Hello::new(R1, 3, 11))
        ),
        Event::Up
    );
}

#[test]
fn open_sequences_never_repeat() {
    let mut peers = peers(4);
    assert_eq!(peers.next_open_seq(TWO), None);
    assert_eq!(peers.accept_open(TWO, Seq::new(1)), OpenCheck::Old);
    peers.heard(at(0), node(1), R0, MAC);
    assert_eq!(
        (peers.next_open_seq(TWO), peers.next_open_seq(TWO)),
        (Some(Seq::new(1)), Some(Seq::new(2)))
    );
    peers.heard(at(0), node(2), R0, MAC);
    assert_eq!(peers.next_open_seq(TWO), Some(Seq::new(3)));
}

#[test]
fn what_does_not_fit_is_ignored() {
    let mut peers = peers(1);
    assert!(peers.is_empty());
    peers.heard(at(0), node(1), R0, MAC);
    assert_eq!(
        peers.heard(at(0), Gpid::new(HostId::new(3), 1, 0), R0, MAC),
        Event::Ignored
    );
    assert_eq!((peers.len(), peers.iter().count()), (1, 1));
}

#[test]
fn opens_count_between_nodes_that_know_each_other() {
    const OWN: u32 = 77;
    let mut peers = peers(4);
    assert_eq!(peers.association_with(TWO, OWN), None);
    // Heard, but it has not said yet which start of its CM this is.
    peers.heard(at(0), node(1), R0, MAC);
    assert_eq!(peers.association_with(TWO, OWN), None);
    assert!(!peers.is_acquainted(TWO, OWN, association(0, OWN)));
    peers.hello(at(0), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 10)));
    assert_eq!(peers.association_with(TWO, OWN), Some(association(OWN, 10)));
    assert!(peers.is_acquainted(TWO, OWN, association(10, OWN)));
    // The other way round, or with a former self of either, it is another one.
    for (opener, acceptor) in [(OWN, 10), (11, OWN), (10, OWN + 1), (9, OWN)] {
        assert!(!peers.is_acquainted(TWO, OWN, association(opener, acceptor)));
    }
    peers.hello(at(3), node(1), R0, MAC, (Seq::ZERO, &Hello::new(R0, 3, 11)));
    assert!(!peers.is_acquainted(TWO, OWN, association(10, OWN)));
    assert!(peers.is_acquainted(TWO, OWN, association(11, OWN)));
}

/// What happens to the table of peers, of one or another of two hosts.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Heard {
        boot: u16,
        mac: u8,
    },
    Hello {
        boot: u16,
        mac: u8,
        incarnation: u32,
        mtu: u16,
        leaves: bool,
    },
    Told {
        rails: u8,
        valid: u16,
    },
    Expelled,
    Looked,
}

fn deeds() -> impl Strategy<Value = (u8, u8, u16, Deed)> {
    let deed = prop_oneof![
        6 => (1u16..3, 0u8..3).prop_map(|(boot, mac)| Deed::Heard { boot, mac }),
        4 => (1u16..3, 0u8..3, 1u32..3, 0u16..2, proptest::bool::weighted(0.1)).prop_map(
            |(boot, mac, incarnation, mtu, leaves)| Deed::Hello {
                boot,
                mac,
                incarnation,
                mtu: 1500 + mtu,
                leaves,
            }
        ),
        1 => (0u8..8, 0u16..2000).prop_map(|(rails, valid)| Deed::Told { rails, valid }),
        1 => Just(Deed::Expelled),
        4 => Just(Deed::Looked),
    ];
    (0u8..2, 0u8..3, 0u16..700, deed)
}

/// A rail to a host: whose it is, its address and its room.
type Way = (Option<Gpid>, RailId, Option<[u8; 6]>, u16);

/// The ways to the two hosts.
fn ways(peers: &Peers<Vec<PeerSlot>>) -> Vec<Way> {
    let local = PerRail::from_fn(|_| {
        Some(LocalRail {
            mtu: 9000,
            queued_bytes: 0,
        })
    });
    let hosts = [TWO, HostId::new(3)];
    let ways = hosts.iter().flat_map(|host| {
        let mut view = RailView::EMPTY;
        peers.add_rails(*host, false, &local, &mut view);
        let node = peers.get(*host).map(Peer::node);
        let way = move |rail| (node, rail, peers.address(*host, rail), view.room(rail));
        [R0, R1, R2].map(way)
    });
    ways.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever keeps what the table told, and who was heard where, needs no other look at it while its
    /// version is the same.
    #[test]
    fn the_version_tells_of_every_change(deeds in proptest::collection::vec(deeds(), 1..120)) {
        let mut peers = peers(4);
        let (mut now, mut hellos, mut reports) = (0, Seq::ZERO, Seq::ZERO);
        // Who was heard, where, and when the table had which version.
        let mut heard: Vec<(u32, Gpid, RailId, [u8; 6])> = Vec::new();
        for (host, rail, after, deed) in deeds {
            now += u64::from(after);
            let host = HostId::new(2 + u32::from(host));
            let rail = [R0, R1, R2][usize::from(rail)];
            let (before, version) = (ways(&peers), peers.version());
            match deed {
                Deed::Heard { boot, mac } => {
                    let (from, mac) = (Gpid::new(host, boot, 0), [2, 0, 0, 0, host.raw() as u8, mac]);
                    if peers.heard(at(now), from, rail, mac) == Event::None {
                        heard.push((version, from, rail, mac));
                    }
                }
                Deed::Hello { boot, mac, incarnation, mtu, leaves } => {
                    let (from, mac) = (Gpid::new(host, boot, 0), [2, 0, 0, 0, host.raw() as u8, mac]);
                    hellos = hellos.next();
                    let hello = Hello::new(rail, 3, incarnation).with_mtu(mtu);
                    let hello = if leaves { hello.leaving() } else { hello };
                    peers.hello(at(now), from, rail, mac, (hellos, &hello));
                }
                Deed::Told { rails, valid } => {
                    let from = peers.get(host).map_or(Gpid::new(host, 1, 0), Peer::node);
                    reports = reports.next();
                    let rails = [R0, R1, R2].into_iter().filter(|rail| rails >> rail.index() & 1 != 0);
                    let valid = Duration::from_millis(valid.into());
                    peers.told(at(now), from, reports, rails.collect(), valid);
                }
                Deed::Expelled => {
                    peers.expel(host);
                }
                Deed::Looked => drop(lost(&mut peers, now)),
            }
            if ways(&peers) != before {
                prop_assert_ne!(peers.version(), version, "{:?}", deed);
            }
            for (version, from, rail, mac) in &heard {
                if *version == peers.version() {
                    let event = peers.clone().heard(at(now), *from, *rail, *mac);
                    prop_assert_eq!(event, Event::None);
                }
            }
        }
    }
}
