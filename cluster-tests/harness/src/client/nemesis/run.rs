// SPDX-License-Identifier: MIT OR Apache-2.0

//! A nemesis at work.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counts::Counts;
use super::fault::{Fault, Kind};
use super::plan::{Act, Step};
use super::points::{Points, Reached};
use super::Nemesis;
use crate::client::cluster::Cluster;
use crate::client::node::Node;
use crate::control::WaitFor;
use crate::error::Result;

/// A workload that passes no point for so long waits for the nemesis, not the other way round:
/// all its calls may be at a node that stands still.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who has to know of the cluster's faults. All is called by the thread of the nemesis.
pub trait Witness {
    /// A fault is about to begin.
    fn begins(&self, fault: &Fault) {
        let _ = fault;
    }

    /// A node is up again that lost its memory.
    fn revived(&self, node: Node<'_>) -> Result<()> {
        let _ = node;
        Ok(())
    }

    /// A fault has ended.
    fn ended(&self, fault: &Fault) {
        let _ = fault;
    }
}

/// Nobody has to know.
impl Witness for () {}

/// The faults that a cluster had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All steps that were taken, in order.
    pub steps: Vec<Step>,
    /// How many steps did not wait for their point, for no point was passed any more.
    pub unpunctual: u64,
}

impl Report {
    /// The faults, in the order in which they began.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        let begins = self.steps.iter().filter(|step| step.act == Act::Begin);
        begins.map(|step| &step.fault)
    }

    /// How many of each kind.
    pub fn counts(&self) -> Counts<Kind> {
        self.faults().map(|fault| fault.kind).collect()
    }
}

impl Nemesis {
    /// Takes one step after the other at its point, until the workload is over or `limit` points
    /// are passed; then heals all that is not, and waits until all nodes see each other. So it
    /// does when a step fails. Every step is noted in the timeline.
    pub fn run(
        &self,
        cluster: &Cluster,
        points: &Points,
        limit: Option<u64>,
        witness: &dyn Witness,
    ) -> Result<Report> {
        self.check(cluster.topology())?;
        let mut run = Run {
            cluster,
            witness,
            open: BTreeMap::new(),
            report: Report::default(),
        };
        let taken = match limit {
            Some(limit) => run.take(self.plan(cluster.topology(), limit), points),
            None => run.take(self.steps(cluster.topology()), points),
        };
        let healed = run.heal(points.passed());
        taken.and(healed)?;
        cluster.wait(WaitFor::Alive)?;
        Ok(run.report)
    }
}

struct Run<'a> {
    cluster: &'a Cluster,
    witness: &'a dyn Witness,
    /// Faults under way, by number.
    open: BTreeMap<u64, Fault>,
    report: Report,
}

impl Run<'_> {
    fn take(&mut self, steps: impl IntoIterator<Item = Step>, points: &Points) -> Result<()> {
        for step in steps {
            match points.reach(step.at, PATIENCE) {
                Reached::Point => {}
                Reached::Stalled => self.report.unpunctual += 1,
                Reached::Over => break,
            }
            self.step(step, points.passed())?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, passed: u64) -> Result<()> {
        self.cluster
            .mark(format!("nemesis, at {passed} points: {step}"))?;
        let fault = &step.fault;
        match step.act {
            Act::Begin => {
                // One that fails midway has to be healed as well.
                self.open.insert(step.number, fault.clone());
                self.witness.begins(fault);
                fault.begin(self.cluster)?;
            }
            Act::End => {
                self.open.remove(&step.number);
                self.end(fault)?;
            }
        }
        self.report.steps.push(step);
        Ok(())
    }

    fn end(&self, fault: &Fault) -> Result<()> {
        fault.end(self.cluster)?;
        if let Some(node) = fault.node().filter(|_| fault.ends_a_boot()) {
            self.witness.revived(self.cluster.node(node)?)?;
        }
        self.witness.ended(fault);
        Ok(())
    }

    /// Ends all that has begun, whatever goes wrong with one of them.
    fn heal(&mut self, at: u64) -> Result<()> {
        let mut outcome = Ok(());
        for (number, fault) in std::mem::take(&mut self.open) {
            let act = Act::End;
            let step = Step {
                at,
                number,
                act,
                fault,
            };
            outcome = outcome.and(self.step(step, at));
        }
        outcome
    }
}
