// SPDX-License-Identifier: GPL-2.0-only

mod attacks;
mod crypto;
mod properties;
mod vectors;
mod world;

use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::*;
use crate::time::{Duration, Instant};
use crate::wire::Class;
use crate::{Gpid, HostId};
use crypto::Blake2s;
use world::{key, patient, Node, World, ONE, TWO};

fn host(node: &Node) -> HostId {
    node.gpid.host()
}

#[test]
fn secrets_do_not_show() {
    let key = Key::new([0xab; 32]);
    assert_eq!(format!("{key:?}"), "Key(..)");
    let world = World::members(1, 2);
    let shown = format!("{:?}", world.nodes[0].sessions);
    assert!(!shown.contains("171, 171") && !shown.contains("abab"));
    assert!(!format!("{:?}", world.nodes[0].sessions.ring()).contains("1, 1, 1"));
}

#[test]
fn hex_is_read_strictly() {
    let text = "00".repeat(31) + "fF";
    let key = Key::parse(text.as_bytes()).unwrap();
    assert_eq!((key.as_bytes()[30], key.as_bytes()[31]), (0, 0xff));
    for wrong in [
        "",
        "0",
        "zz",
        &text[1..],
        &(text.clone() + "0"),
        &(text.clone() + "\n"),
    ] {
        assert_eq!(
            Key::parse(wrong.as_bytes()).err(),
            Some(KeyError::Malformed)
        );
    }
    let name = Fingerprint::parse(b"0a1B2c3d").unwrap();
    assert_eq!(name.to_string(), "0a1b2c3d");
    assert!(Fingerprint::parse(b"0a1b2c3").is_err());
}

#[test]
fn modes_admit_their_own_form_only() {
    let modes = [Mode::Open, Mode::Mac, Mode::Aead];
    let header = |kind, sealed: Option<bool>| {
        let mut header = Header::new(kind, Class::Cm, Gpid::new(ONE, 1, 0), Gpid::EVERYBODY);
        header.auth = sealed.map(|sealed| Auth {
            sealed,
            key_id: 0,
            counter: 1,
        });
        header
    };
    let admitted = |kind, sealed| modes.map(|mode| mode.admits(&header(kind, sealed)));
    for kind in [Kind::Data, Kind::Ack, Kind::Reset, Kind::Ephemeral] {
        assert_eq!(admitted(kind, None), [true, false, false]);
        assert_eq!(admitted(kind, Some(false)), [false, true, false]);
        assert_eq!(admitted(kind, Some(true)), [false, false, true]);
    }
    for kind in [Kind::Hello, Kind::Handshake] {
        assert_eq!(admitted(kind, None)[1..], [false, false]);
        assert_eq!(admitted(kind, Some(false)), [false, true, true]);
        assert_eq!(admitted(kind, Some(true)), [false, false, false]);
    }
    for mode in modes {
        assert_eq!(Mode::from_name(mode.name().as_bytes()), Some(mode));
    }
    assert_eq!(Mode::from_name(b"aead\n"), None);
}

#[test]
fn the_ring_holds_four_keys() {
    let mut ring = KeyRing::new();
    let names: Vec<_> = (1..=4)
        .map(|number| ring.add::<Blake2s>(key(number)).unwrap())
        .collect();
    assert_eq!(ring.add::<Blake2s>(key(4)), Err(KeyError::Exists));
    assert_eq!(ring.add::<Blake2s>(key(5)), Err(KeyError::Full));
    assert!(ring.used().is_none());
    ring.take_into_use(names[2]).unwrap();
    assert_eq!(ring.remove(names[2]), Err(KeyError::InUse));
    ring.remove(names[0]).unwrap();
    assert_eq!(ring.remove(names[0]), Err(KeyError::Unknown));
    assert_eq!(ring.take_into_use(names[0]), Err(KeyError::Unknown));
    let listed: Vec<_> = ring.iter().collect();
    assert_eq!(
        listed,
        [(names[1], false), (names[2], true), (names[3], false)]
    );
    assert!(ring.add::<Blake2s>(key(5)).is_ok());
}

