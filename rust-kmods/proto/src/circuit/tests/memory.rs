// SPDX-License-Identifier: GPL-2.0-only

//! The memory of circuits: none while they are idle, and none to be had.

use std::cell::Cell;

use super::*;

std::thread_local! {
    static IS_SCARCE: Cell<bool> = const { Cell::new(false) };
    static RINGS: Cell<usize> = const { Cell::new(0) };
}

/// Bytes on a heap that may be full.
#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

/// A ring that counts itself.
struct Counted<T>(Vec<T>);

impl<T> core::ops::Deref for Counted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> core::ops::DerefMut for Counted<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        RINGS.set(RINGS.get() - 1);
    }
}

impl Payload for Bytes {
    type Ring<T> = Counted<T>;

    fn ring<T>(len: usize, make: impl FnMut() -> T) -> Option<Counted<T>> {
        (!IS_SCARCE.get()).then(|| {
            RINGS.set(RINGS.get() + 1);
            Counted(std::iter::repeat_with(make).take(len).collect())
        })
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn append(&mut self, next: Self) {
        self.0.extend(next.0);
    }
}

type Ends = [Circuit<Bytes>; 2];

/// Carries frames from one end to the other until there are none.
fn carry(ends: &mut Ends, from: usize, now: Instant) {
    let mut frames = Vec::new();
    while let Some(out) = ends[from].poll_transmit(now, &one_rail()) {
        frames.push((out.header, out.payload.cloned().unwrap_or(Bytes(vec![]))));
    }
    for (header, payload) in frames {
        ends[1 - from].receive(now, R0, &header, payload);
        ends[1 - from].assert_invariants();
    }
}

/// Lets time pass, as the circuits' deadlines ask for it, until `end`.
fn pass(ends: &mut Ends, end: Instant) {
    while let Some(now) = ends.iter().filter_map(Circuit::deadline).min() {
        if now > end {
            return;
        }
        for from in [0, 1] {
            ends[from].on_timeout(now);
            carry(ends, from, now);
        }
        carry(ends, 0, now);
    }
}

fn ends() -> Ends {
    let (local, remote) = (
        Gpid::new(HostId::new(1), 1, 5),
        Gpid::new(HostId::new(2), 1, 6),
    );
    let cfg = Config::default();
    let mut a = Circuit::open(
        &cfg,
        single(),
        local,
        remote.node(),
        Class::Test,
        ACTIVE,
        OPEN_SEQ,
    );
    a.send(1, true, Bytes(vec![1])).unwrap();
    let open = a.poll_transmit(at(1), &one_rail()).unwrap().header;
    let mut b = Circuit::accept(&cfg, single(), &open, remote, PASSIVE);
    b.receive(at(1), R0, &open, Bytes(vec![1]));
    [a, b]
}

#[test]
fn an_idle_circuit_keeps_no_window() {
    let mut ends = ends();
    // One end only sent, the other only received.
    assert_eq!(RINGS.get(), 2);
    pass(&mut ends, at(1_000));
    assert_eq!(ends[1].recv().unwrap().payload, Bytes(vec![1]));
    pass(&mut ends, at(30_000));
    assert_eq!(RINGS.get(), 0);
    ends[1].send(2, true, Bytes(vec![2])).unwrap();
    carry(&mut ends, 1, at(30_000));
    assert_eq!(ends[0].recv().unwrap().payload, Bytes(vec![2]));
    assert_eq!(RINGS.get(), 2);
    for circuit in &mut ends {
        circuit.shutdown();
    }
    pass(&mut ends, at(31_000));
    assert!(ends.iter().all(Circuit::is_done));
    drop(ends);
    assert_eq!(RINGS.get(), 0);
}

#[test]
fn what_waits_for_the_reader_is_kept_however_long_it_takes() {
    let mut ends = ends();
    pass(&mut ends, at(60_000));
    assert_eq!(RINGS.get(), 1);
    assert_eq!(ends[1].recv().unwrap().payload, Bytes(vec![1]));
}

#[test]
fn without_memory_a_segment_comes_back_and_a_finish_waits() {
    let mut ends = ends();
    pass(&mut ends, at(1_000));
    IS_SCARCE.set(true);
    let refused = ends[1].send(2, true, Bytes(vec![2])).unwrap_err();
    assert!(matches!(refused, SendError::NoMemory(_)));
    assert!(ends[1].can_send());
    ends[1].shutdown();
    carry(&mut ends, 1, at(1_000));
    let refused = ends[1].send(2, true, Bytes(vec![2])).unwrap_err();
    assert!(matches!(refused, SendError::Finished(_)));
    pass(&mut ends, at(2_000));
    assert_eq!(ends[0].receive_state(), ReceiveState::Open);
    IS_SCARCE.set(false);
    pass(&mut ends, at(3_000));
    assert_eq!(ends[0].receive_state(), ReceiveState::Eof);
}

#[test]
fn what_finds_no_memory_is_sent_again() {
    let mut ends = ends();
    pass(&mut ends, at(1_000));
    ends[1].send(2, true, Bytes(vec![2])).unwrap();
    IS_SCARCE.set(true);
    carry(&mut ends, 1, at(1_000));
    assert_eq!((ends[0].recv(), ends[0].stats().rejected), (None, 1));
    IS_SCARCE.set(false);
    pass(&mut ends, at(2_000));
    assert_eq!(ends[0].recv().unwrap().payload, Bytes(vec![2]));
}
