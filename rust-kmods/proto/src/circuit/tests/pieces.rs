// SPDX-License-Identifier: GPL-2.0-only

//! Segments that do not fit a frame of their rail.

use super::*;
use crate::tgroup::RailStatus;

/// A header and its data.
type Frame = (Header, Vec<u8>);

/// Rail 0 with this room.
fn room(room: u16) -> RailView {
    RailView::uniform(RailSet::from_bits(1), room)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|place| (place * 7 + (place >> 8)) as u8)
        .collect()
}

fn drain_over(circuit: &mut Circuit<Vec<u8>>, rails: &RailView) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(out) = circuit.poll_transmit(at(20), rails) {
        frames.push((out.header, data(&out)));
    }
    frames
}

fn deliver(circuit: &mut Circuit<Vec<u8>>, frames: &[Frame]) {
    for (header, data) in frames {
        circuit.receive(at(20), R0, header, data.clone());
        circuit.assert_invariants();
    }
}

/// One segment of 4000 bytes in pieces of `first` bytes, and the other end that awaits it.
fn cut(first: u16) -> (Vec<Frame>, Circuit<Vec<u8>>, Circuit<Vec<u8>>) {
    let (mut a, b) = pair();
    a.send(9, true, pattern(4000)).unwrap();
    let frames = drain_over(&mut a, &room(first));
    (frames, a, b)
}

/// What is left to be sent again after a time-out.
fn again(a: &mut Circuit<Vec<u8>>, rails: &RailView) -> Vec<Frame> {
    a.on_timeout(at(5_000));
    drain_over(a, rails)
}

fn assert_arrived(b: &mut Circuit<Vec<u8>>) {
    let segment = b.recv().expect("a whole segment");
    assert_eq!((segment.op, segment.end), (9, true));
    assert!(segment.payload == pattern(4000));
    assert!(b.recv().is_none());
}

#[test]
fn a_segment_that_does_not_fit_goes_in_pieces() {
    let (frames, a, mut b) = cut(1452);
    let shape: Vec<_> = frames
        .iter()
        .map(|(header, data)| {
            let more = header.flags.contains(Flags::MORE);
            assert_eq!(
                (header.seq, header.op, data.len()),
                (1, 9, usize::from(header.len))
            );
            assert!(header.flags.contains(Flags::END));
            (header.offset, header.len, more)
        })
        .collect();
    assert_eq!(
        shape,
        [(0, 1452, true), (1452, 1452, true), (2904, 1096, false)]
    );
    for (header, data) in &frames[..2] {
        assert!(!b.receive(at(20), R0, header, data.clone()).readable);
    }
    let (header, payload) = &frames[2];
    assert!(b.receive(at(20), R0, header, payload.clone()).readable);
    assert_arrived(&mut b);
    let (sent, received) = (a.stats(), b.stats());
    assert_eq!((sent.sent, sent.bytes_sent), (2, 4000));
    assert_eq!((received.received, received.bytes_received), (2, 4000));
}

#[test]
fn a_lost_piece_brings_the_segment_again() {
    for lost in 0..3 {
        let (mut frames, mut a, mut b) = cut(1452);
        frames.remove(lost);
        deliver(&mut b, &frames);
        assert!(b.recv().is_none());
        let frames = again(&mut a, &room(1452));
        assert_eq!(frames.len(), 3);
        assert!(frames[2].0.flags.contains(Flags::PROBE));
        deliver(&mut b, &frames);
        assert_arrived(&mut b);
        assert_eq!(a.stats().bytes_sent, 4000);
    }
}

#[test]
fn what_came_is_kept_for_the_next_time() {
    let (frames, mut a, mut b) = cut(1000);
    deliver(&mut b, &frames[1..3]);
    let frames = again(&mut a, &room(1000));
    deliver(&mut b, &frames[3..]);
    assert!(b.recv().is_none());
    let frames = again(&mut a, &room(1000));
    deliver(&mut b, &frames[..1]);
    assert_arrived(&mut b);
    assert_eq!((b.stats().rejected, b.stats().duplicates), (0, 0));
}

#[test]
fn pieces_of_other_sizes_take_the_place_of_what_came() {
    for had in 1..3 {
        for second in [64, 1000, 1453, 3999, 4000, 8952] {
            let (frames, mut a, mut b) = cut(1452);
            deliver(&mut b, &frames[..had]);
            // What does not fit together is thrown away once, and then there is nothing in the way.
            for _ in 0..2 {
                let frames = again(&mut a, &room(second));
                assert_eq!(frames.len(), 4000usize.div_ceil(usize::from(second)));
                deliver(&mut b, &frames);
            }
            assert_arrived(&mut b);
        }
    }
}

#[test]
fn pieces_may_come_in_any_order_and_twice() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let (frames, mut a, mut b) = cut(1452);
        for (number, place) in order.into_iter().enumerate() {
            assert!(b.recv().is_none());
            deliver(&mut b, &frames[place..=place]);
            if number < 2 {
                deliver(&mut b, &frames[place..=place]);
            }
        }
        assert_arrived(&mut b);
        assert_eq!(b.stats().duplicates + b.stats().rejected, 2);
        deliver(&mut b, &frames);
        assert!(b.recv().is_none());
        let acks = drain(&mut b, at(21));
        assert_eq!(acks.len(), 1);
        a.receive(at(21), R0, &acks[0].0, Vec::new());
        assert_eq!(a.queued(), (0, 0));
    }
}

