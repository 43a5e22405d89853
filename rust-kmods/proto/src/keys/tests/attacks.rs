// SPDX-License-Identifier: GPL-2.0-only

//! Somebody on the network who has no key, but hears everything and can say anything.

use std::vec::Vec;

use super::crypto::seal_frame;
use super::world::{key, patient, World, ONE, TWO};
use crate::derive::IntoBytes;
use crate::hello::Hello;
use crate::keys::{AuthError, Event, Mode, Seal};
use crate::tgroup::RailId;
use crate::wire::{Auth, Header, Kind};
use crate::Seq;

fn kind(frame: &[u8]) -> Kind {
    Header::parse(frame).unwrap().0.kind
}

/// Runs for this long with so many copies of `frames` a millisecond on their way to node `to`.
fn flood(world: &mut World, to: usize, frames: &[Vec<u8>], ms: u64, each_ms: usize) {
    for _ in 0..ms {
        for _ in 0..each_ms {
            let at = world.random.below(frames.len() as u64) as usize;
            world.deliver(to, &frames[at]);
        }
        world.step();
    }
}

#[test]
fn the_whole_past_again_changes_nothing() {
    let mut world = World::members(21, 3);
    world.run(1000);
    for _ in 0..50 {
        world.data(0, 1);
        world.data(1, 2);
        world.say(2);
        world.run(10);
    }
    world.rekey(1);
    world.run(500);
    world.data(0, 1);
    world.run(500);
    let record = world.record.clone();
    let events: Vec<_> = world.nodes.iter().map(|node| node.events.len()).collect();
    let alive: Vec<_> = world.nodes.iter().map(|node| node.alive.clone()).collect();
    let answers: usize = world.nodes.iter().map(|node| node.answers).sum();
    for frame in record.iter().chain(record.iter().rev()) {
        for to in 0..3 {
            world.deliver(to, frame);
        }
    }
    assert_eq!(world.twice, None);
    for (at, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.events.len(), events[at]);
        assert_eq!(node.alive, alive[at]);
        assert!(node.errors(AuthError::Replayed) > 50);
        assert_eq!(node.errors(AuthError::BadTag), 0);
    }
    let more = world.nodes.iter().map(|node| node.answers).sum::<usize>() - answers;
    assert!(more <= 3 * 2 * 8, "{more} answers");
    world.run(2000);
    assert!(world.keys_agree(&[0, 1, 2]) && !world.lost_any());
}

#[test]
fn no_frame_survives_a_changed_bit_or_a_lost_end() {
    for mode in [Mode::Mac, Mode::Aead] {
        let mut world = World::new(22, mode, patient(), &[Some(1), Some(1)]);
        world.run(1000);
        world.cut.insert((ONE, TWO));
        world.data(0, 1);
        world.say(0);
        world.hello(0, false);
        world.rekey(0);
        world.poll(0);
        let frames: Vec<_> = world.record.split_off(world.record.len() - 4);
        let kinds: Vec<_> = frames.iter().map(|frame| kind(frame)).collect();
        assert_eq!(
            kinds,
            [Kind::Data, Kind::Ephemeral, Kind::Hello, Kind::Handshake]
        );
        let before = world.nodes[1].alive.clone();
        for frame in &frames {
            for bit in 0..8 * frame.len() {
                let mut changed = frame.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                world.deliver(1, &changed);
            }
            for len in 0..frame.len() {
                world.deliver(1, &frame[..len]);
            }
        }
        assert!(world.nodes[1].got.is_empty() && world.nodes[1].events.len() == 1);
        assert_eq!(world.nodes[1].alive, before);
        assert_eq!(world.nodes[1].answers, 1);
        // Time for more keys to be made. Then the frames themselves, with Ethernet's padding: nothing was used up by the others.
        world.run(200);
        for frame in &frames {
            let mut padded = frame.clone();
            padded.extend_from_slice(&[0xee; 9]);
            world.deliver(1, &padded);
        }
        assert_eq!(world.nodes[1].got.len(), 2);
        assert_eq!(world.nodes[1].alive[&ONE], before[&ONE] + 2);
        assert_eq!(world.nodes[1].answers, 2);
    }
}

