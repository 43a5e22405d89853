// SPDX-License-Identifier: GPL-2.0-only

//! What holds whatever the network does.

use std::vec::Vec;

use proptest::prelude::*;

use super::world::{patient, Weather, World};
use crate::keys::{AuthError, Config, Mode};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

fn weather(most_loss: u64) -> impl Strategy<Value = Weather> {
    (0..=most_loss, 0..30u64, 1..30u64).prop_map(|(loss, doubled, delay_ms)| Weather {
        loss,
        handshake_loss: loss,
        doubled,
        delay_ms,
    })
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn members_meet_in_bounded_time(
        seed: u64,
        weather in weather(40),
        count in 2usize..5,
        mac: bool,
    ) {
        let mode = if mac { Mode::Mac } else { Mode::Aead };
        let mut world = World::new(seed, mode, patient(), &[Some(1)].repeat(count));
        world.weather = weather;
        let nodes: Vec<_> = (0..count).collect();
        let took = world.run_until(20_000, |world| world.all_up(&nodes));
        prop_assert!(took.is_some());
        world.run(200);
        prop_assert!(world.keys_agree(&nodes));
        prop_assert!(!world.lost_any());
    }

    /// Frames of circuits go to their receiver whatever handshakes are lost; each node may get a
    /// new nonce at any time, several at once, but not again while that is on its way.
    #[test]
    fn new_keys_lose_nothing(
        seed: u64,
        handshake_loss in 0u64..30,
        delay_ms in 1u64..25,
        rekeys in prop::collection::vec((0usize..3, 0u64..400), 1..10),
    ) {
        let mut world = World::new(seed, Mode::Aead, patient(), &[Some(1); 3]);
        world.run(1000);
        prop_assert!(world.all_up(&[0, 1, 2]));
        world.weather = Weather { loss: 0, handshake_loss, doubled: 10, delay_ms };
        let mut last = [0; 3];
        let mut sent = Vec::new();
        for (at, wait) in rekeys {
            if world.now_ms >= last[at] + 4000 {
                last[at] = world.now_ms;
                world.rekey(at);
            } else {
                world.run(1000);
            }
            for step in 0..wait.max(1) {
                if step % 4 == 0 {
                    let from = world.random.below(3) as usize;
                    let to = (from + 1 + world.random.below(2) as usize) % 3;
                    let number = world.data(from, to);
                    prop_assert!(number.is_some());
                    sent.push((world.nodes[from].gpid, to, number.unwrap_or_default()));
                }
                world.step();
            }
        }
        world.run(9000);
        for (from, to, number) in sent {
            prop_assert!(world.nodes[to].got.contains(&(from, number)));
        }
        prop_assert!(world.keys_agree(&[0, 1, 2]));
        prop_assert_eq!(world.twice, None);
        prop_assert!(!world.lost_any());
        for node in &world.nodes {
            prop_assert_eq!(node.errors(AuthError::BadTag), 0);
        }
    }

    /// What is said to all reaches all, too.
    #[test]
    fn new_nonces_silence_nobody(seed: u64, delay_ms in 1u64..25, times in 1usize..4) {
        let mut world = World::new(seed, Mode::Aead, patient(), &[Some(1); 3]);
        world.run(1000);
        world.weather = Weather { loss: 0, handshake_loss: 0, doubled: 10, delay_ms };
        let mut said = Vec::new();
        for _ in 0..times {
            for at in 0..3 {
                if world.random.percent(60) {
                    world.rekey(at);
                }
            }
            for _ in 0..50 {
                let from = world.random.below(3) as usize;
                said.push((from, world.say(from).unwrap_or_default()));
                world.run(60);
            }
        }
        world.run(100);
        for (from, number) in said {
            for to in (0..3).filter(|&to| to != from) {
                let gpid = world.nodes[from].gpid;
                prop_assert!(world.nodes[to].got.contains(&(gpid, number)));
            }
        }
    }
}

/// One deed of the nodes, or of somebody who hears all and says what he likes.
#[derive(Clone, Debug)]
enum Deed {
    Data(usize, usize),
    Say(usize),
    Rekey(usize),
    Restart(usize),
    Wait(u64),
    Replay {
        to: usize,
        back: usize,
        count: usize,
    },
    Damage {
        to: usize,
        back: usize,
        at: usize,
        with: u8,
    },
    Cut {
        to: usize,
        back: usize,
        len: usize,
    },
    Splice {
        to: usize,
        head: usize,
        tail: usize,
        at: usize,
    },
}

