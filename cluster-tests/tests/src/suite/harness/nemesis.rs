// SPDX-License-Identifier: MIT OR Apache-2.0

//! A nemesis at work: the faults of its plan come, and are healed.

use anyhow::{anyhow, ensure, Result};
use podos_harness::nemesis::{Kind, Nemesis, Points, Report, Step, Strand};
use podos_harness::{NodeState, WaitFor};

use crate::check::ensure_eq;
use crate::support::Lab;

/// How long the plan is, in commands that came back.
const POINTS: u64 = 40;

/// Every kind that is over quickly, and one that takes a node down.
fn nemesis(seed: u64) -> Nemesis {
    let quick = [
        (Kind::Carrier, 2),
        (Kind::Cut, 2),
        (Kind::Loss, 2),
        (Kind::Partition, 2),
        (Kind::Slow, 2),
    ];
    let nodes = [(Kind::Pause, 2), (Kind::Clock, 2), (Kind::Kill, 1)];
    Nemesis::new(seed)
        .with(Strand::of(quick).every(1..=4).lasting(1..=4))
        .with(Strand::of(nodes).every(3..=8).lasting(2..=5))
        .sparing(1)
}

/// The same seed twice: the same faults at the same points, and a whole cluster after each.
pub fn same_seed_same_faults(lab: &Lab<'_>) -> Result<()> {
    let nemesis = nemesis(lab.seed());
    let plan = nemesis.plan(lab.cluster()?.topology(), POINTS);
    ensure!(plan.len() >= 8, "a plan of {} steps", plan.len());
    for _ in 0..2 {
        let report = haunt(lab, &nemesis)?;
        let text = |steps: &[Step]| steps.iter().map(Step::to_string).collect::<Vec<_>>();
        ensure_eq!(text(&report.steps), text(&plan), "what was done");
        let status = lab.cluster()?.status()?;
        for link in &status.links {
            ensure!(link.is_whole(), "after it: {link:?}");
        }
        for node in &status.nodes {
            ensure_eq!(node.state, NodeState::Up, "{} after it", node.name);
            lab.node(node.id)?.prepare()?;
        }
        // All of it is in the timeline, where who looks for a cause finds it.
        let timeline = lab.cluster()?.timeline()?;
        for step in &plan {
            ensure!(timeline.contains(&step.to_string()), "no `{step}`");
        }
    }
    lab.cluster()?.wait(WaitFor::Alive)?;
    Ok(())
}

/// Runs commands on linus1, which is spared, until the nemesis is through with its plan.
fn haunt(lab: &Lab<'_>, nemesis: &Nemesis) -> Result<Report> {
    let (cluster, points) = (lab.cluster()?, Points::new());
    let node = lab.node(1)?.harness();
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            while !points.is_over() {
                node.exec(["true"])?;
                points.pass();
            }
            anyhow::Ok(())
        });
        let report = nemesis.run(cluster, &points, Some(POINTS), &());
        points.end();
        work.join()
            .map_err(|_| anyhow!("the workload panicked"))??;
        Ok(report?)
    })
}
