// SPDX-License-Identifier: MIT OR Apache-2.0

//! What must hold of a switch, whatever is sent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::frame::Mac;
use super::super::pipe::Refused;
use super::{Core, Outlet};
use crate::counters::Counters;
use crate::faults::{Chance, Direction, Faults, Rate, Selector};

const NODES: [u32; 4] = [1, 2, 3, 9];
const BROADCAST: Mac = [0xff; 6];

/// What came out: to which port, and when it was asked.
#[derive(Default)]
struct Out {
    now: Duration,
    frames: Vec<(Duration, usize, Vec<u8>)>,
    full: bool,
}

impl Outlet for Out {
    fn put(&mut self, port: usize, frame: &[u8]) -> Result<(), Refused> {
        if self.full {
            return Err(Refused::Full);
        }
        self.frames.push((self.now, port, frame.to_vec()));
        Ok(())
    }
}

/// A switch, its clock, and what came out of it.
struct Lab {
    core: Core,
    out: Out,
}

impl Lab {
    fn new(seed: u64) -> Self {
        Self {
            core: Core::new(0, seed, &NODES),
            out: Out::default(),
        }
    }

    fn send(&mut self, at: Duration, from: usize, frame: &[u8]) {
        self.run_until(at);
        self.out.now = at;
        self.core.input(at, from, frame, &mut self.out);
    }

    /// Lets time pass, with an ideal timer.
    fn run_until(&mut self, end: Duration) {
        while let Some(due) = self.core.due().filter(|due| *due <= end) {
            self.out.now = due.max(self.out.now);
            self.core.advance(self.out.now, &mut self.out);
        }
        self.out.now = end;
    }

    /// Lets everything come out.
    fn finish(&mut self) {
        while let Some(due) = self.core.due() {
            self.run_until(due);
        }
    }

    fn sums(&self) -> [Counters; 2] {
        let sum = |pick: fn(&crate::PortCounters) -> Counters| {
            self.core.counters().map(|port| pick(&port)).fold(
                Counters::default(),
                |sum, counters| Counters {
                    frames: sum.frames + counters.frames,
                    forwarded: sum.forwarded + counters.forwarded,
                    bytes: sum.bytes + counters.bytes,
                    blocked: sum.blocked + counters.blocked,
                    lost: sum.lost + counters.lost,
                    duplicated: sum.duplicated + counters.duplicated,
                    reordered: sum.reordered + counters.reordered,
                    corrupted: sum.corrupted + counters.corrupted,
                    overflowed: sum.overflowed + counters.overflowed,
                    queued: sum.queued + counters.queued,
                },
            )
        };
        [sum(|port| port.sent), sum(|port| port.received)]
    }
}

fn mac(port: usize) -> Mac {
    [0x52, 0x54, 0, 0x50, 0, NODES[port] as u8]
}

fn frame(to: Mac, from: usize, ethertype: u16, body: &[u8]) -> Vec<u8> {
    [&to, &mac(from), &ethertype.to_be_bytes()[..], body].concat()
}

fn podos(to: Mac, from: usize, number: u32) -> Vec<u8> {
    frame(to, from, 0x88b5, &number.to_be_bytes())
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14..18].try_into().unwrap())
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_switch_learns_where_addresses_are() {
    let mut lab = Lab::new(1);
    let ports = |lab: &mut Lab| {
        let frames = std::mem::take(&mut lab.out.frames);
        frames
            .into_iter()
            .map(|(_, port, _)| port)
            .collect::<Vec<_>>()
    };
    lab.send(ms(1), 0, &podos(mac(2), 0, 0));
    assert_eq!(ports(&mut lab), [1, 2, 3], "not known yet: to all");
    lab.send(ms(1), 2, &podos(mac(0), 2, 0));
    assert_eq!(ports(&mut lab), [0]);
    lab.send(ms(1), 0, &podos(mac(2), 0, 0));
    assert_eq!(ports(&mut lab), [2]);
    lab.send(ms(1), 2, &podos(BROADCAST, 2, 0));
    assert_eq!(ports(&mut lab), [0, 1, 3]);
    // The address moves, as that of a node in another slot.
    lab.send(ms(1), 3, &podos(mac(0), 2, 0));
    lab.send(ms(1), 0, &podos(mac(2), 0, 0));
    assert_eq!(ports(&mut lab), [0, 3]);
    // To itself, and what is no frame: nowhere.
    lab.send(ms(1), 0, &podos(mac(0), 0, 0));
    lab.send(ms(1), 0, &[0; 13]);
    lab.send(ms(1), 0, &[0; 9100]);
    assert_eq!(ports(&mut lab), [0; 0]);
    assert_eq!(lab.sums()[0].blocked, 2);
}

