// SPDX-License-Identifier: GPL-2.0-only

//! Windows, acknowledgements and retransmission, one rule at a time.

use super::*;

fn small(window: u16) -> Config {
    Config {
        window,
        ..Config::default()
    }
}

/// Sends `count` segments that tell their number.
fn send_numbers(circuit: &mut Circuit<Vec<u8>>, count: u8) {
    for number in 0..count {
        circuit.send(0, false, vec![number]).unwrap();
    }
}

fn read_numbers(circuit: &mut Circuit<Vec<u8>>) -> Vec<u8> {
    core::iter::from_fn(|| circuit.recv())
        .map(|segment| segment.payload[0])
        .collect()
}

#[test]
fn one_lost_segment_is_sent_again_without_a_time_out() {
    let (mut a, mut b) = pair();
    for number in 0..10 {
        a.send(0, false, vec![number]).unwrap();
    }
    let now = at(10);
    let mut lost = false;
    for (header, data) in drain(&mut a, now) {
        if !lost {
            lost = true;
            continue;
        }
        b.receive(now, R0, &header, data);
    }
    assert!(b.recv().is_none());
    let soon = at(11);
    for (header, data) in drain(&mut b, soon) {
        a.receive(soon, R0, &header, data);
    }
    let again = drain(&mut a, soon);
    assert_eq!(
        again
            .iter()
            .map(|(header, _)| header.seq)
            .collect::<Vec<_>>(),
        [1]
    );
    for (header, data) in again {
        b.receive(soon, R0, &header, data);
    }
    let got: Vec<u8> = core::iter::from_fn(|| b.recv())
        .map(|segment| segment.payload[0])
        .collect();
    assert_eq!(got, (0..10).collect::<Vec<u8>>());
    assert_eq!((a.stats().retransmitted, a.stats().timeouts), (1, 0));
}

#[test]
fn a_reader_that_sleeps_stops_the_sender_and_a_probe_wakes_it() {
    let (mut a, mut b) = pair();
    let mut now = at(10);
    let mut sent = 0u32;
    for _ in 0..20 {
        while a.can_send() {
            a.send(0, false, sent.to_be_bytes().to_vec()).unwrap();
            sent += 1;
        }
        exchange(&mut a, &mut b, now);
        now = now + Duration::from_millis(6);
        b.on_timeout(now);
        exchange(&mut a, &mut b, now);
    }
    assert_eq!(
        b.stats().received,
        1 + 64,
        "the window holds 64 and not one more"
    );
    while b.recv().is_some() {}
    // The news of the room is lost: only a probe can bring it.
    drop(drain(&mut b, now));
    let mut probes = 0;
    while b.stats().received < 100 {
        let asleep = now;
        now = a.deadline().expect("a blocked sender asks");
        let patience = now.saturating_duration_since(asleep);
        assert!(patience < Duration::from_millis(200), "{patience:?}");
        a.on_timeout(now);
        probes += 1;
        exchange(&mut a, &mut b, now);
        assert!(probes < 5);
    }
}

#[test]
fn no_window_is_too_small_to_run_at_full_speed() {
    for window in 1..=64 {
        let scripts = [script(200, 1), script(200, 2)];
        let mut world = World::new(small(window), Faults::NONE, 1, scripts);
        world.run(at(60_000));
        world.assert_complete();
        for node in &world.nodes {
            let stats = node.circuit.as_ref().unwrap().stats();
            assert_eq!(
                (stats.retransmitted, stats.rejected),
                (0, 0),
                "window {window}"
            );
        }
        // At worst each segment waits for the acknowledgement of the last one, 100 us.
        assert!(
            world.now < at(25),
            "window {window} took until {:?}",
            world.now
        );
    }
}

#[test]
fn sixteen_segments_are_acknowledged_at_once_and_fewer_after_5_ms() {
    let (mut a, mut b) = busy_pair();
    send_numbers(&mut a, 17);
    let mut frames = drain(&mut a, at(20));
    let first = Seq::new(frames[0].0.seq);
    for (header, data) in frames.drain(..15) {
        b.receive(at(20), R0, &header, data);
    }
    assert!(drain(&mut b, at(20)).is_empty());
    let (header, data) = frames.remove(0);
    b.receive(at(20), R0, &header, data);
    let acks = drain(&mut b, at(20));
    assert_eq!(acks.len(), 1);
    assert_eq!((acks[0].0.kind, acks[0].0.ack), (Kind::Ack, first + 16));
    let (header, data) = frames.remove(0);
    b.receive(at(30), R0, &header, data);
    assert!(drain(&mut b, at(30)).is_empty());
    assert_eq!(b.deadline(), Some(at(35)));
    b.on_timeout(at(35));
    assert_eq!(drain(&mut b, at(35))[0].0.ack, first + 17);
}

