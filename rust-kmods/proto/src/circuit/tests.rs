// SPDX-License-Identifier: GPL-2.0-only

//! Circuits in a virtual network, against the model "two queues that lose nothing".

mod finish;
mod memory;
mod net;
mod pieces;
mod rails;
mod speed;
mod window;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::tgroup::RailId::*;
use crate::tgroup::{RailSet, RailView};
use crate::time::Duration;
use crate::{HostId, Seq};
use net::{data, segments, Faults, Rail, Random, Script, World};

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

/// A configuration under which no bad luck makes a circuit give up.
fn patient() -> Config {
    Config {
        unheard: Duration::from_secs(100_000),
        give_up: Duration::from_secs(100_000),
        ..Config::default()
    }
}

fn script(count: usize, seed: u64) -> Script {
    Script::sends(segments(count, seed))
}

fn faults() -> impl Strategy<Value = Faults> {
    (
        0u64..40,
        0u64..30,
        prop_oneof![Just(0u64), 0u64..3_000, 0u64..60_000],
    )
        .prop_map(|(loss_percent, duplicate_percent, jitter_micros)| Faults {
            loss_percent,
            duplicate_percent,
            jitter_micros,
            flip_percent: 0,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_arrive_once_and_in_order(
        faults in faults(),
        seed: u64,
        window in 1u16..=64,
        counts in [0usize..200, 0usize..200],
        read_every in [0u64..20_000, 0u64..20_000],
        read_at_once in [1usize..80, 1usize..80],
    ) {
        let cfg = Config { window, ..patient() };
        let mut scripts = [script(counts[0] + 1, seed), script(counts[1], !seed)];
        for (end, script) in scripts.iter_mut().enumerate() {
            script.read_every = Duration::from_micros(read_every[end]);
            script.read_at_once = read_at_once[end];
        }
        let mut world = World::new(cfg, faults, seed, scripts);
        world.run(at(5_000_000));
        world.assert_complete();
    }

    #[test]
    fn a_cut_leaves_no_end_waiting(
        faults in faults(),
        seed: u64,
        counts in [0usize..300, 0usize..300],
        aborter in 0usize..2,
        abort_at in 0u64..60,
    ) {
        let mut scripts = [script(counts[0] + 1, seed), script(counts[1], !seed)];
        scripts[aborter].abort_at = Some(at(abort_at));
        let mut world = World::new(Config::default(), faults, seed, scripts);
        world.run(at(5_000_000));
        world.assert_prefix();
        for node in &world.nodes {
            if let Some(circuit) = &node.circuit {
                prop_assert!(circuit.is_done());
                prop_assert_ne!(circuit.receive_state(), ReceiveState::Open);
                prop_assert_eq!(circuit.deadline(), None);
            }
        }
    }

    #[test]
    fn no_frame_does_harm(seed: u64, count in 1usize..400) {
        let mut random = Random::new(seed);
        let mut world = World::new(Config::default(), Faults::NONE, seed, [script(90, seed), script(90, 1)]);
        world.run(at(random.below(3)));
        for _ in 0..count {
            for node in &mut world.nodes {
                let Some(circuit) = &mut node.circuit else { continue };
                let header = hostile_header(&mut random, circuit);
                let rail = RailId::ALL[random.below(8) as usize];
                circuit.receive(world.now, rail, &header, vec![0; random.below(3) as usize]);
                circuit.assert_invariants();
                if random.below(8) == 0 {
                    circuit.on_timeout(world.now);
                }
                let rails = RailView::uniform(RailSet::from_bits(random.next() as u8), 1452);
                while circuit.poll_transmit(world.now, &rails).is_some() {}
                while random.below(2) == 0 && circuit.recv().is_some() {}
                circuit.assert_invariants();
            }
        }
    }
}

/// A header that gets past the first checks, with numbers that lie, mostly a little.
fn hostile_header(random: &mut Random, victim: &Circuit<Vec<u8>>) -> Header {
    let kinds = [Kind::Data, Kind::Data, Kind::Data, Kind::Ack, Kind::Reset];
    let near = |random: &mut Random, base: u32| match random.below(8) {
        0 => random.next() as u32,
        1 => base.wrapping_sub(random.below(70) as u32),
        _ => base.wrapping_add(random.below(70) as u32),
    };
    let resets_too = random.below(40) == 0;
    let kind = kinds[random.below(if resets_too { 5 } else { 4 }) as usize];
    let mut header = Header::new(kind, victim.class, victim.remote, victim.local);
    header.op = random.below(32) as u8;
    header.active = victim.active;
    header.passive = victim.passive;
    header.flags = Flags::from_raw(random.next() as u16 & 0x76) | Flags::ACK_VALID;
    if victim.role == Role::Passive {
        header.flags |= Flags::TO_PASSIVE;
    }
    if random.below(10) > 0 {
        header.flags = Flags::from_raw(header.flags.raw() & !Flags::FIN.raw());
    }
    header.seq = near(random, victim.recv.next().raw());
    header.ack = Seq::new(near(random, victim.stats.sent as u32));
    header.sack = random.next() as u32 & random.next() as u32;
    header.window = (random.below(100) * random.below(650)) as u16;
    if random.below(3) == 0 {
        header.offset = random.below(6) as u16;
    }
    header
}

#[test]
fn a_clean_network_sees_no_needless_frame() {
    let mut world = World::new(
        Config::default(),
        Faults::NONE,
        1,
        [script(1000, 1), Script::sends(Vec::new())],
    );
    world.run(at(60_000));
    world.assert_complete();
    let sender = world.nodes[0].circuit.as_ref().unwrap().stats();
    let receiver = world.nodes[1].circuit.as_ref().unwrap().stats();
    assert_eq!(
        (sender.sent, sender.retransmitted, sender.timeouts),
        (1001, 0, 0)
    );
    assert_eq!(
        (receiver.received, receiver.duplicates, receiver.rejected),
        (1001, 0, 0)
    );
    assert!(
        receiver.acks <= 1001 / 16 + 20,
        "{} acknowledgements",
        receiver.acks
    );
    // 1000 segments in windows of 64, 100 us each, and not one delayed acknowledgement between.
    assert!(world.now < at(25), "took until {:?}", world.now);
}

#[test]
fn a_short_request_takes_four_frames_and_their_ends() {
    let request = vec![Segment {
        op: 1,
        end: true,
        payload: vec![1],
    }];
    let reply = vec![Segment {
        op: 2,
        end: true,
        payload: vec![2],
    }];
    let mut world = World::new(
        Config::default(),
        Faults::NONE,
        1,
        [Script::sends(request), Script::sends(reply)],
    );
    world.run(at(1000));
    world.assert_complete();
    // OPEN, reply, two FINs; the opener's FIN waits for the passive index, so it asks for it.
    assert!(world.frames_sent <= 8, "{} frames", world.frames_sent);
    assert!(world.now < at(1), "took until {:?}", world.now);
}

#[test]
fn a_dead_peer_is_given_up_while_sending_and_while_idle() {
    for sends in [true, false] {
        let (mut a, mut b) = pair();
        exchange(&mut a, &mut b, at(20));
        if sends {
            a.send(0, true, vec![1]).unwrap();
            drop(drain(&mut a, at(20)));
        }
        let mut now = at(20);
        let mut activity = Activity::NONE;
        while let Some(deadline) = a.deadline() {
            now = now.max(deadline);
            activity = a.on_timeout(now);
            drop(drain(&mut a, now));
        }
        assert_eq!(activity, Activity::ALL);
        assert_eq!(
            a.receive_state(),
            ReceiveState::Reset(ResetReason::TimedOut)
        );
        assert!(a.is_done());
        let waited = now.saturating_duration_since(at(20));
        let config = Config::default();
        let silence = if sends { None } else { config.keepalive };
        let least = silence.unwrap_or_default() + config.unheard;
        let most = least + 2 * config.max_backoff;
        assert!(waited >= least && waited < most, "{waited:?}");
    }
}

/// The opener hears that the other node is there, which does not hear it.
#[test]
fn an_open_that_nobody_hears_is_given_up_in_two_seconds() {
    let (mut a, _) = pair();
    a.send(0, true, vec![1]).unwrap();
    let mut opens = drain(&mut a, at(0)).len();
    let mut now = at(0);
    while let Some(deadline) = a.deadline() {
        now = now.max(deadline);
        a.on_timeout(now);
        opens += drain(&mut a, now).len();
    }
    let reason = ReceiveState::Reset(ResetReason::TimedOut);
    assert_eq!(a.receive_state(), reason);
    assert!(now < at(2000), "after {now:?}");
    // A rail that loses half of all frames either way gives another verdict.
    assert!(opens >= 15, "{opens} tries");
}

/// A node that stood still for long asks anew before it thinks ill of others.
#[test]
fn time_in_which_nothing_was_tried_does_not_count() {
    let (mut a, mut b) = pair();
    exchange(&mut a, &mut b, at(20));
    a.send(0, true, vec![1]).unwrap();
    drop(drain(&mut a, at(20)));
    assert_eq!(a.on_timeout(at(7_000)), Activity::NONE);
    exchange(&mut a, &mut b, at(7_000));
    assert_eq!(a.receive_state(), ReceiveState::Open);
    assert_eq!(a.queued().0, 0);
}

/// Whatever comes of the other end, answer or not, lets hope for one.
#[test]
fn who_says_something_is_waited_for_longer() {
    let (mut a, mut b) = pair();
    exchange(&mut a, &mut b, at(20));
    a.send(0, true, vec![1]).unwrap();
    drop(drain(&mut a, at(20)));
    let mut now = at(20);
    while now < at(9_000) {
        now = now + Duration::from_millis(50);
        a.on_timeout(now);
        drop(drain(&mut a, now));
        if now.as_nanos() % 500_000_000 == at(20).as_nanos() % 500_000_000 {
            b.send(0, true, vec![2]).unwrap();
            for (header, data) in drain(&mut b, now) {
                a.receive(now, R0, &header, data);
            }
            drop(drain(&mut a, now));
            while a.recv().is_some() {}
        }
        assert_eq!(a.receive_state(), ReceiveState::Open, "at {now:?}");
    }
}

#[test]
fn keepalive_holds_an_idle_circuit() {
    let (mut a, mut b) = pair();
    let mut now = at(20);
    exchange(&mut a, &mut b, now);
    while now < at(600_000) {
        now = [a.deadline(), b.deadline()]
            .into_iter()
            .flatten()
            .min()
            .expect("keepalive");
        a.on_timeout(now);
        b.on_timeout(now);
        exchange(&mut a, &mut b, now);
    }
    assert_eq!(
        (a.receive_state(), b.receive_state()),
        (ReceiveState::Open, ReceiveState::Open)
    );
    assert!(a.stats().acks + b.stats().acks < 600);
}

#[test]
fn what_was_delivered_outlives_the_reset_of_the_other_end() {
    let (mut a, mut b) = pair();
    a.send(4, true, vec![9]).unwrap();
    exchange(&mut a, &mut b, at(20));
    a.abort(ResetReason::Aborted);
    exchange(&mut a, &mut b, at(21));
    assert!(a.is_done() && b.is_done());
    assert_eq!(b.receive_state(), ReceiveState::Open);
    assert_eq!(
        b.recv(),
        Some(Segment {
            op: 4,
            end: true,
            payload: vec![9]
        })
    );
    assert_eq!(b.receive_state(), ReceiveState::Reset(ResetReason::Aborted));
    let refused = b.send(0, true, vec![1]).unwrap_err();
    assert!(matches!(refused, SendError::Reset(ResetReason::Aborted, _)));
    assert_eq!(refused.into_payload(), [1]);
}

#[test]
fn a_reset_that_answers_a_late_open_says_nothing() {
    let mut unanswered = opener();
    unanswered.send(0, true, Vec::new()).unwrap();
    let (open, _) = drain(&mut unanswered, at(1)).remove(0);
    let reset = open.reset_reply(open.to, ResetReason::NoCircuit).unwrap();
    assert!(reset.passive.is_none());
    // The other end had answered, has finished, and is gone when a copy of the OPEN comes there.
    let (mut a, mut b) = pair();
    a.send(4, true, vec![7]).unwrap();
    a.receive(at(20), R0, &reset, vec![]);
    assert_eq!((a.reset_reason(), a.stats().rejected), (None, 1));
    exchange(&mut a, &mut b, at(20));
    assert_eq!(b.recv().map(|segment| segment.payload), Some(vec![7]));
    // To the passive end it is the opener's word, which it never answered.
    let mut accepted = Circuit::accept(&Config::default(), single(), &open, open.to, PASSIVE);
    let mut abort = Header::new(Kind::Reset, open.class, open.from, open.to);
    abort.flags = Flags::TO_PASSIVE;
    abort.active = open.active;
    abort.seq = ResetReason::Aborted as u32;
    accepted.receive(at(20), R0, &abort, vec![]);
    assert_eq!(accepted.reset_reason(), Some(ResetReason::Aborted));
    // Who was never answered is told that there is no circuit.
    unanswered.receive(at(20), R0, &reset, vec![]);
    assert_eq!(unanswered.reset_reason(), Some(ResetReason::NoCircuit));
}

#[test]
fn an_opener_that_says_nothing_sends_nothing() {
    let mut circuit = opener();
    circuit.shutdown();
    assert!(circuit.is_done() && circuit.poll_transmit(at(1), &one_rail()).is_none());
    let mut circuit = opener();
    circuit.abort(ResetReason::Aborted);
    assert!(circuit.is_done() && circuit.poll_transmit(at(1), &one_rail()).is_none());
    let mut circuit = opener();
    assert!(circuit.poll_transmit(at(1), &one_rail()).is_none() && circuit.deadline().is_none());
    circuit.send(0, true, vec![]).unwrap();
    drop(drain(&mut circuit, at(1)));
    circuit.abort(ResetReason::Aborted);
    assert!(!circuit.is_done());
    let frames = drain(&mut circuit, at(2));
    assert_eq!(frames[0].0.kind, Kind::Reset);
    assert!(circuit.is_done() && circuit.poll_transmit(at(3), &one_rail()).is_none());
}

#[test]
fn the_answer_names_the_serving_process() {
    let mut a = opener();
    a.send(1, true, vec![1]).unwrap();
    let frames = drain(&mut a, at(1));
    let mut b = Circuit::accept(
        &Config::default(),
        single(),
        &frames[0].0,
        Gpid::new(HostId::new(2), 1, 0),
        PASSIVE,
    );
    b.set_local(Gpid::new(HostId::new(2), 1, 77));
    for (header, data) in frames {
        b.receive(at(1), R0, &header, data);
    }
    b.send(1, true, vec![2]).unwrap();
    assert!(a.passive_index().is_none());
    exchange(&mut b, &mut a, at(2));
    assert_eq!(
        (a.remote(), a.passive_index()),
        (Gpid::new(HostId::new(2), 1, 77), PASSIVE)
    );
    assert_eq!(
        (b.remote(), b.open_seq()),
        (Gpid::new(HostId::new(1), 1, 5), OPEN_SEQ)
    );
}

/// As large as what the kernel's circuits carry.
struct SixteenBytes(
    #[expect(dead_code, reason = "it is there for its size")] std::boxed::Box<[u8]>,
);

impl Payload for SixteenBytes {
    type Ring<T> = Vec<T>;

    fn ring<T>(_len: usize, _make: impl FnMut() -> T) -> Option<Vec<T>> {
        None
    }

    fn len(&self) -> usize {
        0
    }

    fn append(&mut self, _next: Self) {}
}

#[test]
fn a_circuit_fits_on_a_kernel_stack() {
    // As in the kernel, where a payload has 16 bytes.
    let size = size_of::<Circuit<SixteenBytes>>();
    assert!(size <= 1_200, "{size} bytes");
}

#[test]
fn frames_of_others_are_rejected() {
    let (mut a, mut b) = pair();
    a.send(1, true, vec![1]).unwrap();
    let (good, data) = drain(&mut a, at(20)).remove(0);
    let other = |change: fn(&mut Header)| {
        let mut header = good;
        change(&mut header);
        header
    };
    for bad in [
        other(|header| header.from = Gpid::new(HostId::new(3), 1, 5)),
        other(|header| header.from = Gpid::new(HostId::new(1), 2, 5)),
        other(|header| header.to = Gpid::new(HostId::new(2), 3, 0)),
        other(|header| header.class = Class::Gipc),
        other(|header| header.active = CdtIndex::new(1, 2)),
        other(|header| header.passive = CdtIndex::new(4, 1)),
        other(|header| header.flags = Flags::ACK_VALID),
        other(|header| header.ack = Seq::new(1)),
    ] {
        assert_eq!(
            b.receive(at(20), R0, &bad, data.clone()),
            Activity::NONE,
            "{bad:?}"
        );
    }
    assert_eq!(b.stats().rejected, 8);
    assert!(b.receive(at(20), R0, &good, data).readable);
}

#[test]
fn contradictions_end_the_circuit() {
    let (mut a, mut b) = pair();
    a.send(0, true, vec![1]).unwrap();
    a.shutdown();
    let frames = drain(&mut a, at(20));
    for (header, data) in &frames {
        b.receive(at(20), R0, header, data.clone());
    }
    let mut beyond = frames[0].0;
    beyond.seq = frames[1].0.seq + 1;
    assert_eq!(b.receive(at(20), R0, &beyond, vec![1]), Activity::ALL);
    assert_eq!(b.reset_reason(), Some(ResetReason::Protocol));
    let (reset, _) = drain(&mut b, at(20)).remove(0);
    assert_eq!(
        (reset.kind, reset.seq),
        (Kind::Reset, ResetReason::Protocol as u32)
    );
    a.receive(at(21), R0, &reset, Vec::new());
    assert_eq!(a.reset_reason(), Some(ResetReason::Protocol));
}

const ACTIVE: CdtIndex = CdtIndex::new(1, 1);
const PASSIVE: CdtIndex = CdtIndex::new(2, 1);
const OPEN_SEQ: Seq = Seq::new(99);

/// The only rail that there is, number 0.
fn one_rail() -> RailView {
    RailView::uniform(RailSet::from_bits(1), 1452)
}

fn single() -> Group {
    Group::new(GroupKind::Single, 0)
}

fn opener() -> Circuit<Vec<u8>> {
    opener_with(&Config::default())
}

fn opener_with(cfg: &Config) -> Circuit<Vec<u8>> {
    let (local, remote) = (
        Gpid::new(HostId::new(1), 1, 5),
        Gpid::new(HostId::new(2), 1, 0),
    );
    Circuit::open(cfg, single(), local, remote, Class::Pdfs, ACTIVE, OPEN_SEQ)
}

/// Both ends of a circuit over which one empty message went, read and acknowledged.
fn pair() -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    pair_with(&Config::default())
}

fn pair_with(cfg: &Config) -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    let mut a = opener_with(cfg);
    a.send(0, true, Vec::new()).unwrap();
    let (open, data) = drain(&mut a, at(1)).remove(0);
    let mut b = Circuit::accept(
        cfg,
        single(),
        &open,
        Gpid::new(HostId::new(2), 1, 6),
        PASSIVE,
    );
    b.receive(at(1), R0, &open, data);
    b.recv().expect("the message of the OPEN");
    b.on_timeout(at(8));
    exchange(&mut b, &mut a, at(8));
    (a, b)
}

