// SPDX-License-Identifier: GPL-2.0-only

use std::vec::Vec;

use super::RailId::*;
use super::*;

fn rails(rails: &[RailId]) -> RailView {
    RailView::uniform(rails.iter().copied().collect(), 1400)
}

fn elect(group: &mut Group, view: &RailView) -> Option<RailId> {
    group.elect(view, &InFlight::NONE, 1400)
}

fn queued(view: &mut RailView, rail: RailId, queued_bytes: u32, rtt_us: u32) {
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
    let view = rails(&[R0, R1, R2]);
    let mut groups: Vec<_> = (0..7)
        .map(|turn| Group::new(GroupKind::RoundRobin, turn))
        .collect();
    for _ in 0..3 {
        let dealt: Vec<_> = groups.iter_mut().map(|group| elect(group, &view)).collect();
        assert_eq!(dealt, [R0, R1, R2, R0, R1, R2, R0].map(Some));
    }
    for many in 1..=MAX_RAILS {
        let view = rails(&RailId::ALL[..many]);
        let dealt = |turn: u32| {
            let rail = elect(&mut Group::new(GroupKind::RoundRobin, turn), &view);
            rail.unwrap().index()
        };
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
        assert_eq!(elect(&mut group, &rails(&[R0, R2, R7])), Some(R0));
        assert_eq!(elect(&mut group, &rails(&[R2, R7])), Some(R2));
        assert_eq!(elect(&mut group, &rails(&[R0, R2, R7])), Some(R2));
        assert_eq!(elect(&mut group, &rails(&[])), None);
        assert_eq!(elect(&mut group, &rails(&[R7])), Some(R7));
    }
}

#[test]
fn every_group_takes_any_rail_that_is_left() {
    for kind in GroupKind::ALL {
        for rail in RailId::ALL {
            let mut group = Group::new(kind, 5);
            assert_eq!(elect(&mut group, &rails(&[])), None);
            assert_eq!(group.segment_room(&rails(&[])), 0);
            assert_eq!(elect(&mut group, &rails(&[rail])), Some(rail));
            let other = RailId::ALL[(rail.index() + 3) % MAX_RAILS];
            assert_eq!(elect(&mut group, &rails(&[other])), Some(other));
            assert_eq!(group.segment_room(&rails(&[other])), 1400);
        }
    }
}

#[test]
fn load_takes_the_shortest_queue_and_then_the_shortest_way() {
    let mut view = rails(&[R0, R1, R2]);
    queued(&mut view, R0, 60_000, 100);
    queued(&mut view, R1, 0, 300);
    queued(&mut view, R2, 1_000, 200);
    let mut group = Group::new(GroupKind::Load, 0);
    // A frame's worth of queue is as good as none.
    assert_eq!(elect(&mut group, &view), Some(R2));
    // Somewhat faster is not enough to move.
    queued(&mut view, R1, 0, 170);
    assert_eq!(elect(&mut group, &view), Some(R2));
    queued(&mut view, R1, 0, 120);
    assert_eq!(elect(&mut group, &view), Some(R1));
}

#[test]
fn load_does_not_reorder_a_burst_for_a_little() {
    let mut view = rails(&[R0, R1]);
    queued(&mut view, R0, 0, 100);
    queued(&mut view, R1, 0, 200);
    let mut group = Group::new(GroupKind::Load, 0);
    assert_eq!(elect(&mut group, &view), Some(R0));
    let mut own = InFlight::NONE;
    own.add(R0, 1400);
    queued(&mut view, R0, 10_000, 100);
    assert_eq!(group.elect(&view, &own, 1400), Some(R0));
    queued(&mut view, R0, Load::SLACK + 1, 100);
    assert_eq!(group.elect(&view, &own, 1400), Some(R1));
}

#[test]
fn load_measures_each_rail_before_it_judges() {
    let mut view = rails(&[R0, R1, R2]);
    let mut group = Group::new(GroupKind::Load, 0);
    let mut tried = RailSet::EMPTY;
    for rtt_us in [100, 200, 300] {
        let rail = elect(&mut group, &view).unwrap();
        tried.insert(rail);
        queued(&mut view, rail, 0, rtt_us);
    }
    assert_eq!(tried.len(), 3);
    assert_eq!(elect(&mut group, &view), Some(R0));
}

#[test]
fn stripe_evens_the_load_out() {
    let mut view = rails(&[R0, R1, R2]);
    let mut group = Group::new(GroupKind::Stripe, 0);
    let mut own = InFlight::NONE;
    let mut counts = PerRail::new([0; MAX_RAILS]);
    queued(&mut view, R1, 30 * 1400, 0);
    for _ in 0..60 {
        let rail = group.elect(&view, &own, 1400).unwrap();
        own.add(rail, 1400);
        counts[rail] += 1;
    }
    assert_eq!(counts.values()[..3], [30, 0, 30]);
    for _ in 0..30 {
        let rail = group.elect(&view, &own, 1400).unwrap();
        own.add(rail, 1400);
        counts[rail] += 1;
    }
    assert_eq!(counts.values()[..3], [40, 10, 40]);
}

#[test]
fn segments_fit_where_the_group_sends_them() {
    let mut view = rails(&[R0, R1]);
    view.insert(
        R1,
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
    let mut view = rails(&[R0, R1]);
    let tiny = RailStatus {
        room: MIN_ROOM - 1,
        ..RailStatus::default()
    };
    view.insert(R1, tiny);
    view.insert(R2, tiny);
    assert_eq!(view.usable().iter().collect::<Vec<_>>(), [R0]);
    assert_eq!((view.room(R1), view.least_room()), (0, 1400));
}

#[test]
fn sets_are_their_bits() {
    let mut rails: RailSet = [R1, R5, R5].into_iter().collect();
    assert_eq!((rails.len(), rails.bits()), (2, 0b10_0010));
    rails.remove(R1);
    rails.remove(R0);
    rails.insert(R7);
    assert_eq!(rails, RailSet::from_bits(0b1010_0000));
    assert!(rails.contains(R7) && !rails.contains(R1) && !rails.is_empty());
    assert_eq!(rails.iter().collect::<Vec<_>>(), [R5, R7]);
    let all = RailSet::from_bits(u8::MAX);
    assert_eq!(all.iter().collect::<Vec<_>>(), RailId::ALL);
    assert_eq!((all.first(), RailSet::EMPTY.first()), (Some(R0), None));
}

#[test]
fn after_the_last_comes_the_first() {
    let rails: RailSet = [R2, R4, R7].into_iter().collect();
    let after = RailId::ALL.map(|rail| rails.after(rail).unwrap());
    assert_eq!(after, [R2, R2, R4, R4, R7, R7, R7, R2]);
    assert_eq!(RailSet::EMPTY.after(R3), None);
}

#[test]
fn the_dealer_takes_turns() {
    let mut rails: RailSet = [R0, R2, R7].into_iter().collect();
    let mut dealer = Dealer::default();
    let dealt: Vec<_> = (0..5).map(|_| dealer.deal(rails)).collect();
    assert_eq!(dealt, [R0, R2, R7, R0, R2].map(Some));
    rails.remove(R7);
    assert_eq!(dealer.deal(rails), Some(R0));
    assert_eq!(dealer.deal(RailSet::EMPTY), None);
}