#[test]
fn a_flood_of_addresses_is_forgotten_not_kept() {
    let mut lab = Lab::new(1);
    for number in 0..3 * super::TABLE as u32 {
        let mut frame = podos(mac(1), 0, number);
        frame[8..12].copy_from_slice(&number.to_be_bytes());
        lab.send(ms(1), 0, &frame);
    }
    assert!(lab.core.table.len() <= super::TABLE);
}

#[test]
fn a_partition_separates_and_a_cut_takes_all() {
    let mut lab = Lab::new(1);
    lab.core.partition(&[vec![1, 9]]);
    let heard = |lab: &mut Lab, from| {
        lab.send(ms(1), from, &podos(BROADCAST, from, 0));
        let frames = std::mem::take(&mut lab.out.frames);
        frames
            .into_iter()
            .map(|(_, port, _)| port)
            .collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut lab, 0), [3]);
    assert_eq!(heard(&mut lab, 1), [2], "the rest is together");
    lab.core.partition(&[]);
    assert_eq!(heard(&mut lab, 1), [0, 2, 3]);
    let place = Selector::node(2).going(Direction::Received);
    lab.core.set_cut(place, true);
    assert_eq!(heard(&mut lab, 0), [2, 3]);
    assert_eq!(heard(&mut lab, 1), [0, 2, 3]);
    lab.core.set_cut(Selector::ALL, true);
    assert_eq!(heard(&mut lab, 0), [0; 0]);
    lab.core.set_cut(Selector::ALL, false);
    assert_eq!(heard(&mut lab, 0), [1, 2, 3]);
    // Another rail's port is not this one.
    lab.core.set_cut(Selector::rail(1), true);
    assert_eq!(heard(&mut lab, 0), [1, 2, 3]);
}

#[test]
fn chances_come_as_often_as_set() {
    let mut lab = Lab::new(42);
    let faults = Faults {
        loss: Chance::percent(10.0),
        corruption: Chance::percent(5.0),
        duplication: Chance::percent(2.0),
        reordering: Chance::percent(5.0),
        ..Faults::default()
    };
    lab.core
        .set_faults(Selector::node(1).going(Direction::Sent), faults);
    for number in 0..20_000_u32 {
        let at = Duration::from_micros(u64::from(number) * 100);
        lab.send(at, 0, &podos(mac(1), 0, number));
    }
    lab.finish();
    let sent = lab.core.counters().next().unwrap().sent;
    let near = |count: u64, expected: f64| {
        let deviation = (20_000.0 * expected * (1.0 - expected)).sqrt();
        (count as f64 - 20_000.0 * expected).abs() < 5.0 * deviation
    };
    assert!(near(sent.lost, 0.1), "{sent:?}");
    // Those that were not lost.
    assert!(near(sent.corrupted, 0.9 * 0.05), "{sent:?}");
    assert!(near(sent.duplicated, 0.9 * 0.02), "{sent:?}");
    // Held for 2 ms in which 20 others pass: all are overtaken. Doubles overtake together.
    assert!(near(sent.reordered, 0.9 * 0.05 * 1.02), "{sent:?}");
    assert_eq!(sent.forwarded + sent.lost, sent.frames + sent.duplicated);
}