#[test]
fn the_mode_is_set_once() {
    let mut world = World::members(1, 1);
    let sessions = &mut world.nodes[0].sessions;
    assert_eq!(sessions.set_mode(Mode::Open), Err(KeyError::ModeSet));
    assert_eq!(sessions.mode(), Some(Mode::Aead));
}

#[test]
fn two_members_meet_within_a_hello_and_a_round_trip() {
    for mode in [Mode::Mac, Mode::Aead] {
        let mut world = World::new(3, mode, Config::default(), &[Some(1), Some(1)]);
        let took = world.run_until(310, |world| world.all_up(&[0, 1]));
        assert!(took.is_some());
        assert!(world.keys_agree(&[0, 1]));
        assert_eq!(
            world.nodes[0].events,
            [Event::Up {
                node: world.nodes[1].gpid
            }]
        );
        let number = world.data(0, 1).unwrap();
        let said = world.say(1).unwrap();
        world.run(10);
        assert!(world.nodes[1].got.contains(&(world.nodes[0].gpid, number)));
        assert!(world.nodes[0].got.contains(&(world.nodes[1].gpid, said)));
        world.run(1000);
        assert!(world.nodes[0].alive[&TWO] >= 3);
        // One handshake from each side and the last answer: no chatter afterwards.
        let handshakes = |record: &[Vec<u8>]| {
            let kinds = record
                .iter()
                .map(|frame| Header::parse(frame).unwrap().0.kind);
            kinds.filter(|kind| *kind == Kind::Handshake).count()
        };
        assert_eq!(handshakes(&world.record), 3);
    }
}

#[test]
fn the_other_ways_to_say_nothing() {
    let mut world = World::new(1, Mode::Open, Config::default(), &[Some(1), Some(1)]);
    world.run(1000);
    assert!(world.record.is_empty() && world.say(0).is_none() && world.data(0, 1).is_none());
    let slots = (0..4).map(|_| SessionSlot::new()).collect::<Vec<_>>();
    let mut unset: Sessions<Blake2s, _> =
        Sessions::new(slots, Gpid::new(ONE, 1, 0), 1, Config::default());
    let now = Instant::from_nanos(5);
    unset.add_key(now, key(1), [1; 32]).unwrap();
    assert!(unset.seal_broadcast(now, Kind::Hello).is_none() && unset.poll(now).is_none());
}

#[test]
fn strangers_get_no_session() {
    for mode in [Mode::Mac, Mode::Aead] {
        let keys = [Some(1), Some(1), Some(2), None];
        let mut world = World::new(9, mode, Config::default(), &keys);
        world.run(3000);
        world.say(0);
        world.say(2);
        world.data(0, 1);
        world.run(3000);
        assert!(world.all_up(&[0, 1]));
        for outsider in [2, 3] {
            let node = &world.nodes[outsider];
            assert!(node.got.is_empty() && node.events.is_empty() && node.alive.is_empty());
            assert!(!world.nodes[0].sessions.is_up(host(node)));
            assert!(world.data(outsider, 0).is_none() && world.data(0, outsider).is_none());
        }
        assert!(world.nodes[2].errors(AuthError::NoKey) > 0);
        assert!(world.nodes[0].errors(AuthError::NoKey) > 0);
        assert_eq!(world.nodes[0].got.len(), 0);
        assert_eq!(world.nodes[0].sessions.map.len(), 1);
    }
}

#[test]
fn a_peer_that_reboots_is_met_anew() {
    for boot in [8, 7] {
        let mut world = World::members(4, 2);
        world.run(1000);
        world.restart(1, boot, Some(1));
        world.nodes[0].events.clear();
        assert!(world
            .run_until(400, |world| world.all_up(&[0, 1]))
            .is_some());
        world.run(100);
        let node = world.nodes[1].gpid;
        let events = &world.nodes[0].events;
        assert_eq!(events[0], Event::Rebooted { node });
        assert!(events[1..].iter().all(|event| *event == Event::Up { node }));
        assert!(world.keys_agree(&[0, 1]));
    }
}

