// SPDX-License-Identifier: MIT OR Apache-2.0

//! A worker of the soak: its operations come from its seed alone.

use std::fmt;
use std::time::Instant;

use anyhow::Result;
use podos_harness::nemesis::Counts;

use super::super::coherence::Random;
use super::content::{pattern, written};
use super::files::{Change, File, Limbo};
use super::guest::{Failure, Guests};
use super::ledger::Seat;
use super::run::Shared;
use super::weather::{path_from, FOLDER};
use crate::check::taken_for_dead;

/// Files of one worker at a time, and their longest.
const FILES: usize = 6;
const LONGEST: u64 = 40_000;

/// The files to which all append.
pub const LOG: &str = "log";
pub const RUNS: &str = "runs";

/// What is done; each is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Create,
    Read,
    Write,
    Truncate,
    Rename,
    Unlink,
    Append,
    Run,
    Lock,
    /// A lock that another one has.
    Refused,
    /// Of whatever kind, with an end that nobody knows.
    Interrupted,
    /// The same, and the nodes had no fault: they took each other for dead, as nodes do
    /// that get no processor for a second. Hosts are crowded; what it leaves is checked as well.
    Unexplained,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Unlink => "unlink",
            Self::Append => "append",
            Self::Run => "run",
            Self::Lock => "lock",
            Self::Refused => "lock refused",
            Self::Interrupted => "interrupted",
            Self::Unexplained => "interrupted without a fault",
        })
    }
}

/// How often each is drawn, in proportion to the others.
const WEIGHTS: [(Operation, u64); 9] = [
    (Operation::Create, 14),
    (Operation::Read, 26),
    (Operation::Write, 18),
    (Operation::Truncate, 6),
    (Operation::Rename, 8),
    (Operation::Unlink, 5),
    (Operation::Append, 9),
    (Operation::Run, 6),
    (Operation::Lock, 8),
];

/// A worker, and all that it knows.
pub struct Worker<'a> {
    pub(super) shared: &'a Shared<'a>,
    name: String,
    random: Random,
    pub(super) guests: Guests<'a>,
    /// Names given so far.
    names: u64,
    pub files: Vec<File>,
    pub limbo: Vec<Limbo>,
    /// Files that went with the memory of their nodes.
    pub(super) lost: Vec<File>,
    pub counts: Counts<Operation>,
}

/// What became of a call.
enum Outcome {
    Done(Vec<u8>),
    Failed(Failure),
}

