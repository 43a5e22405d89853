// SPDX-License-Identifier: GPL-2.0-only

use std::vec::Vec;

use super::*;

fn rails(rails: &[usize]) -> RailView {
    RailView::uniform(rails.iter().copied().collect(), 1400)
}

fn elect(group: &mut Group, view: &RailView) -> Option<usize> {
    group.elect(view, &InFlight::NONE, 1400)
}

fn queued(view: &mut RailView, rail: usize, queued_bytes: u32, rtt_us: u32) {
    let room = view.room(rail);
    view.insert(
        rail,
        RailStatus {
            queued_bytes,
            rtt_us,
            room,
        },
    );
}

#[test]
fn round_robin_deals_circuits_evenly_and_keeps_them() {
    let view = rails(&[0, 1, 2]);
    let mut groups: Vec<_> = (0..7)
        .map(|turn| Group::new(GroupKind::RoundRobin, turn))
        .collect();
    for _ in 0..3 {
        let dealt: Vec<_> = groups.iter_mut().map(|group| elect(group, &view)).collect();
        assert_eq!(dealt, [0, 1, 2, 0, 1, 2, 0].map(Some));
    }
    for many in 1..=MAX_RAILS {
        let view = RailView::uniform((0..many).collect(), 1400);
        let dealt = |turn: u32| elect(&mut Group::new(GroupKind::RoundRobin, turn), &view).unwrap();
        // The turns go on where the remembered number wraps.
        for turn in 0..1000 {
            assert_eq!(dealt(turn + 1), (dealt(turn) + 1) % many, "{many} rails");
        }
    }
}

#[test]
fn a_lost_rail_is_left_and_its_return_moves_nobody() {
    for kind in [GroupKind::Single, GroupKind::RoundRobin] {
        let mut group = Group::new(kind, 0);
        assert_eq!(elect(&mut group, &rails(&[0, 2, 7])), Some(0));
        assert_eq!(elect(&mut group, &rails(&[2, 7])), Some(2));
        assert_eq!(elect(&mut group, &rails(&[0, 2, 7])), Some(2));
        assert_eq!(elect(&mut group, &rails(&[])), None);
        assert_eq!(elect(&mut group, &rails(&[7])), Some(7));
    }
}

#[test]
fn every_group_takes_any_rail_that_is_left() {
    for kind in GroupKind::ALL {
        for rail in 0..MAX_RAILS {
            let mut group = Group::new(kind, 5);
            assert_eq!(elect(&mut group, &rails(&[])), None);
            assert_eq!(group.segment_room(&rails(&[])), 0);
            assert_eq!(elect(&mut group, &rails(&[rail])), Some(rail));
            let other = (rail + 3) % MAX_RAILS;
            assert_eq!(elect(&mut group, &rails(&[other])), Some(other));
            assert_eq!(group.segment_room(&rails(&[other])), 1400);
        }
    }
}

#[test]
fn load_takes_the_shortest_queue_and_then_the_shortest_way() {
    let mut view = rails(&[0, 1, 2]);
    queued(&mut view, 0, 60_000, 100);
    queued(&mut view, 1, 0, 300);
    queued(&mut view, 2, 1_000, 200);
    let mut group = Group::new(GroupKind::Load, 0);
    // A frame's worth of queue is as good as none.
    assert_eq!(elect(&mut group, &view), Some(2));
    // Somewhat faster is not enough to move.
    queued(&mut view, 1, 0, 170);
    assert_eq!(elect(&mut group, &view), Some(2));
    queued(&mut view, 1, 0, 120);
    assert_eq!(elect(&mut group, &view), Some(1));
}

#[test]
fn load_does_not_reorder_a_burst_for_a_little() {
    let mut view = rails(&[0, 1]);
    queued(&mut view, 0, 0, 100);
    queued(&mut view, 1, 0, 200);
    let mut group = Group::new(GroupKind::Load, 0);
    assert_eq!(elect(&mut group, &view), Some(0));
    let mut own = InFlight::NONE;
    own.add(0, 1400);
    queued(&mut view, 0, 10_000, 100);
    assert_eq!(group.elect(&view, &own, 1400), Some(0));
    queued(&mut view, 0, Load::SLACK + 1, 100);
    assert_eq!(group.elect(&view, &own, 1400), Some(1));
}

