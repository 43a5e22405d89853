// SPDX-License-Identifier: MIT OR Apache-2.0

//! A soak from begin to end.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context, Result};
use podos_harness::nemesis::{Counts, Kind, Nemesis, Points};
use podos_harness::{Cluster, WaitFor};

use super::ledger::Ledger;
use super::locks::Locks;
use super::progress::Progress;
use super::weather::Weather;
use super::worker::{Operation, Worker};
use crate::support::Lab;

/// How many work at once; each of them on all nodes.
const WORKERS: u64 = 4;

/// A soak as a value.
pub struct Soak {
    pub seed: u64,
    pub until: Until,
    /// The faults meanwhile.
    pub nemesis: Option<Nemesis>,
    /// Whether a file is broken before it is looked at for the last time.
    pub sabotage: bool,
}

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Time(Duration),
    Operations(u64),
}

/// What all workers share.
pub struct Shared<'a> {
    pub cluster: &'a Cluster,
    pub seed: u64,
    pub weather: Weather,
    pub ledger: Ledger,
    pub locks: Locks,
    pub points: Points,
    until: Until,
    began: Instant,
    violations: Mutex<Vec<String>>,
    unexplained: Mutex<Vec<String>>,
}

/// What came of it.
pub struct Report {
    seed: u64,
    time: Duration,
    pub operations: Counts<Operation>,
    faults: Counts<Kind>,
    unpunctual: u64,
    /// Calls that were interrupted, though the nodes had no fault.
    unexplained: Vec<String>,
    pub violations: Vec<String>,
}

impl Shared<'_> {
    pub fn nodes(&self) -> Vec<u32> {
        self.cluster.topology().nodes.clone()
    }

    /// Whether the workers are to stop. They do at the first violation: what led to it is at the
    /// end of the timeline then.
    pub fn is_over(&self) -> bool {
        let over = match self.until {
            Until::Time(time) => self.began.elapsed() >= time,
            Until::Operations(count) => self.points.passed() >= count,
        };
        over || self.points.is_over()
    }

    /// Something is not as it must be.
    pub fn violation(&self, what: String) {
        // The timeline says it at the moment at which it was seen; that it can't is told below.
        let _ = self.cluster.mark(format!("VIOLATION: {what}"));
        self.violations().push(what);
        self.points.end();
    }

    /// A call ended as if a node had died, and none had.
    pub fn unexplained(&self, what: String) {
        let _ = self.cluster.mark(format!("UNEXPLAINED: {what}"));
        let after = self.began.elapsed().as_secs();
        let mut unexplained = lock(&self.unexplained);
        unexplained.push(format!("at {after} s: {what}"));
    }

    fn violations(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.violations)
    }
}

impl Soak {
    /// Works, lets the nemesis work, and looks whether all is as it must be.
    pub fn run(&self, lab: &Lab<'_>) -> Result<Report> {
        let cluster = lab.cluster()?;
        if let Ok(switch) = lab.switch() {
            switch.reseed(self.seed)?;
        }
        Weather::prepare_all(cluster)?;
        let shared = Shared {
            cluster,
            seed: self.seed,
            weather: Weather::new(cluster.topology()),
            ledger: Ledger::default(),
            locks: Locks::default(),
            points: Points::new(),
            until: self.until,
            began: Instant::now(),
            violations: Mutex::default(),
            unexplained: Mutex::default(),
        };
        let mut workers = Vec::from_iter((0..WORKERS).map(|number| Worker::new(&shared, number)));
        let faults = self.let_work(&shared, &mut workers)?;
        let time = shared.began.elapsed();
        cluster.wait(WaitFor::Alive)?;
        if shared.violations().is_empty() {
            cluster.mark("soak: all is looked at")?;
            if self.sabotage {
                sabotage(cluster, &workers)?;
            }
            workers.iter_mut().try_for_each(Worker::verify)?;
            workers[0].verify_shared()?;
        }
        let mut operations = Counts::default();
        for worker in workers {
            operations.merge(worker.counts);
        }
        let unexplained = std::mem::take(&mut *lock(&shared.unexplained));
        let violations = std::mem::take(&mut *shared.violations());
        if violations.is_empty() {
            Weather::clean_up(cluster)?;
        }
        Ok(Report {
            seed: self.seed,
            time,
            operations,
            faults: faults.0,
            unpunctual: faults.1,
            unexplained,
            violations,
        })
    }

    /// The workers, the nemesis, and what is told of them meanwhile. Whoever ends first ends all.
    fn let_work(
        &self,
        shared: &Shared<'_>,
        workers: &mut [Worker<'_>],
    ) -> Result<(Counts<Kind>, u64)> {
        std::thread::scope(|scope| {
            let nemesis = scope.spawn(|| match &self.nemesis {
                Some(nemesis) => {
                    let points = &shared.points;
                    let done = nemesis.run(shared.cluster, points, None, &shared.weather);
                    points.end();
                    done.map(|report| (report.counts(), report.unpunctual))
                }
                None => Ok((Counts::default(), 0)),
            });
            let progress = scope.spawn(|| Progress::new(self.until).follow(&shared.points));
            let works = workers.iter_mut().map(|worker| {
                scope.spawn(move || {
                    let done = worker.work();
                    // The others are in their last operations, and a node that one of them waits
                    // for may stand still: no more faults are to come, and it goes on.
                    shared.points.end();
                    done
                })
            });
            let works = works.collect::<Vec<_>>();
            let mut done = Ok(());
            for work in works {
                let ended = work.join().map_err(|_| anyhow!("a worker panicked"));
                done = done.and(ended.and_then(|done| done));
            }
            shared.points.end();
            let told = progress.join();
            let faults = nemesis
                .join()
                .map_err(|_| anyhow!("the nemesis panicked"))?;
            done?;
            ensure!(told.is_ok(), "the progress panicked");
            faults.context("the nemesis")
        })
    }
}

fn lock(list: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes a byte of a file behind everybody's back.
fn sabotage(cluster: &Cluster, workers: &[Worker<'_>]) -> Result<()> {
    let files = workers.iter().flat_map(|worker| &worker.files);
    let file = files.into_iter().find(|file| !file.content.is_empty());
    let file = file.context("there is no file to be broken")?;
    let (path, at) = (&file.path, file.content.len() / 2);
    let other = file.content[at] ^ 1;
    let script =
        format!("printf '\\{other:03o}' | dd of={path} bs=1 seek={at} conv=notrunc 2> /dev/null");
    cluster.node(file.home)?.shell(&script)?;
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs();
        writeln!(f, "soak of {seconds} s, seed {}", self.seed)?;
        let (operations, faults) = (&self.operations, &self.faults);
        writeln!(f, "  {} operations: {operations}", operations.total())?;
        writeln!(f, "  {} faults: {faults}", faults.total())?;
        if self.unpunctual > 0 {
            let late = self.unpunctual;
            writeln!(f, "  {late} steps of faults did not wait for their point")?;
        }
        if !self.unexplained.is_empty() {
            writeln!(f, "  interrupted without a fault:")?;
            let mut unexplained = self.unexplained.iter();
            unexplained.try_for_each(|what| writeln!(f, "    {what}"))?;
        }
        let count = self.violations.len();
        write!(f, "  {count} violations")?;
        let mut violations = self.violations.iter();
        violations.try_for_each(|what| write!(f, "\n    {what}"))
    }
}