#[test]
fn other_frames_are_spared_and_change_nothing() {
    let faults = Faults {
        loss: Chance::percent(30.0),
        corruption: Chance::percent(30.0),
        only_podos: true,
        ..Faults::default()
    };
    let run = |noise: bool| {
        let mut lab = Lab::new(3);
        lab.core.set_faults(Selector::ALL, faults);
        for number in 0..200 {
            if noise {
                lab.send(ms(1), 0, &frame(BROADCAST, 0, 0x0806, &[number as u8; 46]));
            }
            lab.send(ms(1), 0, &podos(BROADCAST, 0, number));
        }
        let frames = std::mem::take(&mut lab.out.frames);
        let is_noise = |frame: &[u8]| frame.len() == 60;
        let (noise, podos) = frames
            .into_iter()
            .partition::<Vec<_>, _>(|(.., f)| is_noise(f));
        (noise, podos)
    };
    let (noise, disturbed) = run(true);
    let (_, alone) = run(false);
    assert_eq!(noise.len(), 600);
    assert!(noise.iter().all(|(.., frame)| frame[12..14] == [8, 6]));
    assert_eq!(disturbed, alone);
}

#[test]
fn delays_add_up_and_jitter_keeps_the_order() {
    let mut lab = Lab::new(5);
    let delay = |delay, jitter| Faults {
        delay: ms(delay),
        jitter: ms(jitter),
        ..Faults::default()
    };
    let sent = Selector::node(1).going(Direction::Sent);
    let received = Selector::node(2).going(Direction::Received);
    lab.core.set_faults(sent, delay(10, 0));
    lab.core.set_faults(received, delay(5, 3));
    for number in 0..100 {
        lab.send(ms(u64::from(number)), 0, &podos(mac(1), 0, number));
        // Known, so that only one port gets the frames.
        lab.send(ms(u64::from(number)), 1, &podos(BROADCAST, 1, number));
    }
    lab.finish();
    lab.out.frames.retain(|(_, port, _)| *port == 1);
    assert_eq!(lab.out.frames.len(), 100);
    for (index, (at, _, frame)) in lab.out.frames.iter().enumerate() {
        assert_eq!(number(frame) as usize, index);
        let late = *at - ms(index as u64);
        assert!((ms(15)..=ms(18)).contains(&late), "{late:?}");
    }
}

#[test]
fn a_rate_holds_over_time_and_what_is_too_much_is_counted() {
    let mut lab = Lab::new(5);
    let rate = Rate::mbit(10);
    let place = Selector::node(2).going(Direction::Received);
    lab.core.set_rate(place, Some(rate));
    // 1000-byte frames at twice the rate.
    let body = [0; 986];
    for number in 0..10_000 {
        let at = Duration::from_micros(number * 400);
        lab.send(at, 0, &frame(mac(1), 0, 0x88b5, &body));
    }
    let counters = lab.core.counters().nth(1).unwrap().received;
    let bytes = rate.bits_per_second() / 8 * 4;
    let error = counters.bytes.abs_diff(bytes);
    assert!(error <= rate.burst() + 2000, "{error} of {bytes}");
    assert!(counters.queued * 1000 <= rate.queue() + 1000);
    let all = counters.forwarded + counters.overflowed + counters.queued;
    assert_eq!((all, counters.frames), (10_000, 10_000));
}

#[test]
fn who_does_not_read_is_counted() {
    let mut lab = Lab::new(1);
    lab.out.full = true;
    lab.send(ms(1), 0, &podos(BROADCAST, 0, 0));
    let [sent, received] = lab.sums();
    assert_eq!((sent.forwarded, received.overflowed), (1, 3));
}

/// A frame: who sends it, to whom (anyone beyond the ports: to all), and after how many µs.
type Sent = (usize, usize, u64);

fn traffic() -> impl Strategy<Value = Vec<Sent>> {
    proptest::collection::vec((0..NODES.len(), 0..NODES.len() + 1, 0..3000_u64), 1..100)
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        Just(Chance::NEVER),
        Just(Chance::ALWAYS),
        (0.0..100.0).prop_map(Chance::percent),
    ]
}

prop_compose! {
    fn faults()(
        loss in chance(), corruption in chance(), duplication in chance(), reordering in chance(),
        held in 0..5_u64, delay in 0..20_u64, jitter in 0..20_u64, only_podos: bool,
    ) -> Faults {
        Faults {
            loss, corruption, duplication, reordering, only_podos,
            held: ms(held), delay: ms(delay), jitter: ms(jitter),
        }
    }
}

fn run(lab: &mut Lab, traffic: &[Sent]) {
    let mut at = Duration::ZERO;
    for (number, (from, to, pause)) in traffic.iter().enumerate() {
        at += Duration::from_micros(*pause);
        lab.send(at, *from, &podos(address(*to), *from, number as u32));
    }
}

