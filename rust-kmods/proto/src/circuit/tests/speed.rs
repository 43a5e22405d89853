// SPDX-License-Identifier: GPL-2.0-only

//! How much of its rails a circuit uses.

use super::*;
use net::segments_of_length;

/// 100 Mbit/s in bytes per second.
const FAST_ETHERNET: u64 = 12_500_000;
const SEGMENTS: usize = 4_000;

/// A rail of 100 Mbit/s with a round trip of 1 ms.
fn line() -> Rail {
    Rail {
        latency: Duration::from_micros(500),
        rate: FAST_ETHERNET,
        ..Rail::perfect()
    }
}

/// Sends full segments over the rails; bytes on the wire per second, of what was delivered.
fn throughput(group: GroupKind, rails: Vec<Rail>) -> (u64, World) {
    let room = rails.iter().map(|rail| rail.room).min().unwrap();
    let segments = segments_of_length(SEGMENTS, usize::from(room));
    let scripts = [Script::sends(segments), Script::sends(Vec::new())];
    let mut world = World::on_rails(Config::default(), group, rails, 3, scripts);
    world.run(at(600_000));
    world.assert_complete();
    let took = world.nodes[1].last_received.as_nanos();
    let bytes = SEGMENTS as u64 * (u64::from(room) + 48 + 38);
    (bytes * 1_000_000_000 / took, world)
}

#[test]
fn one_rail_is_used_to_the_full() {
    for group in GroupKind::ALL {
        let (speed, world) = throughput(group, vec![line()]);
        assert!(speed >= FAST_ETHERNET * 95 / 100, "{group:?}: {speed} B/s");
        let stats = world.nodes[0].circuit.as_ref().unwrap().stats();
        assert_eq!((stats.retransmitted, stats.timeouts), (0, 0), "{group:?}");
    }
}

#[test]
fn three_striped_rails_carry_three_times_as_much() {
    let (one, _) = throughput(GroupKind::Stripe, vec![line()]);
    for extra_latency in [0, 200, 700] {
        let mut rails = vec![line(), line(), line()];
        rails[2].latency = Duration::from_micros(500 + extra_latency);
        let (three, world) = throughput(GroupKind::Stripe, rails);
        let stats = world.nodes[0].circuit.as_ref().unwrap().stats();
        let acks = world.nodes[1].circuit.as_ref().unwrap().stats().acks;
        // Frames that overtake each other on their rails are no reason to acknowledge each.
        assert!(acks < SEGMENTS as u64 / 4, "{acks} acknowledgements");
        assert!(three * 100 >= one * 285, "{three} and {one} B/s");
        assert_eq!((stats.retransmitted, stats.timeouts), (0, 0));
    }
}

#[test]
fn unequal_rails_add_up() {
    let mut rails = vec![line(), line()];
    rails[1].rate /= 4;
    let (speed, _) = throughput(GroupKind::Stripe, rails);
    assert!(speed >= FAST_ETHERNET * 5 / 4 * 90 / 100, "{speed} B/s");
}

#[test]
fn a_lossy_rail_still_carries() {
    for loss_percent in [1, 5] {
        for (group, count) in [(GroupKind::Single, 1), (GroupKind::Stripe, 3)] {
            let mut rail = line();
            rail.faults.loss_percent = loss_percent;
            let (speed, _) = throughput(group, vec![rail; count]);
            assert!(speed >= FAST_ETHERNET / 2, "{group:?}: {speed} B/s");
        }
    }
}