#[test]
fn frames_for_one_node_are_nothing_to_another() {
    let mut world = World::members(23, 3);
    world.run(1000);
    world.data(0, 1);
    let frame = world.record.last().unwrap().clone();
    // Readdressed to node 3, and turned around to its sender.
    let mut other = frame.clone();
    other[16..24].copy_from_slice(&world.nodes[2].gpid.raw().to_be_bytes());
    world.deliver(2, &other);
    let mut back = frame.clone();
    back[8..24].rotate_left(8);
    world.deliver(0, &back);
    for at in [0, 2] {
        let node = &world.nodes[at];
        assert!(node.got.is_empty());
        let errors = node.errors(AuthError::BadTag) + node.errors(AuthError::UnknownSession);
        assert_eq!(errors, 1);
    }
}

/// A Hello in a member's name with a nonce that somebody made up; he knows everything but the key.
fn forged(world: &mut World, of: usize) -> Vec<u8> {
    let node = &world.nodes[of];
    let hello = node
        .sessions
        .identify(Hello::new(RailId::R0, 1, node.incarnation));
    let header = Hello::header(node.gpid, Seq::new(1));
    let nonce = world.random.nonce();
    let hello = Hello { nonce, ..hello };
    let seal = Seal {
        key: key(77),
        auth: Auth {
            sealed: false,
            key_id: hello.epoch << 4,
            counter: 1_000_000,
        },
    };
    seal_frame(header, hello.as_bytes(), &seal)
}

#[test]
fn made_up_nonces_cost_little_and_drop_nothing() {
    let mut world = World::members(24, 3);
    world.run(1000);
    let forgeries: Vec<_> = (0..500).map(|_| forged(&mut world, 1)).collect();
    let strangers: Vec<_> = (0..500u32)
        .map(|at| {
            let mut frame = forged(&mut world, 1);
            frame[8..12].copy_from_slice(&(1000 + at).to_be_bytes());
            frame
        })
        .collect();
    let answers = world.nodes[0].answers;
    flood(&mut world, 0, &forgeries, 1000, 10);
    flood(&mut world, 0, &strangers, 1000, 10);
    let node = &world.nodes[0];
    assert_eq!(node.sessions.map.len(), 2, "no room is taken");
    assert_eq!(node.answers, answers);
    let derived = node.errors(AuthError::BadTag);
    assert!(derived <= 2 * (64 + 500) + 2, "{derived} keys were made");
    assert!(node.errors(AuthError::Limited) > 15_000);
    assert!(world.keys_agree(&[0, 1, 2]) && !world.lost_any());
    // The peer in whose name they come gets its new nonce through all the same.
    world.rekey(1);
    let old = world.nodes[0].sessions.seal_for(TWO).unwrap().auth.key_id;
    flood(&mut world, 0, &forgeries, 5000, 10);
    assert_ne!(
        world.nodes[0].sessions.seal_for(TWO).unwrap().auth.key_id,
        old
    );
    assert!(world.keys_agree(&[0, 1, 2]) && !world.lost_any());
}

#[test]
fn old_hellos_are_answered_at_a_bounded_rate() {
    let mut world = World::members(25, 2);
    world.run(1000);
    let is_hello = |frame: &&Vec<u8>| {
        let header = Header::parse(frame).unwrap().0;
        header.kind == Kind::Hello && header.from.host() == TWO
    };
    let hellos: Vec<_> = world.record.iter().filter(is_hello).cloned().collect();
    world.rekey(1);
    world.run(1000);
    // Now the nonce of the recording is one that was given up, known to be so.
    let answers = world.nodes[0].answers;
    flood(&mut world, 0, &hellos, 1000, 10);
    assert_eq!(world.nodes[0].answers, answers);
    assert!(world.nodes[0].errors(AuthError::NotFresh) >= 9_990);
    // With an own new nonce the list of those is empty.
    world.rekey(0);
    world.run(1000);
    let answers = world.nodes[0].answers;
    flood(&mut world, 0, &hellos, 2000, 10);
    let more = world.nodes[0].answers - answers;
    assert!((1..=8 + 40).contains(&more), "{more} answers");
    assert!(world.keys_agree(&[0, 1]) && !world.lost_any());
}