/// As [`pair`], when so much has gone over the circuit that a whole window may be under way.
fn busy_pair() -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    busy_pair_with(&Config::default())
}

fn busy_pair_with(cfg: &Config) -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    let (mut a, mut b) = pair_with(cfg);
    for _ in 0..2 {
        for _ in 0..WINDOW - 1 {
            a.send(0, true, Vec::new()).unwrap();
        }
        while a.queued() != (0, 0) {
            exchange(&mut a, &mut b, at(9));
            while b.recv().is_some() {}
        }
        exchange(&mut a, &mut b, at(9));
    }
    (a, b)
}

fn drain(circuit: &mut Circuit<Vec<u8>>, now: Instant) -> Vec<(Header, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(out) = circuit.poll_transmit(now, &one_rail()) {
        frames.push((out.header, data(&out)));
    }
    frames
}

/// Carries frames between both ends until neither has any.
fn exchange(a: &mut Circuit<Vec<u8>>, b: &mut Circuit<Vec<u8>>, now: Instant) {
    loop {
        let (to_b, to_a) = (drain(a, now), drain(b, now));
        if to_a.is_empty() && to_b.is_empty() {
            return;
        }
        for (header, data) in to_b {
            b.receive(now, R0, &header, data);
        }
        for (header, data) in to_a {
            a.receive(now, R0, &header, data);
        }
    }
}