fn deed(restarts: bool) -> impl Strategy<Value = Deed> {
    let node = 0usize..3;
    let back = 0usize..400;
    let rare = if restarts { 1 } else { 0 };
    prop_oneof![
        8 => (node.clone(), 1usize..3).prop_map(|(from, by)| Deed::Data(from, (from + by) % 3)),
        4 => node.clone().prop_map(Deed::Say),
        1 => node.clone().prop_map(Deed::Rekey),
        rare => node.clone().prop_map(Deed::Restart),
        4 => (1u64..600).prop_map(Deed::Wait),
        4 => (node.clone(), back.clone(), 1usize..30)
            .prop_map(|(to, back, count)| Deed::Replay { to, back, count }),
        2 => (node.clone(), back.clone(), any::<usize>(), 1u8..)
            .prop_map(|(to, back, at, with)| Deed::Damage { to, back, at, with }),
        1 => (node.clone(), back.clone(), any::<usize>())
            .prop_map(|(to, back, len)| Deed::Cut { to, back, len }),
        1 => (node, back.clone(), back, any::<usize>())
            .prop_map(|(to, head, tail, at)| Deed::Splice { to, head, tail, at }),
    ]
}

/// The frame that was sent so many frames ago.
fn recorded(world: &World, back: usize) -> Vec<u8> {
    let len = world.record.len();
    match len {
        0 => Vec::new(),
        _ => world.record[len - 1 - back % len].clone(),
    }
}

fn act(world: &mut World, boot: &mut u16, deed: &Deed) {
    match *deed {
        Deed::Data(from, to) => drop(world.data(from, to)),
        Deed::Say(from) => drop(world.say(from)),
        Deed::Rekey(at) => world.rekey(at),
        Deed::Restart(at) => {
            *boot += 1;
            world.restart(at, *boot, Some(1));
        }
        Deed::Wait(ms) => world.run(ms),
        Deed::Replay { to, back, count } => {
            for nth in 0..count {
                let frame = recorded(world, back + nth);
                world.deliver(to, &frame);
            }
        }
        Deed::Damage { to, back, at, with } => {
            let mut frame = recorded(world, back);
            let len = frame.len().max(1);
            if let Some(byte) = frame.get_mut(at % len) {
                *byte ^= with;
            }
            world.deliver(to, &frame);
        }
        Deed::Cut { to, back, len } => {
            let frame = recorded(world, back);
            world.deliver(to, &frame[..len % (frame.len() + 1)]);
        }
        Deed::Splice { to, head, tail, at } => {
            let (head, tail) = (recorded(world, head), recorded(world, tail));
            let at = at % (head.len().min(tail.len()) + 1);
            let frame = [&head[..at], &tail[at..]].concat();
            world.deliver(to, &frame);
        }
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn nobody_without_a_key_can_do_harm(
        seed: u64,
        weather in weather(15),
        deeds in prop::collection::vec(deed(false), 1..250),
    ) {
        let mut world = World::new(seed, Mode::Aead, patient(), &[Some(1); 3]);
        world.run(2000);
        world.weather = weather;
        for deed in &deeds {
            act(&mut world, &mut 7, deed);
            prop_assert_eq!(world.twice, None);
        }
        world.run(15_000);
        prop_assert!(world.all_up(&[0, 1, 2]));
        prop_assert!(world.keys_agree(&[0, 1, 2]));
        prop_assert!(!world.lost_any());
    }

    #[test]
    fn restarts_among_attacks_are_got_over(
        seed: u64,
        weather in weather(15),
        deeds in prop::collection::vec(deed(true), 1..250),
    ) {
        let config = Config { rekey_frames: 300, ..Config::default() };
        let mut world = World::new(seed, Mode::Aead, config, &[Some(1); 3]);
        world.run(2000);
        world.weather = weather;
        let mut boot = 7;
        for deed in &deeds {
            act(&mut world, &mut boot, deed);
            prop_assert_eq!(world.twice, None);
        }
        let back = world.run_until(150_000, |world| world.all_up(&[0, 1, 2]));
        prop_assert!(back.is_some());
        world.run(62_000);
        prop_assert!(world.keys_agree(&[0, 1, 2]));
        prop_assert_eq!(world.twice, None);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    /// A node is copied, and its copies live one after the other: what they send and have received
    /// before they were copied is in the others' memory, or on its way.
    #[test]
    fn copies_of_a_node_send_nothing_under_the_same_key_and_counter(
        seed: u64,
        weather in weather(20),
        copies in 1usize..4,
        before in 0u64..400,
    ) {
        let mut world = World::members(seed, 3);
        world.weather = weather;
        let nodes = [0, 1, 2];
        prop_assert!(world.run_until(20_000, |world| world.all_up(&nodes)).is_some());
        world.run(before);
        let snapshot = world.nodes[1].sessions.clone();
        for copy in 0..=copies {
            if copy > 0 {
                world.restore(1, &snapshot);
            }
            for _ in 0..20 {
                // There may be no session yet.
                let _ = (world.say(1), world.data(1, 0), world.data(0, 1));
                world.run(10);
            }
            prop_assert!(world.run_until(20_000, |world| world.all_up(&nodes)).is_some());
            world.run(200);
            prop_assert!(world.keys_agree(&nodes));
            world.weather.loss = 0;
            let number = world.data(1, 0).unwrap();
            let from = world.nodes[1].gpid;
            world.run(100);
            prop_assert!(world.nodes[0].got.contains(&(from, number)));
            world.weather = weather;
        }
        prop_assert!(!world.reused);
        prop_assert_eq!(world.twice, None);
    }
}