#[test]
fn early_pieces_take_a_bounded_room_and_the_oldest_have_it() {
    let (mut a, mut b) = busy_pair();
    for _ in 0..20 {
        a.send(9, true, pattern(4000)).unwrap();
    }
    let frames = drain_over(&mut a, &room(1000));
    // All but the first piece of each, the youngest segment first.
    for segment in (0..20).rev() {
        deliver(&mut b, &frames[segment * 4 + 1..segment * 4 + 4]);
    }
    assert!(b.recv().is_none());
    let kept = 20 * 3 - b.stats().rejected;
    assert_eq!(
        kept,
        8 + 52,
        "each that came took the place of a younger one"
    );
    for segment in 0..20 {
        deliver(&mut b, &frames[segment * 4..=segment * 4]);
    }
    for _ in 0..2 {
        assert!(b.recv().unwrap().payload == pattern(4000));
    }
    assert!(b.recv().is_none());
}

#[test]
fn pieces_that_contradict_each_other_make_no_segment() {
    let (frames, _, mut b) = cut(1452);
    deliver(&mut b, &frames[..1]);
    let (mut header, data) = frames[1].clone();
    header.op = 8;
    deliver(&mut b, &[(header, data.clone())]);
    header.op = 9;
    header.flags = Flags::from_raw(header.flags.raw() & !Flags::END.raw());
    deliver(&mut b, &[(header, data)]);
    assert!(b.recv().is_none());
    // The first is at odds with what came, which it takes along; the second waits for its start.
    assert_eq!(b.stats().rejected, 1);
    deliver(&mut b, &frames);
    assert_arrived(&mut b);
}

#[test]
fn pieces_of_several_segments_may_mingle() {
    let (mut a, mut b) = pair();
    a.send(9, true, pattern(4000)).unwrap();
    a.send(1, true, pattern(3000)).unwrap();
    let frames = drain_over(&mut a, &room(1452));
    assert_eq!(frames.len(), 6);
    for place in [3, 0, 4, 1, 5, 2] {
        deliver(&mut b, &frames[place..=place]);
    }
    assert_eq!(b.recv().unwrap().payload.len(), 4000);
    assert!(b.recv().unwrap().payload == pattern(3000));
}

#[test]
fn a_rail_that_goes_down_between_two_pieces_takes_the_segment_along() {
    let (mut a, mut b) = pair();
    a.send(9, true, pattern(4000)).unwrap();
    let first = a.poll_transmit(at(20), &room(1452)).unwrap();
    let (header, payload) = (first.header, data(&first));
    b.receive(at(20), R0, &header, payload);
    let mut other = RailView::EMPTY;
    let status = RailStatus {
        room: 3000,
        ..RailStatus::default()
    };
    other.insert(R5, status);
    let mut frames = Vec::new();
    while let Some(out) = a.poll_transmit(at(20), &other) {
        assert_eq!(out.rail, R5);
        frames.push((out.header, data(&out)));
    }
    let offsets: Vec<_> = frames.iter().map(|(header, _)| header.offset).collect();
    assert_eq!(offsets, [0, 3000]);
    deliver(&mut b, &frames);
    assert_arrived(&mut b);
}

#[test]
fn what_is_acknowledged_meanwhile_is_not_sent_to_its_end() {
    let (frames, mut a, mut b) = cut(1452);
    deliver(&mut b, &frames);
    a.on_timeout(at(5_000));
    assert!(a.poll_transmit(at(5_000), &room(1452)).is_some());
    b.on_timeout(at(5_000));
    for (header, data) in drain(&mut b, at(5_000)) {
        a.receive(at(5_000), R0, &header, data);
    }
    a.assert_invariants();
    assert!(a.poll_transmit(at(5_000), &room(1452)).is_none());
}

#[test]
fn a_segment_has_its_limit() {
    let (mut a, _) = pair();
    let refused = a.send(0, true, vec![0; MAX_DATA + 1]).unwrap_err();
    assert!(matches!(refused, SendError::TooLong(_)));
    a.send(0, true, vec![0; MAX_DATA]).unwrap();
    assert_eq!(a.segment_room(&room(u16::MAX)), MAX_DATA);
    let frames = drain_over(&mut a, &room(u16::MAX));
    assert_eq!(usize::from(frames[0].0.len), MAX_DATA);
}

#[test]
fn an_open_may_come_in_pieces() {
    let mut a = opener();
    a.send(9, true, pattern(4000)).unwrap();
    let frames = drain_over(&mut a, &room(1452));
    assert!(frames.iter().all(|(header, _)| header.opens()));
    for first in 0..3 {
        let local = Gpid::new(HostId::new(2), 1, 6);
        let header = &frames[first].0;
        let mut b = Circuit::accept(&Config::default(), single(), header, local, PASSIVE);
        deliver(&mut b, &frames[first..=first]);
        assert!(b.recv().is_none());
        deliver(&mut b, &frames);
        assert_arrived(&mut b);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever parts of a segment come, in whatever order: all of it or nothing is read.
    #[test]
    fn any_pieces_make_the_segment_or_none(
        pieces in proptest::collection::vec((0usize..4000, 1usize..4000), 0..60),
        starts in proptest::collection::vec(0usize..60, 0..10),
    ) {
        let (frames, _, mut b) = cut(8952);
        let (whole, bytes) = frames[0].clone();
        for (number, (offset, len)) in pieces.into_iter().enumerate() {
            let offset = if starts.contains(&number) { 0 } else { offset };
            let end = (offset + len).min(bytes.len());
            let mut header = Header { offset: offset as u16, len: (end - offset) as u16, ..whole };
            if end < bytes.len() {
                header.flags |= Flags::MORE;
            }
            deliver(&mut b, &[(header, bytes[offset..end].to_vec())]);
            if let Some(segment) = b.recv() {
                prop_assert!(segment.payload == bytes);
                return Ok(());
            }
        }
        deliver(&mut b, &frames);
        assert_arrived(&mut b);
    }
}