#[test]
fn a_node_that_leaves_is_gone_until_it_returns_with_another_incarnation() {
    let mut world = World::members(5, 2);
    world.run(1000);
    world.hello(1, true);
    world.run(5);
    let node = world.nodes[1].gpid;
    assert!(matches!(world.nodes[0].events[..], [_, Event::Ended { node: gone }] if gone == node));
    assert!(!world.nodes[0].sessions.is_up(TWO));
    // What it said before comes late.
    let alive = world.nodes[0].alive.clone();
    world.run(2000);
    assert_eq!(world.nodes[0].alive, alive);
    world.restart(1, 7, Some(1));
    assert!(world
        .run_until(400, |world| world.all_up(&[0, 1]))
        .is_some());
    assert!(world.keys_agree(&[0, 1]));
}

#[test]
fn keys_change_with_time_and_with_use() {
    let config = Config {
        rekey_after: Duration::from_secs(40),
        rekey_frames: 1000,
        ..Config::default()
    };
    let mut world = World::new(6, Mode::Aead, config, &[Some(1), Some(1)]);
    world.run(1000);
    let key_id = |world: &mut World| world.nodes[0].sessions.seal_for(TWO).unwrap().auth.key_id;
    let first = key_id(&mut world);
    world.run(18_000);
    assert_eq!(key_id(&mut world), first);
    world.run(22_500);
    let second = key_id(&mut world);
    assert!(second != first && !world.lost_any());
    for _ in 0..1000 {
        world.data(0, 1);
    }
    world.run(100);
    assert_eq!(key_id(&mut world), second, "not so soon");
    world.run(21_000);
    assert_ne!(key_id(&mut world), second);
    assert!(world.keys_agree(&[0, 1]) && !world.lost_any());
}

#[test]
fn old_keys_are_read_for_ten_seconds_and_then_gone() {
    let mut world = World::members(7, 2);
    world.run(1000);
    let old = world.nodes[0].sessions.seal_for(TWO).unwrap();
    let count = |world: &World| world.nodes[1].sessions.session_keys().count();
    let before = count(&world);
    world.rekey(0);
    world.run(100);
    let mut header = Header::new(
        Kind::Ack,
        Class::Cm,
        world.nodes[0].gpid,
        world.nodes[1].gpid,
    );
    header.auth = Some(old.auth);
    let open = |world: &mut World| {
        let now = world.now();
        world.nodes[1]
            .sessions
            .open_key(now, &header, &[])
            .map(|_| ())
    };
    assert_eq!(open(&mut world), Ok(()));
    assert!(count(&world) > before);
    world.run(9_800);
    assert_eq!(open(&mut world), Ok(()));
    world.run(300);
    assert_eq!(open(&mut world), Err(AuthError::UnknownSession));
    assert_eq!(count(&world), before);
}

#[test]
fn the_cluster_key_is_replaced_while_the_cluster_works() {
    let mut world = World::new(8, Mode::Aead, patient(), &[Some(1); 3]);
    world.run(1000);
    let old = world.nodes[0].sessions.ring().used().unwrap().0;
    let mut sent = Vec::new();
    let mut new = old;
    for step in 0..3 {
        for at in 0..3 {
            let (now, nonce) = (world.now(), world.random.nonce());
            let sessions = &mut world.nodes[at].sessions;
            match step {
                0 => new = sessions.add_key(now, key(2), nonce).unwrap(),
                1 => sessions.use_key(now, new, nonce).unwrap(),
                _ => sessions.drop_key(now, old).unwrap(),
            }
            for _ in 0..40 {
                world.run(5);
                for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
                    let number = world.data(from, to).expect("there is a session");
                    sent.push((world.nodes[from].gpid, to, number));
                }
            }
        }
    }
    world.run(20_000);
    for (from, to, number) in sent {
        assert!(world.nodes[to].got.contains(&(from, number)));
    }
    assert!(world.all_up(&[0, 1, 2]) && world.keys_agree(&[0, 1, 2]) && !world.lost_any());
    let ring: Vec<_> = world.nodes[0].sessions.ring().iter().collect();
    assert_eq!(ring, [(new, true)]);
}