#[test]
fn load_measures_each_rail_before_it_judges() {
    let mut view = rails(&[0, 1, 2]);
    let mut group = Group::new(GroupKind::Load, 0);
    let mut tried = RailSet::EMPTY;
    for rtt_us in [100, 200, 300] {
        let rail = elect(&mut group, &view).unwrap();
        tried.insert(rail);
        queued(&mut view, rail, 0, rtt_us);
    }
    assert_eq!(tried.len(), 3);
    assert_eq!(elect(&mut group, &view), Some(0));
}

#[test]
fn stripe_evens_the_load_out() {
    let mut view = rails(&[0, 1, 2]);
    let mut group = Group::new(GroupKind::Stripe, 0);
    let mut own = InFlight::NONE;
    let mut counts = [0; MAX_RAILS];
    queued(&mut view, 1, 30 * 1400, 0);
    for _ in 0..60 {
        let rail = group.elect(&view, &own, 1400).unwrap();
        own.add(rail, 1400);
        counts[rail] += 1;
    }
    assert_eq!(counts[..3], [30, 0, 30]);
    for _ in 0..30 {
        let rail = group.elect(&view, &own, 1400).unwrap();
        own.add(rail, 1400);
        counts[rail] += 1;
    }
    assert_eq!(counts[..3], [40, 10, 40]);
}

#[test]
fn segments_fit_where_the_group_sends_them() {
    let mut view = rails(&[0, 1]);
    view.insert(
        1,
        RailStatus {
            room: 8952,
            ..RailStatus::default()
        },
    );
    let room = |kind, turn| {
        let mut group = Group::new(kind, turn);
        let before = group.segment_room(&view);
        elect(&mut group, &view);
        (before, group.segment_room(&view))
    };
    assert_eq!(room(GroupKind::Single, 0), (1400, 1400));
    assert_eq!(room(GroupKind::RoundRobin, 1), (8952, 8952));
    assert_eq!(room(GroupKind::Stripe, 0), (1400, 1400));
}

#[test]
fn names_and_numbers_lead_back() {
    for kind in GroupKind::ALL {
        assert_eq!(GroupKind::from_name(kind.name()), Some(kind));
        assert_eq!(GroupKind::from_raw(kind as u32), Some(kind));
        assert_eq!(
            Group::from_name(kind.name(), 1).unwrap().name(),
            kind.name()
        );
    }
    assert_eq!(GroupKind::from_name(""), None);
    assert_eq!(GroupKind::from_raw(0), None);
    assert_eq!(GroupKind::from_raw(5), None);
}

#[test]
fn a_rail_without_room_is_not_there() {
    let mut view = rails(&[0, 1]);
    let tiny = RailStatus {
        room: MIN_ROOM - 1,
        ..RailStatus::default()
    };
    view.insert(1, tiny);
    view.insert(2, tiny);
    view.insert(99, tiny);
    assert_eq!(view.usable().iter().collect::<Vec<_>>(), [0]);
    assert_eq!(
        (view.room(1), view.room(99), view.least_room()),
        (0, 0, 1400)
    );
}

#[test]
fn rails_out_of_range_are_never_there() {
    let mut rails = RailSet::EMPTY;
    rails.insert(8);
    rails.insert(usize::MAX);
    rails.remove(64);
    assert!(rails.is_empty() && !rails.contains(8) && !rails.contains(usize::MAX));
    assert_eq!([1, 5, 5].into_iter().collect::<RailSet>().len(), 2);
    let mut own = InFlight::NONE;
    own.add(8, 1);
    assert_eq!((own.on(8), own), (0, InFlight::NONE));
}

#[test]
fn the_dealer_takes_turns() {
    let mut rails: RailSet = [0, 2, 7].into_iter().collect();
    let mut dealer = Dealer::default();
    let dealt: Vec<_> = (0..5).map(|_| dealer.deal(rails)).collect();
    assert_eq!(dealt, [0, 2, 7, 0, 2].map(Some));
    rails.remove(7);
    assert_eq!(dealer.deal(rails), Some(0));
    assert_eq!(dealer.deal(RailSet::EMPTY), None);
}