#[test]
fn an_answer_carries_the_acknowledgement() {
    let (mut a, mut b) = pair();
    send_numbers(&mut a, 1);
    for (header, data) in drain(&mut a, at(20)) {
        b.receive(at(20), R0, &header, data);
    }
    b.send(0, true, vec![1]).unwrap();
    let frames = drain(&mut b, at(20));
    assert_eq!(frames.len(), 1);
    assert_eq!(
        (frames[0].0.kind, frames[0].0.ack),
        (Kind::Data, Seq::new(2))
    );
    assert_eq!(b.recv.deadline(), None);
}

#[test]
fn what_came_first_counts() {
    let (mut a, mut b) = pair();
    send_numbers(&mut a, 2);
    let frames = drain(&mut a, at(20));
    b.receive(at(20), R0, &frames[1].0, vec![1]);
    b.receive(at(20), R0, &frames[1].0, vec![99]);
    b.receive(at(20), R0, &frames[0].0, vec![0]);
    b.receive(at(20), R0, &frames[0].0, vec![98]);
    assert_eq!(read_numbers(&mut b), [0, 1]);
    assert_eq!(b.stats().duplicates, 2);
}

#[test]
fn nothing_beyond_the_window_is_taken() {
    let (mut a, mut b) = pair_with(&small(4));
    send_numbers(&mut a, 1);
    let (header, _) = drain(&mut a, at(20)).remove(0);
    for ahead in (0..70).rev() {
        let seq = header.seq + ahead;
        b.receive(at(20), R0, &Header { seq, ..header }, vec![ahead as u8]);
    }
    assert_eq!(read_numbers(&mut b), [0, 1, 2, 3]);
    assert_eq!(b.stats().rejected, 66);
}

#[test]
fn a_finish_needs_no_room() {
    let (mut a, mut b) = pair_with(&small(4));
    send_numbers(&mut a, 4);
    a.shutdown();
    let frames = drain(&mut a, at(20));
    assert!(frames[4].0.flags.contains(Flags::FIN));
    for (header, data) in frames {
        b.receive(at(20), R0, &header, data);
    }
    assert_eq!(
        drain(&mut b, at(26))
            .last()
            .map(|(header, _)| header.window),
        None
    );
    b.on_timeout(at(26));
    let (ack, _) = drain(&mut b, at(26)).remove(0);
    assert_eq!((ack.ack, ack.window), (Seq::new(6), 0));
    a.receive(at(26), R0, &ack, Vec::new());
    assert_eq!(read_numbers(&mut b), [0, 1, 2, 3]);
    assert_eq!(b.receive_state(), ReceiveState::Eof);
    b.shutdown();
    exchange(&mut a, &mut b, at(27));
    assert!(a.is_done() && b.is_done());
}

#[test]
fn an_early_second_message_asks_for_the_passive_index() {
    let mut a = opener();
    a.send(1, true, vec![1]).unwrap();
    let (open, data) = drain(&mut a, at(1)).remove(0);
    a.send(2, true, vec![2]).unwrap();
    let (ask, _) = drain(&mut a, at(1)).remove(0);
    assert_eq!(ask.kind, Kind::Ack);
    assert!(ask.flags.contains(Flags::PROBE) && ask.passive.is_none());
    let mut b = Circuit::accept(
        &Config::default(),
        single(),
        &open,
        Gpid::new(HostId::new(2), 1, 6),
        PASSIVE,
    );
    b.receive(at(1), R0, &open, data);
    assert!(drain(&mut b, at(1)).is_empty());
    b.receive(at(1), R0, &ask, Vec::new());
    exchange(&mut b, &mut a, at(1));
    assert_eq!(read_numbers(&mut b), [1, 2]);
}

