// SPDX-License-Identifier: GPL-2.0-only

//! Circuits over several rails that differ, break and come back.

use super::*;
use net::segments_of;

use crate::wire::MIN_PIECE;

fn groups() -> impl Strategy<Value = GroupKind> {
    proptest::sample::select(GroupKind::ALL.to_vec())
}

/// A rail that is cut up to three times in the first seconds, some cuts too short to be noticed; it
/// is fit for segments of up to `most` bytes.
///
/// All pieces of a segment must come through, so that where it needs many a rail must not lose too
/// much.
fn rail(most: usize) -> impl Strategy<Value = Rail> {
    let cut = (0u64..4_000, prop_oneof![1u64..200, 500u64..3_000]);
    (
        MIN_PIECE as u16..2_000,
        20u64..2_000,
        prop_oneof![Just(0u64), 1_000_000u64..20_000_000],
        faults(),
        proptest::collection::vec(cut, 0..3),
    )
        .prop_map(move |(room, latency, rate, faults, cuts)| Rail {
            room,
            latency: Duration::from_micros(latency),
            rate,
            faults: if most > usize::from(room) * 2 {
                Faults {
                    loss_percent: faults.loss_percent / 2,
                    ..faults
                }
            } else {
                faults
            },
            cuts: cuts
                .into_iter()
                .map(|(start, length)| (at(start), at(start + length)))
                .collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_cross_any_rails(
        (most, rails) in prop_oneof![Just(60usize), Just(1_400), Just(8_952)]
            .prop_flat_map(|most| (Just(most), proptest::collection::vec(rail(most), 1..5))),
        groups in [groups(), groups()],
        seed: u64,
        window in 1u16..=64,
        counts in [0usize..150, 0usize..150],
        read_every in [0u64..20_000, 0u64..20_000],
    ) {
        let cfg = Config { window, ..patient() };
        let mut scripts = [
            Script::sends(segments_of(counts[0] + 1, most, seed)),
            Script::sends(segments_of(counts[1], most, !seed)),
        ];
        for (script, micros) in scripts.iter_mut().zip(read_every) {
            script.read_every = Duration::from_micros(micros);
        }
        let mut world = World::on_rails(cfg, groups[0], rails, seed, scripts);
        world.answer_by(groups[1]);
        world.run(at(50_000_000));
        world.assert_complete();
    }

    /// In `open` mode nothing checks what the rails did to a frame.
    #[test]
    fn broken_frames_break_nothing_else(
        mut rails in proptest::collection::vec(rail(3_000), 1..4),
        groups in [groups(), groups()],
        flip_percent in 1u64..60,
        seed: u64,
        counts in [0usize..150, 0usize..150],
    ) {
        for rail in &mut rails {
            rail.faults.flip_percent = flip_percent;
        }
        let scripts = [
            Script::sends(segments_of(counts[0] + 1, 3_000, seed)),
            Script::sends(segments_of(counts[1], 3_000, !seed)),
        ];
        let mut world = World::on_rails(Config::default(), groups[0], rails, seed, scripts);
        world.answer_by(groups[1]);
        world.run(at(60_000));
        prop_assert!(world.nodes.iter().all(|node| node.received.len() <= 1_000));
    }
}

/// Rails of 100 Mbit/s with a round trip of 1 ms, so that something is always under way.
fn three_rails() -> Vec<Rail> {
    let rail = Rail {
        latency: Duration::from_micros(500),
        rate: 12_500_000,
        ..Rail::perfect()
    };
    vec![rail; 3]
}

/// Runs a long transfer in both directions during which some of three rails are cut for good; the
/// longest time that a reader got nothing.
fn transfer_with_cut(group: GroupKind, cut: &[usize], seed: u64) -> (Duration, World) {
    let mut rails = three_rails();
    for rail in cut {
        rails[*rail].cuts.push((at(10), at(1_000_000)));
    }
    let scripts = [script_of(1_500, seed), script_of(1_500, !seed)];
    let mut world = World::on_rails(patient(), group, rails, seed, scripts);
    world.run(at(900_000));
    world.assert_complete();
    let gaps = world.nodes.iter().map(|node| node.longest_gap);
    (gaps.max().unwrap(), world)
}

fn script_of(count: usize, seed: u64) -> Script {
    Script::sends(segments_of(count, 1_452, seed))
}

#[test]
fn a_rail_that_dies_silently_costs_little() {
    for group in GroupKind::ALL {
        for cut in [[0].as_slice(), &[1], &[2], &[0, 1], &[1, 2], &[0, 2]] {
            for seed in 0..2 {
                let (gap, _) = transfer_with_cut(group, cut, seed);
                assert!(
                    gap < Duration::from_millis(400),
                    "{group:?} without {cut:?}: {gap:?}"
                );
            }
        }
    }
}

#[test]
fn a_short_request_finds_another_rail() {
    for group in GroupKind::ALL {
        for seed in 0..3 {
            let mut rails = three_rails();
            // Nobody knows yet that this is the only one that works.
            rails[0].cuts.push((at(0), at(1_000_000)));
            rails[2].cuts.push((at(0), at(1_000_000)));
            let scripts = [script_of(1, seed), script_of(1, seed)];
            let mut world = World::on_rails(Config::default(), group, rails, seed, scripts);
            world.run(at(10_000));
            world.assert_complete();
            let took = world.nodes[0].last_received;
            assert!(took < at(1_000), "{group:?}: {took:?}");
        }
    }
}

#[test]
fn what_is_under_way_on_a_lost_rail_goes_over_another_at_once() {
    for group in GroupKind::ALL {
        let (mut a, mut b) = pair_over(group, &rails_view(0b011));
        for number in 0..16 {
            a.send(0, false, vec![number]).unwrap();
        }
        let mut came = 0;
        while let Some(out) = a.poll_transmit(at(20), &rails_view(0b011)) {
            if out.rail == R1 {
                let (header, data) = (out.header, data(&out));
                b.receive(at(20), R1, &header, data);
                came += 1;
            }
        }
        let mut again = 0;
        while let Some(out) = a.poll_transmit(at(21), &rails_view(0b110)) {
            assert!(out.rail == R1 || out.rail == R2);
            let (header, data, rail) = (out.header, data(&out), out.rail);
            b.receive(at(21), rail, &header, data);
            again += 1;
        }
        assert_eq!(came + again, 16, "{group:?}");
        assert_eq!(a.stats().timeouts, 0);
        let got: Vec<u8> = core::iter::from_fn(|| b.recv())
            .map(|segment| segment.payload[0])
            .collect();
        assert_eq!(got, (0..16).collect::<Vec<u8>>());
    }
}

#[test]
fn both_directions_of_a_circuit_share_a_rail() {
    let view = rails_view(0b111);
    for turn in 0..3 {
        let mut a = opener_over(Group::new(GroupKind::RoundRobin, turn));
        a.send(0, true, vec![1]).unwrap();
        let out = a.poll_transmit(at(1), &view).unwrap();
        let (rail, header, payload) = (out.rail, out.header, data(&out));
        assert_eq!(rail.index(), turn as usize);
        let group = Group::new(GroupKind::RoundRobin, 2 * turn + 5);
        let mut b = Circuit::accept(
            &Config::default(),
            group,
            &header,
            Gpid::new(HostId::new(2), 1, 6),
            PASSIVE,
        );
        b.receive(at(1), rail, &header, payload);
        b.send(0, true, vec![2]).unwrap();
        assert_eq!(b.poll_transmit(at(1), &view).unwrap().rail, rail);
        assert_eq!((a.rail(), b.rail()), (Some(rail), Some(rail)));
    }
}

#[test]
fn acknowledgements_go_back_the_way_that_works() {
    let (mut a, mut b) = pair_over(GroupKind::Single, &rails_view(0b001));
    let view = rails_view(0b111);
    for number in 0..16 {
        a.send(0, false, vec![number]).unwrap();
    }
    while let Some(out) = a.poll_transmit(at(20), &view) {
        let (header, data) = (out.header, data(&out));
        b.receive(at(20), R2, &header, data);
    }
    assert_eq!(b.poll_transmit(at(20), &view).unwrap().rail, R2);
}

#[test]
fn without_a_rail_nothing_is_lost() {
    let mut a = opener();
    a.send(0, true, vec![1]).unwrap();
    let none = RailView::EMPTY;
    assert_eq!(a.segment_room(&none), 0);
    assert!(a.poll_transmit(at(1), &none).is_none());
    let mut now = at(1);
    for _ in 0..5 {
        now = a.deadline().expect("it looks for a rail again");
        assert_eq!(a.on_timeout(now), Activity::NONE);
        assert!(a.poll_transmit(now, &none).is_none());
    }
    assert!(now > at(100) && now < at(3_000), "{now:?}");
    let frames = drain(&mut a, now);
    assert!(frames[0].0.opens());
    assert_eq!((a.stats().sent, a.stats().retransmitted), (1, 0));

    // An acknowledgement that finds no rail does not make the owner run in circles.
    let (mut a, mut b) = pair();
    a.send(0, true, vec![1]).unwrap();
    for (header, data) in drain(&mut a, at(20)) {
        b.receive(at(20), R0, &header, data);
    }
    let mut now = at(20);
    for _ in 0..20 {
        let deadline = b.deadline().unwrap();
        assert!(deadline > now, "{deadline:?} at {now:?}");
        now = deadline;
        b.on_timeout(now);
        assert!(b.poll_transmit(now, &none).is_none());
    }
    assert_eq!(drain(&mut b, now).last().unwrap().0.ack, Seq::new(2));
}

#[test]
fn who_waits_for_a_rail_in_vain_gives_up() {
    let mut a = opener();
    a.send(0, true, vec![1]).unwrap();
    let mut now = at(1);
    while a.reset_reason().is_none() {
        assert!(a.poll_transmit(now, &RailView::EMPTY).is_none());
        now = a.deadline().unwrap();
        a.on_timeout(now);
        assert!(now < at(12_000));
    }
    assert!(a.poll_transmit(now, &RailView::EMPTY).is_none());
    assert!(a.is_done());
}

#[test]
fn round_trips_are_told_by_rail() {
    let (mut a, mut b) = pair_over(GroupKind::Single, &rails_view(0b100));
    assert!(a.take_rtt_sample().is_some());
    let rails = rails_view(0b100);
    for turn in 1..=SAMPLES {
        let start = 20 * u64::from(turn);
        a.send(0, true, vec![1]).unwrap();
        let out = a.poll_transmit(at(start), &rails).unwrap();
        let (header, payload) = (out.header, data(&out));
        b.receive(at(start + 2), R2, &header, payload);
        b.send(0, true, vec![2]).unwrap();
        let answer = b.poll_transmit(at(start + 2), &rails).unwrap();
        let (header, payload) = (answer.header, data(&answer));
        a.receive(at(start + 4), R2, &header, payload);
        a.recv();
        b.recv();
        let told = a.take_rtt_sample();
        assert_eq!(told.is_some(), turn == SAMPLES, "turn {turn}");
        if let Some((rail, round_trip)) = told {
            assert_eq!(rail, R2);
            assert!(round_trip.abs_diff(Duration::from_millis(4)) < Duration::from_micros(10));
        }
    }
    assert!(a.take_rtt_sample().is_none());
    assert!(a.round_trip().is_some());
}

/// Rails of which bit `i` of `bits` tells whether number `i` works.
fn rails_view(bits: u8) -> RailView {
    RailView::uniform(RailSet::from_bits(bits), 1452)
}

fn opener_over(group: Group) -> Circuit<Vec<u8>> {
    let (local, remote) = (
        Gpid::new(HostId::new(1), 1, 5),
        Gpid::new(HostId::new(2), 1, 0),
    );
    let cfg = Config::default();
    Circuit::open(&cfg, group, local, remote, Class::Pdfs, ACTIVE, OPEN_SEQ)
}

/// Both ends of a circuit over which one empty message went, read and acknowledged.
fn pair_over(kind: GroupKind, rails: &RailView) -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    let mut a = opener_over(Group::new(kind, 0));
    a.send(0, true, Vec::new()).unwrap();
    let open = a.poll_transmit(at(1), rails).unwrap();
    let (header, rail) = (open.header, open.rail);
    let local = Gpid::new(HostId::new(2), 1, 6);
    let group = Group::new(kind, 0);
    let mut b = Circuit::accept(&Config::default(), group, &header, local, PASSIVE);
    b.receive(at(1), rail, &header, Vec::new());
    b.recv().expect("the message of the OPEN");
    b.on_timeout(at(8));
    let ack = b.poll_transmit(at(8), rails).unwrap();
    let (header, rail) = (ack.header, ack.rail);
    a.receive(at(8), rail, &header, Vec::new());
    (a, b)
}
