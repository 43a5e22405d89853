// SPDX-License-Identifier: MIT OR Apache-2.0

//! Two of the firmware's nodes on rails that lose, double and swap frames: each judges the other.

use podos_firmware::circuit::{reset, State};
use podos_firmware::identity::{Identity, Mode, Random};
use podos_firmware::node::{Manners, Node, Rail};
use podos_firmware::wire::{class, Gpid, BROADCAST};

/// Microseconds from one step to the next.
const STEP: u64 = 1000;

struct World {
    nodes: [Node; 2],
    now: u64,
    /// When, at whom, on which rail, what.
    air: Vec<(u64, usize, usize, Vec<u8>)>,
    random: Random,
    /// Of 100 frames, how many are lost, and how many come late.
    lost: usize,
    late: usize,
}

impl World {
    fn new(mode: Mode, mtus: [&[u16]; 2], manners: Manners) -> Self {
        let node = |number: usize| {
            let mut random = Random::new([number as u8 + 1; 32]);
            let gpid = Gpid::new(number as u32 + 1, 1, 0);
            let identity = Identity::new(gpid, mode, [9; 32], &mut random);
            let rails = mtus[number].iter().enumerate();
            let rails = rails.map(|(rail, mtu)| Rail {
                mac: [2, 0, 0, 0, rail as u8, number as u8],
                mtu: *mtu,
            });
            Node::new(identity, rails.collect(), manners, random)
        };
        Self {
            nodes: [node(0), node(1)],
            now: 0,
            air: Vec::new(),
            random: Random::new([77; 32]),
            lost: 0,
            late: 0,
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for number in 0..2 {
            self.nodes[number].tick(self.now);
            for (rail, frame) in self.nodes[number].take_out() {
                assert!(
                    frame[..6] == BROADCAST
                        || frame[..6] == [2, 0, 0, 0, rail as u8, 1 - number as u8]
                );
                if self.random.below(100) < self.lost {
                    continue;
                }
                let late = self.random.below(100) < self.late;
                let delay = if late { 4 * STEP } else { 0 };
                self.air.push((self.now + delay, 1 - number, rail, frame));
            }
        }
        let now = self.now;
        let (due, later) = self.air.drain(..).partition(|(at, ..)| *at <= now);
        self.air = later;
        let due: Vec<(u64, usize, usize, Vec<u8>)> = due;
        for (_, to, rail, frame) in due {
            self.nodes[to].receive(rail, &frame, now);
        }
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Node, u64) -> bool) {
        for _ in 0..60_000 {
            self.step();
            if holds(&self.nodes[0], self.now) {
                return;
            }
        }
        panic!("{what} did not come to be");
    }

    fn meet(&mut self) {
        let rails = self.nodes[0].rails.len();
        self.until("the first sees the second", |node, now| {
            node.is_up(2, rails, now)
        });
        // And the other way around.
        for _ in 0..2000 {
            self.step();
        }
        assert!(self.nodes[1].is_up(1, rails, self.now));
    }

    /// Opens a circuit, sends these messages, wants them back.
    fn echo(&mut self, sizes: &[usize]) {
        let message = |number: usize| vec![number as u8; sizes[number]];
        let index = self.nodes[0]
            .open(2, class::TEST, 1, &message(0), self.now)
            .unwrap();
        let circuit = self.nodes[0].circuits.get_mut(&index).unwrap();
        (1..sizes.len()).for_each(|number| circuit.send(1, &message(number)));
        circuit.finish();
        self.until("the circuit's end", |node, _| {
            node.circuits[&index].state != State::Open
        });
        let circuit = self.nodes[0].circuits.remove(&index).unwrap();
        assert_eq!(circuit.state, State::Done);
        assert_eq!(circuit.messages.len(), sizes.len());
        for (number, (op, back)) in circuit.messages.iter().enumerate() {
            assert_eq!((*op, back), (1, &message(number)));
        }
    }

    fn nothing_was_wrong(&mut self) {
        for node in &mut self.nodes {
            assert_eq!(node.audit.untold(), []);
            assert_eq!(node.audit.violations(), 0);
        }
    }
}

fn manners() -> Manners {
    Manners {
        speaks: true,
        serves: true,
        window: 64,
        segment: None,
    }
}

#[test]
fn members_meet_and_talk_in_each_mode() {
    for mode in [Mode::Open, Mode::Mac, Mode::Aead] {
        let mut world = World::new(mode, [&[1500; 3]; 2], manners());
        world.meet();
        world.echo(&[5, 0, 100_000, 1]);
        // The last acknowledgement is under way.
        (0..50).for_each(|_| world.step());
        world.nothing_was_wrong();
        assert_eq!(world.nodes[1].served, 1);
    }
}

#[test]
fn nothing_is_lost_on_bad_rails_and_through_narrow_windows() {
    for (window, segment) in [(64, None), (1, None), (3, Some(5000))] {
        let manners = Manners {
            window,
            segment,
            ..manners()
        };
        let mut world = World::new(Mode::Aead, [&[1500, 4000], &[9000, 1500]], manners);
        // What is swapped over rails can't be told from what was said late.
        world.lost = 10;
        world.late = 10;
        world.until("the nodes meet", |node, now| node.is_up(2, 1, now));
        world.echo(&[20_000, 1, 60_000]);
        for node in &mut world.nodes {
            let untold = node.audit.untold();
            assert!(
                untold.iter().all(|(rule, _)| *rule == "hello"),
                "{untold:?}"
            );
        }
    }
}

#[test]
fn keys_change_while_circuits_live() {
    let mut world = World::new(Mode::Aead, [&[1500; 2]; 2], manners());
    world.meet();
    for _ in 0..5 {
        let now = world.now;
        world.nodes[0].rekey(now);
        world.echo(&[3000, 3000]);
        world.until("new keys", |node, now| node.is_up(2, 2, now));
    }
    world.nothing_was_wrong();
}

#[test]
fn who_has_another_key_joins_nothing() {
    let mut world = World::new(Mode::Aead, [&[1500]; 2], manners());
    let mut random = Random::new([5; 32]);
    world.nodes[1].identity = Identity::new(Gpid::new(2, 1, 0), Mode::Aead, [8; 32], &mut random);
    for _ in 0..3000 {
        world.step();
    }
    assert!(!world.nodes[0].is_up(2, 1, world.now));
    assert!(world.nodes[0].audit.counted("no_key") > 5);
    assert!(world.nodes[0].peers.is_empty());
}

#[test]
fn a_node_that_restarts_or_leaves_takes_its_circuits_along() {
    let mut world = World::new(Mode::Mac, [&[1500; 2]; 2], manners());
    world.meet();
    let index = world.nodes[0]
        .open(2, class::TEST, 1, b"hello", world.now)
        .unwrap();
    for _ in 0..100 {
        world.step();
    }
    assert_eq!(world.nodes[0].circuits[&index].state, State::Open);
    let mut random = Random::new([6; 32]);
    world.nodes[1].identity = Identity::new(Gpid::new(2, 2, 0), Mode::Mac, [9; 32], &mut random);
    world.nodes[1].peers.clear();
    world.nodes[1].circuits.clear();
    world.until("the end of the circuit", |node, _| {
        node.circuits[&index].state == State::Broken(reset::PEER_DOWN)
    });
    world.meet();
    world.echo(&[10]);
    world.nodes[1].manners.speaks = false;
    world.nodes[1].say_hello(1, None);
    world.until("the peer's leave", |node, now| !node.is_up(2, 1, now));
    assert!(world.nodes[0].peers[&2].left);
}
