// SPDX-License-Identifier: GPL-2.0-only

//! What the end that is left behind makes of the other one's end.

use std::vec;
use std::vec::Vec;

use super::*;

type Frame = (Header, Vec<u8>);

#[test]
fn a_lost_last_acknowledgement_is_no_failure() {
    let (mut a, mut b) = pair();
    a.shutdown();
    exchange(&mut a, &mut b, at(20));
    b.shutdown();
    let last = drain(&mut b, at(21));
    // `a` has taken everything in and is gone; `b` hears of it only as "no such circuit".
    let reset = last[0]
        .0
        .reset_reply(a.local(), ResetReason::NoCircuit)
        .unwrap();
    b.receive(at(22), R0, &reset, Vec::new());
    assert!(b.is_done());
    assert_eq!(b.receive_state(), ReceiveState::Eof);
    assert_eq!(b.reset_reason(), None);
}

/// `a` has finished; then `b` sends, and finishes, and `a` acknowledges all of it, which gets lost. What
/// `b` has sent.
fn half_closed_pair() -> (Circuit<Vec<u8>>, Circuit<Vec<u8>>, Vec<Frame>) {
    let (mut a, mut b) = pair();
    a.shutdown();
    exchange(&mut a, &mut b, at(20));
    for byte in 0..3 {
        b.send(1, byte == 2, vec![byte]).unwrap();
    }
    b.shutdown();
    let sent = drain(&mut b, at(21));
    assert_eq!(sent.len(), 4);
    for (header, data) in &sent {
        a.receive(at(22), R0, header, data.clone());
    }
    drop(drain(&mut a, at(22)));
    (a, b, sent)
}

#[test]
fn a_lost_last_acknowledgement_of_data_is_no_failure() {
    let (a, mut b, sent) = half_closed_pair();
    assert!(a.is_done() && a.reset_reason().is_none());
    // `a` is gone, and its node remembers how.
    let mut now = at(22);
    while !b.is_done() {
        now = b.deadline().unwrap();
        b.on_timeout(now);
        for (header, _) in drain(&mut b, now) {
            assert!(sent.iter().any(|(before, _)| before.seq == header.seq));
            let reply = header.stray_reply(a.local(), true).unwrap();
            assert_eq!((reply.kind, reply.from), (Kind::Ack, a.local()));
            b.receive(now, R0, &reply, Vec::new());
        }
    }
    assert!(now < at(22 + 500));
    assert_eq!(b.reset_reason(), None);
    assert_eq!(b.receive_state(), ReceiveState::Eof);
}

/// A frame that had its circuit's entry in hand when that left the table: nobody would stop a timer any
/// more, and the acknowledgement is the table's to give.
#[test]
fn what_comes_after_the_end_asks_for_nothing() {
    let (mut a, _, sent) = half_closed_pair();
    assert!(a.is_done());
    for (header, data) in &sent {
        let activity = a.receive(at(23), R0, header, data.clone());
        assert_eq!(activity, Activity::NONE);
        assert!(a.is_done() && a.deadline().is_none());
        assert!(!a.wants_to_transmit() && drain(&mut a, at(23)).is_empty());
    }
}

#[test]
fn an_abort_does_not_become_a_success() {
    let (mut a, mut b) = pair();
    a.shutdown();
    exchange(&mut a, &mut b, at(20));
    b.send(1, true, vec![1]).unwrap();
    b.shutdown();
    let sent = drain(&mut b, at(21));
    // `a` takes none of it, and its reset is lost.
    a.abort(ResetReason::Aborted);
    drop(drain(&mut a, at(22)));
    assert!(a.is_done());
    let finished = a.reset_reason().is_none();
    let reset = sent[0].0.stray_reply(a.local(), finished).unwrap();
    b.receive(at(23), R0, &reset, Vec::new());
    assert_eq!(b.reset_reason(), Some(ResetReason::NoCircuit));
    let refused = b.send(0, true, vec![1]).unwrap_err();
    assert!(matches!(
        refused,
        SendError::Reset(ResetReason::NoCircuit, _)
    ));
}