/// That of a port; beyond them, everybody's.
fn address(to: usize) -> Mac {
    if to < NODES.len() {
        mac(to)
    } else {
        BROADCAST
    }
}

fn adds_up(counters: Counters) -> bool {
    counters.frames + counters.duplicated
        == counters.forwarded
            + counters.blocked
            + counters.lost
            + counters.overflowed
            + counters.queued
}

proptest! {
    #[test]
    fn without_faults_every_frame_arrives_once_at_once_in_order(traffic in traffic()) {
        let mut lab = Lab::new(1);
        run(&mut lab, &traffic);
        prop_assert_eq!(lab.core.due(), None);
        let mut last = HashMap::new();
        for (_, port, frame) in &lab.out.frames {
            let number = number(frame);
            let (from, to, _) = traffic[number as usize];
            prop_assert_ne!(from, *port);
            // A flood reaches the others, too.
            let before = last.insert((from, *port), number);
            prop_assert!(before < Some(number), "{:?} before {}", before, number);
            prop_assert_eq!(frame, &podos(address(to), from, number));
        }
        let got = lab.out.frames.iter().map(|(_, port, frame)| (*port, number(frame)));
        let got = got.collect::<HashSet<_>>();
        for (number, (from, to, _)) in traffic.iter().enumerate() {
            for port in (0..NODES.len()).filter(|port| port != from) {
                let for_it = *to == port || *to == NODES.len();
                prop_assert!(!for_it || got.contains(&(port, number as u32)));
            }
        }
    }

    #[test]
    fn with_all_faults_nothing_is_unaccounted_for(
        traffic in traffic(), sent in faults(), received in faults(), seed: u64,
        rate in proptest::option::of(1..200_u32),
    ) {
        let mut lab = Lab::new(seed);
        lab.core.set_faults(Selector::ALL.going(Direction::Sent), sent);
        lab.core.set_faults(Selector::ALL.going(Direction::Received), received);
        lab.core.set_rate(Selector::ALL, rate.map(Rate::mbit));
        run(&mut lab, &traffic);
        for port in lab.core.counters().collect::<Vec<_>>() {
            prop_assert!(adds_up(port.sent) && adds_up(port.received), "{:?}", port);
        }
        lab.finish();
        let [sent, received] = lab.sums();
        prop_assert!(adds_up(sent) && adds_up(received));
        prop_assert_eq!((sent.queued, received.queued), (0, 0));
        prop_assert_eq!(received.forwarded, lab.out.frames.len() as u64);
    }

    #[test]
    fn the_same_seed_has_the_same_outcome(
        traffic in traffic(), faults in faults(), seed: u64,
    ) {
        let outcome = |reseeded: bool| {
            let mut lab = Lab::new(if reseeded { !seed } else { seed });
            if reseeded {
                lab.send(Duration::ZERO, 0, &podos(BROADCAST, 0, 0));
                lab.out.frames.clear();
                lab.core.reseed(seed);
                lab.core.table.clear();
            }
            lab.core.set_faults(Selector::ALL, faults);
            run(&mut lab, &traffic);
            lab.finish();
            lab.out.frames
        };
        let first = outcome(false);
        prop_assert_eq!(&first, &outcome(false));
        prop_assert_eq!(&first, &outcome(true));
    }

    /// The fate of one node's frames does not depend on how much others send.
    #[test]
    fn a_port_is_not_disturbed_by_others(
        own in 1..100_u32, noise in traffic(), loss in chance(), seed: u64,
    ) {
        let faults = Faults { loss, corruption: Chance::percent(20.0), ..Faults::default() };
        let outcome = |noise: &[Sent]| {
            let mut lab = Lab::new(seed);
            lab.core.set_faults(Selector::node(1).going(Direction::Sent), faults);
            run(&mut lab, noise);
            lab.out.frames.clear();
            for number in 0..own {
                lab.send(Duration::from_secs(9), 0, &podos(BROADCAST, 0, number));
            }
            lab.out.frames
        };
        let others = noise.into_iter().filter(|(from, ..)| *from != 0).collect::<Vec<_>>();
        prop_assert_eq!(outcome(&[]), outcome(&others));
    }
}