#[test]
fn who_keeps_to_a_dropped_key_is_out() {
    let mut world = World::members(10, 3);
    world.run(1000);
    let old = world.nodes[0].sessions.ring().used().unwrap().0;
    for at in 0..2 {
        let (now, nonce) = (world.now(), world.random.nonce());
        let sessions = &mut world.nodes[at].sessions;
        let new = sessions.add_key(now, key(2), nonce).unwrap();
        sessions.use_key(now, new, nonce).unwrap();
    }
    world.run(1000);
    for at in 0..2 {
        let now = world.now();
        world.nodes[at].sessions.drop_key(now, old).unwrap();
    }
    world.run(10_100);
    assert!(world.all_up(&[0, 1]) && world.keys_agree(&[0, 1]));
    let other = HostId::new(3);
    assert!(!world.nodes[0].sessions.is_up(other) && !world.nodes[1].sessions.is_up(other));
    let node = world.nodes[2].gpid;
    assert!(world.nodes[0].events.contains(&Event::Ended { node }));
    world.nodes[2].alive.clear();
    world.run(40_000);
    assert!(world.nodes[2].alive.is_empty());
    // It is let in again as soon as it uses the others' key.
    let (now, nonce) = (world.now(), world.random.nonce());
    let sessions = &mut world.nodes[2].sessions;
    let new = sessions.add_key(now, key(2), nonce).unwrap();
    sessions.use_key(now, new, nonce).unwrap();
    assert!(world
        .run_until(1000, |world| world.all_up(&[0, 1, 2]))
        .is_some());
}

#[test]
fn a_dropped_key_that_comes_back_brings_its_users_back() {
    let mut world = World::members(11, 2);
    world.run(1000);
    let old = world.nodes[0].sessions.ring().used().unwrap().0;
    let (now, nonce) = (world.now(), world.random.nonce());
    let sessions = &mut world.nodes[0].sessions;
    let new = sessions.add_key(now, key(2), nonce).unwrap();
    sessions.use_key(now, new, nonce).unwrap();
    sessions.drop_key(now, old).unwrap();
    world.run(15_000);
    assert!(!world.nodes[0].sessions.is_up(TWO));
    for (at, number) in [(0, 1), (1, 2)] {
        let (now, nonce) = (world.now(), world.random.nonce());
        world.nodes[at]
            .sessions
            .add_key(now, key(number), nonce)
            .unwrap();
    }
    assert!(world
        .run_until(62_000, |world| world.all_up(&[0, 1]))
        .is_some());
    world.run(1000);
    assert!(world.keys_agree(&[0, 1]));
}

#[test]
fn a_full_table_keeps_what_it_has() {
    let mut world = World::members(12, 18);
    world.run(3000);
    let nodes: Vec<_> = (0..18).collect();
    assert!(!world.all_up(&nodes));
    let ups = (2..=18)
        .filter(|&host| world.nodes[0].sessions.is_up(HostId::new(host)))
        .count();
    assert_eq!(ups, 16);
    let data: Vec<_> = (1..18).filter_map(|to| world.data(0, to)).collect();
    assert_eq!(data.len(), 16);
}

#[test]
fn session_keys_are_listed_for_both_directions() {
    let mut world = World::members(13, 2);
    world.run(1000);
    let list = |world: &World, at: usize| -> Vec<_> {
        let keys = world.nodes[at].sessions.session_keys();
        let mut keys: Vec<_> = keys
            .map(|key| (key.from, key.to, key.key_id, *key.key.as_bytes()))
            .collect();
        keys.sort();
        keys
    };
    let keys = list(&world, 0);
    assert_eq!(keys.len(), 4);
    assert_eq!(keys, list(&world, 1));
}