#[test]
fn the_handshake_of_a_former_boot_is_void() {
    let mut world = World::members(26, 2);
    world.run(1000);
    let is_handshake = |frame: &&Vec<u8>| {
        let header = Header::parse(frame).unwrap().0;
        header.kind == Kind::Handshake && header.from.host() == TWO
    };
    let old: Vec<_> = world.record.iter().filter(is_handshake).cloned().collect();
    assert!(!old.is_empty());
    for boot in 8..14 {
        world.restart(1, boot, Some(1));
        world.run(1000);
        let events = world.nodes[0].events.len();
        for frame in &old {
            world.deliver(0, frame);
        }
        assert_eq!(world.nodes[0].events.len(), events);
        assert!(world.keys_agree(&[0, 1]));
    }
}

#[test]
fn many_reboots_are_told_apart() {
    let mut world = World::members(27, 2);
    world.run(1000);
    for boot in 8..30 {
        world.restart(1, boot, Some(1));
        let took = world.run_until(61_000, |world| world.all_up(&[0, 1]));
        assert!(took.is_some(), "boot {boot}");
        world.run(100);
        assert!(world.keys_agree(&[0, 1]));
    }
}

#[test]
fn a_handshake_that_was_held_back_does_not_last() {
    let mut world = World::members(28, 2);
    // Node 2 hears node 1, but its proof of freshness is held back.
    world.cut.insert((TWO, ONE));
    world.run(1000);
    let is_handshake = |frame: &&Vec<u8>| {
        let header = Header::parse(frame).unwrap().0;
        header.kind == Kind::Handshake && header.from.host() == TWO
    };
    let held: Vec<_> = world.record.iter().filter(is_handshake).cloned().collect();
    assert!(!held.is_empty());
    world.restart(1, 8, Some(1));
    world.cut.clear();
    world.run(1000);
    assert!(world.keys_agree(&[0, 1]));
    world.deliver(0, &held[0]);
    assert!(world.nodes[0]
        .events
        .iter()
        .any(|event| matches!(event, Event::Rebooted { .. })));
    // Node 1 has taken the past for the present; it finds out.
    assert!(world
        .run_until(63_000, |world| world.nodes[0].sessions.is_up(TWO))
        .is_some());
    world.run(1000);
    assert!(world.keys_agree(&[0, 1]));
    let number = world.data(0, 1).unwrap();
    world.run(10);
    assert!(world.nodes[1].got.contains(&(world.nodes[0].gpid, number)));
}

#[test]
fn a_handshake_of_an_epoch_that_was_skipped_is_void() {
    let mut world = World::members(29, 2);
    world.run(1000);
    world.cut.insert((TWO, ONE));
    let start = world.record.len();
    world.rekey(1);
    world.run(100);
    let held: Vec<_> = world.record[start..]
        .iter()
        .filter(|frame| kind(frame) == Kind::Handshake)
        .cloned()
        .collect();
    assert!(!held.is_empty());
    world.rekey(1);
    world.cut.clear();
    world.run(1000);
    let events = world.nodes[0].events.len();
    for frame in &held {
        world.deliver(0, frame);
    }
    assert!(world.nodes[0].errors(AuthError::NotFresh) > 0);
    assert_eq!(world.nodes[0].events.len(), events);
    assert!(world.keys_agree(&[0, 1]) && !world.lost_any());
}

#[test]
fn what_was_said_before_they_met_is_not_heard_later() {
    let mut world = World::members(30, 2);
    world.cut.extend([(ONE, TWO), (TWO, ONE)]);
    for _ in 0..20 {
        world.say(0);
        world.run(50);
    }
    let said: Vec<_> = world
        .record
        .iter()
        .filter(|frame| kind(frame) == Kind::Ephemeral)
        .cloned()
        .collect();
    world.cut.clear();
    world.run(1000);
    for frame in &said {
        world.deliver(1, frame);
    }
    assert!(world.nodes[1].got.is_empty());
    world.say(0);
    world.run(10);
    assert_eq!(world.nodes[1].got.len(), 1);
}