impl<'a> Worker<'a> {
    pub fn new(shared: &'a Shared<'a>, number: u64) -> Self {
        Self {
            shared,
            name: format!("w{number}"),
            // Apart from each other, and from the nemesis of the same seed.
            random: Random::new(shared.seed.wrapping_mul(1000).wrapping_add(number)),
            guests: Guests::new(shared.cluster),
            names: 0,
            files: Vec::new(),
            limbo: Vec::new(),
            lost: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Works until all is to end.
    pub fn work(&mut self) -> Result<()> {
        while !self.shared.is_over() {
            self.forget_the_lost();
            self.operate()?;
            self.settle(false)?;
            self.shared.points.pass();
        }
        Ok(())
    }

    /// Files whose nodes lost their memory can't be worked on any more, and must be gone.
    pub(super) fn forget_the_lost(&mut self) {
        let weather = &self.shared.weather;
        let kept = |file: &File| file.epoch == weather.epoch(file.home);
        let (files, lost) = std::mem::take(&mut self.files).into_iter().partition(kept);
        self.files = files;
        self.lost.extend::<Vec<_>>(lost);
    }

    fn operate(&mut self) -> Result<()> {
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.below(total);
        let drawn = WEIGHTS.iter().find(|(_, weight)| {
            let hit = left < *weight;
            left = left.saturating_sub(*weight);
            hit
        });
        let operation = drawn.map_or(Operation::Read, |(operation, _)| *operation);
        let home = self.draw_node();
        let Some(client) = self.draw_client() else {
            return Ok(());
        };
        match operation {
            Operation::Append => self.append(client, home),
            Operation::Run => self.run(client, home),
            Operation::Lock => self.lock(client, home),
            Operation::Create => self.create(client, home),
            _ if self.files.is_empty() => self.create(client, home),
            operation => {
                let index = self.random.below(self.files.len() as u64) as usize;
                self.change(operation, client, index)
            }
        }
    }

    fn draw_node(&mut self) -> u32 {
        let nodes = self.shared.nodes();
        nodes[self.random.below(nodes.len() as u64) as usize]
    }

    /// The node through which it is done: the one that was drawn, or the next one that is there.
    pub(super) fn draw_client(&mut self) -> Option<u32> {
        let (drawn, present) = (self.draw_node(), self.shared.weather.present());
        let next = present.range(drawn..).next().or(present.first());
        next.copied()
    }

    fn new_path(&mut self) -> String {
        self.names += 1;
        format!("{FOLDER}/{}-{}", self.name, self.names)
    }

    fn create(&mut self, client: u32, home: u32) -> Result<()> {
        let (seed, len) = (self.random.below(1 << 32), self.random.below(LONGEST));
        let path = self.new_path();
        let file = File {
            home,
            path: path.clone(),
            epoch: self.shared.weather.epoch(home),
            content: pattern(seed, len as usize),
        };
        if self.files.len() >= FILES {
            let index = self.random.below(self.files.len() as u64) as usize;
            return self.change(Operation::Unlink, client, index);
        }
        let line = format!("create {} {seed} {len}", path_from(client, home, &path));
        let change = Change::Create {
            path,
            new: file.content.clone(),
        };
        let (before, after) = (None, Some(file));
        self.mutate(Operation::Create, client, &line, before, after, change)
    }

    fn change(&mut self, operation: Operation, client: u32, index: usize) -> Result<()> {
        let before = self.files[index].clone();
        let mut after = before.clone();
        let path = path_from(client, before.home, &before.path);
        let (line, change) = match operation {
            Operation::Write => {
                let offset = self.random.below(before.content.len() as u64 + 1);
                let (seed, len) = (self.random.below(1 << 32), self.random.below(LONGEST / 2));
                let data = pattern(seed, len as usize);
                after.content = written(&before.content, offset as usize, &data);
                let line = format!("write {path} {offset} {seed} {len}");
                (line, self.rewritten(&before, &after))
            }
            Operation::Truncate => {
                let len = self.random.below(before.content.len() as u64 + 1000);
                after.content.resize(len as usize, 0);
                let line = format!("truncate {path} {len}");
                (line, self.rewritten(&before, &after))
            }
            Operation::Rename => {
                after.path = self.new_path();
                let to = path_from(client, before.home, &after.path);
                let change = Change::Rename {
                    from: before.path.clone(),
                    to: after.path.clone(),
                    content: before.content.clone(),
                };
                (format!("rename {path} {to}"), change)
            }
            Operation::Unlink => {
                let change = Change::Unlink {
                    path: before.path.clone(),
                    old: before.content.clone(),
                };
                self.files.swap_remove(index);
                let line = format!("unlink {path}");
                return self.mutate(operation, client, &line, Some(before), None, change);
            }
            _ => return self.read(client, &before),
        };
        self.files.swap_remove(index);
        self.mutate(operation, client, &line, Some(before), Some(after), change)
    }

    fn rewritten(&self, before: &File, after: &File) -> Change {
        Change::Write {
            path: before.path.clone(),
            old: before.content.clone(),
            new: after.content.clone(),
        }
    }

    fn read(&mut self, client: u32, file: &File) -> Result<()> {
        let line = format!("read {}", path_from(client, file.home, &file.path));
        if let Outcome::Done(found) = self.call(Operation::Read, client, file.home, &line)? {
            self.compare(file, client, &found);
        }
        Ok(())
    }

    pub(super) fn compare(&self, file: &File, client: u32, found: &[u8]) {
        if let Some(wrong) = file.check(found) {
            let (path, home) = (&file.path, file.home);
            self.shared.violation(format!(
                "{path} of linus{home}, read by linus{client}: {wrong}"
            ));
        }
    }

    /// A change of a file from the one state to the other; a worker that has taken the file from
    /// its list gets it back, or knows that it is in limbo.
    fn mutate(
        &mut self,
        operation: Operation,
        client: u32,
        line: &str,
        before: Option<File>,
        after: Option<File>,
        change: Change,
    ) -> Result<()> {
        let Some(file) = before.as_ref().or(after.as_ref()).cloned() else {
            return Ok(());
        };
        let outcome = self.call(operation, client, file.home, line)?;
        let epoch = self.shared.weather.epoch(file.home);
        if epoch != file.epoch || epoch % 2 == 1 {
            // It was made while its node went down: before that, or after, or never.
            return Ok(());
        }
        match outcome {
            Outcome::Done(_) => self.files.extend(after),
            Outcome::Failed(_) => self.limbo.push(Limbo {
                home: file.home,
                client,
                epoch,
                what: format!("linus{client}: {line}"),
                change,
            }),
        }
        Ok(())
    }

    fn append(&mut self, client: u32, home: u32) -> Result<()> {
        let word = self.new_word();
        let seat = self.seat(home);
        let path = seat.path(LOG);
        let line = format!("append {} {word}", path_from(client, home, &path));
        match self.call(Operation::Append, client, home, &line)? {
            Outcome::Done(_) => self.shared.ledger.acknowledge(seat, LOG, word),
            Outcome::Failed(_) => self.shared.ledger.interrupt(seat, LOG, word),
        }
        Ok(())
    }

    fn seat(&self, home: u32) -> Seat {
        let epoch = self.shared.weather.epoch(home);
        Seat { home, epoch }
    }

    fn new_word(&mut self) -> String {
        self.names += 1;
        format!("{}-{}", self.name, self.names)
    }

    /// A program on another node: its output and its status are those that it has there.
    fn run(&mut self, client: u32, home: u32) -> Result<()> {
        let (word, status) = (self.new_word(), self.random.below(90));
        let seat = self.seat(home);
        let path = seat.path(RUNS);
        let began = Instant::now();
        let line = format!("run linus{home} {status} {word} {path}");
        let found = match self.call(Operation::Run, client, home, &line)? {
            Outcome::Done(found) => String::from_utf8_lossy(&found).into_owned(),
            Outcome::Failed(_) => {
                self.shared.ledger.interrupt(seat, RUNS, word);
                return Ok(());
            }
        };
        if found == format!("{status}:{word}\n") {
            self.shared.ledger.acknowledge(seat, RUNS, word);
            return Ok(());
        }
        // What `podos run` ends with when the node or the circuit to it failed, and what the
        // program does when it could not write.
        let errno = match found.split(':').next() {
            Some("255") => Some(libc::EHOSTDOWN),
            Some("99") => Some(libc::ENOSPC),
            _ => Some(0),
        };
        if self.shared.weather.excuses(errno, [client, home], began) {
            self.counts.add(Operation::Interrupted);
        } else {
            let what = format!("linus{client}: {line}: it ended with {found:?}");
            self.without_excuse(errno, what);
        }
        self.shared.ledger.interrupt(seat, RUNS, word);
        Ok(())
    }

    /// Takes a lock that others want as well, counts a number up, gives the lock back.
    fn lock(&mut self, client: u32, home: u32) -> Result<()> {
        let shared = self.shared;
        let locks = &shared.locks;
        let (seat, word) = (self.seat(home), self.new_word());
        if seat.epoch % 2 == 1 {
            // A lock that is taken now may be forgotten by its node, and taken again.
            return Ok(());
        }
        let lock = locks.current(seat);
        let place = |name: &str| path_from(client, home, &seat.path(&format!("{name}-{lock}")));
        let (path, number) = (place("lock"), place("number"));
        match self.call(
            Operation::Lock,
            client,
            home,
            &format!("lock {path} {word}"),
        )? {
            Outcome::Done(_) => {}
            Outcome::Failed(Failure::Errno(libc::EEXIST, _)) => return Ok(()),
            Outcome::Failed(_) => {
                locks.retire(seat, lock);
                return Ok(());
            }
        }
        if let Some(wrong) = locks.taken(seat, lock, &word) {
            self.shared.violation(wrong);
        }
        let found = match self.call(Operation::Read, client, home, &format!("read {number}"))? {
            Outcome::Done(found) => number_in(&found),
            // Nobody has counted yet.
            Outcome::Failed(Failure::Errno(libc::ENOENT, _)) => Some(0),
            Outcome::Failed(_) => {
                locks.retire(seat, lock);
                return Ok(());
            }
        };
        let Some(found) = found else {
            self.shared.violation(format!("{number} is no number"));
            return Ok(());
        };
        if let Some(wrong) = locks.check(seat, lock, found) {
            self.shared.violation(wrong);
        }
        let line = format!("text {number} 0 {:08}", found + 1);
        let counted = self.call(Operation::Write, client, home, &line)?;
        let counted = matches!(counted, Outcome::Done(_));
        locks.counted(seat, lock, counted);
        if !counted {
            locks.retire(seat, lock);
            return Ok(());
        }
        locks.given_back(seat, lock);
        let released = self.call(Operation::Unlink, client, home, &format!("unlink {path}"))?;
        if matches!(released, Outcome::Failed(_)) {
            locks.retire(seat, lock);
        }
        Ok(())
    }

    /// A call, counted; one that fails without an excuse is a violation.
    fn call(
        &mut self,
        operation: Operation,
        client: u32,
        home: u32,
        line: &str,
    ) -> Result<Outcome> {
        let began = Instant::now();
        let failure = match self.guests.ask(client, line)? {
            Ok(found) => {
                self.counts.add(operation);
                return Ok(Outcome::Done(found));
            }
            Err(failure) => failure,
        };
        match (operation, failure.errno()) {
            (Operation::Lock, Some(libc::EEXIST)) => {
                self.counts.add(Operation::Refused);
                return Ok(Outcome::Failed(failure));
            }
            // The number that a lock guards.
            (Operation::Read, Some(libc::ENOENT)) if line.contains("/number-") => {
                return Ok(Outcome::Failed(failure));
            }
            _ => {}
        }
        let errno = self.cause(&failure, client, home)?;
        let excused = match &failure {
            Failure::Hung(_) => false,
            _ => self.shared.weather.excuses(errno, [client, home], began),
        };
        if excused {
            self.counts.add(Operation::Interrupted);
        } else {
            let took = began.elapsed().as_secs_f64();
            let what = format!("linus{client}: {line}: it {failure}, after {took:.1} s");
            self.without_excuse(errno, what);
        }
        Ok(Outcome::Failed(failure))
    }

    /// A call failed, and no fault of the nodes explains it.
    fn without_excuse(&mut self, errno: Option<i32>, what: String) {
        if taken_for_dead(errno) {
            self.counts.add(Operation::Unexplained);
            self.shared.unexplained(what);
        } else {
            self.shared.violation(what);
        }
    }

    /// What a call failed by: a file that is not there may be missing because its node is not. To a
    /// node that has not met another one since it booted, that one's directory is empty.
    pub(super) fn cause(
        &mut self,
        failure: &Failure,
        client: u32,
        home: u32,
    ) -> Result<Option<i32>> {
        let errno = failure.errno();
        if errno != Some(libc::ENOENT) || client == home {
            return Ok(errno);
        }
        let line = format!("read {}", path_from(client, home, "/etc/hostname"));
        Ok(match self.guests.ask(client, &line)? {
            Err(Failure::Errno(libc::ENOENT, _)) => Some(libc::EHOSTDOWN),
            _ => errno,
        })
    }
}

/// The number that a lock guards.
pub(super) fn number_in(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}