#[test]
fn who_lies_about_the_oldest_segment_gets_it_again() {
    let (mut a, mut b) = pair();
    send_numbers(&mut a, 2);
    drop(drain(&mut a, at(20)));
    let mut lie = b.header(Kind::Ack);
    lie.flags |= Flags::ACK_VALID;
    lie.sack = 1;
    a.receive(at(21), R0, &lie, Vec::new());
    while b.stats().received < 3 {
        let now = a
            .deadline()
            .expect("the oldest segment is never left alone");
        assert!(now < at(2000));
        a.on_timeout(now);
        exchange(&mut a, &mut b, now);
    }
}

#[test]
fn an_acknowledgement_of_the_future_is_void() {
    let (mut a, mut b) = pair();
    send_numbers(&mut a, 2);
    drop(drain(&mut a, at(20)));
    for ahead in [3, 4, 1000, u32::MAX / 2] {
        let mut lie = b.header(Kind::Ack);
        lie.flags |= Flags::ACK_VALID;
        lie.ack = Seq::new(ahead + 1);
        assert_eq!(a.receive(at(21), R0, &lie, Vec::new()), Activity::NONE);
    }
    assert_eq!(a.stats().rejected, 4);
    a.on_timeout(at(2000));
    exchange(&mut a, &mut b, at(2000));
    assert_eq!(read_numbers(&mut b), [0, 1]);
}

#[test]
fn a_reader_that_makes_room_says_so() {
    let (mut a, mut b) = pair_with(&small(8));
    send_numbers(&mut a, 20);
    for (header, data) in drain(&mut a, at(20)) {
        b.receive(at(20), R0, &header, data);
    }
    let full = drain(&mut b, at(20));
    assert_eq!(full.last().map(|(header, _)| header.window), Some(0));
    for _ in 0..3 {
        b.recv().unwrap();
    }
    assert!(
        drain(&mut b, at(21)).is_empty(),
        "less than half of the window is no news"
    );
    b.recv().unwrap();
    let news = drain(&mut b, at(21));
    assert_eq!(
        news.iter()
            .map(|(header, _)| header.window)
            .collect::<Vec<_>>(),
        [4]
    );
}

/// How often an acknowledgement is asked for depends on the sender's window, where that is small.
#[test]
fn half_of_a_small_window_asks_for_an_acknowledgement() {
    let (mut a, _) = pair();
    send_numbers(&mut a, 40);
    let asks: Vec<bool> = drain(&mut a, at(20))
        .iter()
        .map(|(header, _)| header.flags.contains(Flags::PROBE))
        .collect();
    let last = asks.len() - 1;
    assert_eq!(last, 15, "the window is small");
    // The OPEN was the first of it.
    let expected = |at| [6, 14, last].contains(&at);
    assert!(
        asks.iter()
            .enumerate()
            .all(|(at, asks)| *asks == expected(at)),
        "{asks:?}"
    );
}

#[test]
fn the_last_segment_that_has_room_asks_for_more() {
    let (mut a, _) = busy_pair_with(&small(8));
    send_numbers(&mut a, 20);
    let frames = drain(&mut a, at(20));
    let asks: Vec<bool> = frames
        .iter()
        .map(|(header, _)| header.flags.contains(Flags::PROBE))
        .collect();
    assert_eq!(
        asks,
        [false, false, false, false, false, false, false, true]
    );
}

/// The last segments of a message need not ask for an acknowledgement: that it comes 5 ms later tells of no
/// queue.
#[test]
fn acknowledgements_that_wait_do_not_narrow_the_window() {
    let (mut a, mut b) = busy_pair();
    let jumbo = RailView::uniform(RailSet::from_bits(1), 8952);
    let mut now = at(20);
    let mut send = |count: usize| {
        for _ in 0..count {
            a.send(0, true, vec![0; 8952]).unwrap();
        }
        let mut sent = 0;
        while let Some(out) = a.poll_transmit(now, &jumbo) {
            sent += 1;
            let (header, data) = (out.header, data(&out));
            b.receive(now, R0, &header, data);
        }
        while b.recv().is_some() {}
        now = now + Duration::from_millis(5);
        b.on_timeout(now);
        exchange(&mut b, &mut a, now);
        sent
    };
    for _ in 0..20 {
        assert_eq!(send(15), 15);
    }
    assert_eq!(send(60), 60);
}
