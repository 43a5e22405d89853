// SPDX-License-Identifier: MIT OR Apache-2.0

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::points::Reached;
use super::*;

fn topology() -> Topology {
    Topology::nodes(4).net(Net::Switch)
}

fn all() -> Strand {
    Strand::of(Kind::ALL.map(|kind| (kind, 1)))
}

fn nemesis(seed: u64) -> Nemesis {
    Nemesis::new(seed).with(all()).with(all().every(5..=50))
}

#[test]
fn a_seed_is_a_plan() {
    let plan = |seed| nemesis(seed).plan(&topology(), 5000);
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
    let text = |seed| plan(seed).iter().map(Step::to_string).collect::<Vec<_>>();
    // What a seed means may not change by the way: a failure's seed is written down.
    assert_eq!(text(7)[..3], FIRST_OF_7, "{:#?}", &text(7)[..3]);
}

const FIRST_OF_7: [&str; 3] = [
    "at 33: fault 1 begins: slow rail 1 at every node 9mbit",
    "at 45: fault 2 begins: disk linus2 /tmp",
    "at 72: fault 1 ends: slow rail 1 at every node 9mbit",
];

#[test]
fn every_kind_comes_and_every_node_is_hit() {
    let plan = nemesis(1).plan(&topology(), 20_000);
    let kinds = plan.iter().map(|step| step.fault.kind);
    assert_eq!(kinds.collect::<BTreeSet<_>>().len(), Kind::ALL.len());
    let nodes = plan.iter().filter_map(|step| step.fault.node());
    assert_eq!(nodes.collect::<BTreeSet<_>>(), [1, 2, 3, 4].into());
}

#[test]
fn weights_are_kept() {
    let strand = Strand::of([(Kind::Kill, 9), (Kind::Pause, 1), (Kind::Clock, 0)]);
    let plan = Nemesis::new(3).with(strand).plan(&topology(), 100_000);
    let begins = plan.iter().filter(|step| step.act == Act::Begin);
    let counts = begins.map(|step| step.fault.kind).collect::<Counts<_>>();
    assert_eq!(counts.of(Kind::Clock), 0);
    let (kills, total) = (counts.of(Kind::Kill), counts.total());
    assert!(total > 1000, "{counts}");
    assert!((kills * 100 / total).abs_diff(90) < 5, "{counts}");
}

#[test]
fn strands_beside_each_other_are_drawn_apart() {
    let strand = Strand::of([(Kind::Clock, 1)]);
    let other = Strand::of([(Kind::Loss, 1)]).every(7..=7);
    let alone = Nemesis::new(5).with(strand.clone()).plan(&topology(), 3000);
    let both = Nemesis::new(5)
        .with(strand)
        .with(other)
        .plan(&topology(), 3000);
    let clocks = both.iter().filter(|step| step.fault.kind == Kind::Clock);
    let of = |step: &Step| (step.at, step.act, step.fault.clone());
    let alone = alone.iter().map(of).collect::<Vec<_>>();
    assert_eq!(clocks.map(of).collect::<Vec<_>>(), alone);
    assert!(both.len() > alone.len());
}

#[test]
fn the_spared_and_the_impossible_are_left_out() {
    let sparing = nemesis(2).sparing(1).filling("/data");
    let plan = sparing.plan(&topology(), 10_000);
    assert!(plan.iter().all(|step| step.fault.node() != Some(1)));
    let texts = plan.iter().map(|step| step.fault.to_string());
    assert!(texts.into_iter().any(|text| text.ends_with("/data")));
    let error = nemesis(2).check(&Topology::nodes(3)).unwrap_err();
    let text = "nemesis: loss needs network `switch`";
    assert_eq!(error.to_string(), text);
    let error = Nemesis::new(1).with(Strand::of([])).check(&topology());
    assert!(error.unwrap_err().to_string().contains("no kind of fault"));
    nemesis(2).check(&topology()).unwrap();
    // A cluster that can't fall apart, and a nemesis without faults.
    let alone = Strand::of([(Kind::Partition, 1), (Kind::Kill, 1)]);
    let plan = Nemesis::new(1).with(alone).plan(&Topology::nodes(1), 1000);
    assert!(plan.iter().all(|step| step.fault.kind == Kind::Kill));
    assert_eq!(Nemesis::new(1).plan(&topology(), 1000), []);
}

#[test]
fn who_is_struck_depends_on_the_rails() {
    let cut = |nodes: &Topology| {
        let strand = Strand::of([(Kind::Carrier, 1)]);
        let plan = Nemesis::new(1).with(strand).plan(nodes, 100);
        plan[0].fault.strikes(nodes)
    };
    assert!(cut(&topology()).is_empty());
    assert_eq!(cut(&topology().rails(1, crate::Rail::default())).len(), 1);
}

#[test]
fn points_are_waited_for_but_not_for_ever() {
    let points = Points::new();
    assert_eq!(points.reach(1, Duration::from_millis(1)), Reached::Stalled);
    std::thread::scope(|scope| {
        let reach = scope.spawn(|| points.reach(3, Duration::from_secs(600)));
        (0..3).for_each(|_| points.pass());
        assert_eq!(reach.join().unwrap(), Reached::Point);
        let reach = scope.spawn(|| points.reach(4, Duration::from_secs(600)));
        points.end();
        assert_eq!(reach.join().unwrap(), Reached::Over);
    });
}

proptest! {
    /// Whatever is drawn: all that begins ends, in order, and nothing gets in another one's way.
    #[test]
    fn all_is_healed(seed: u64, points in 0_u64..3000) {
        let plan = nemesis(seed).plan(&topology(), points);
        let mut open = Vec::<Step>::new();
        let (mut last, mut number) = (0, 0);
        for step in plan {
            prop_assert!(last <= step.at && step.at <= points);
            last = step.at;
            match step.act {
                Act::Begin => {
                    number += 1;
                    prop_assert_eq!(step.number, number);
                    let holds = draw::Holds::of(&step.fault);
                    let others = open.iter().map(|step| draw::Holds::of(&step.fault));
                    prop_assert!(others.into_iter().all(|other| other != holds));
                    open.push(step);
                }
                Act::End => {
                    let same = open.iter().position(|open| open.number == step.number);
                    let begun = same.map(|index| open.remove(index));
                    prop_assert_eq!(begun.map(|begun| begun.fault), Some(step.fault));
                }
            }
        }
        prop_assert!(open.is_empty());
    }

    /// A longer run begins as a shorter one.
    #[test]
    fn a_plan_is_the_begin_of_the_steps(seed: u64, points in 0_u64..3000) {
        let nemesis = nemesis(seed);
        let plan = nemesis.plan(&topology(), points);
        let all = nemesis.steps(&topology()).take_while(|step| step.at < points);
        let all = all.collect::<Vec<_>>();
        prop_assert_eq!(&plan[..all.len()], &all[..]);
        prop_assert!(plan[all.len()..].iter().all(|step| step.act == Act::End));
    }
}
