// SPDX-License-Identifier: MIT OR Apache-2.0

//! Locks that workers take from each other, and what they guard.
//!
//! PDFS has no locks that two nodes see; a file that is created exclusively is one. Under it a
//! number is counted up by reading and writing, which goes wrong when two have the lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ledger::Seat;

/// The locks of all nodes.
#[derive(Debug, Default)]
pub struct Locks(Mutex<BTreeMap<Seat, Vec<Lock>>>);

/// One lock of a node. It is used until nobody knows any more whether somebody has it; then there
/// is another one.
#[derive(Clone, Debug, Default)]
struct Lock {
    holder: Option<String>,
    retired: bool,
    /// How often its number was counted up.
    acknowledged: u64,
    interrupted: u64,
}

impl Locks {
    /// The number of the lock that a node has now.
    pub fn current(&self, seat: Seat) -> usize {
        let mut locks = self.lock();
        let locks = locks.entry(seat).or_default();
        if locks.last().is_none_or(|lock| lock.retired) {
            locks.push(Lock::default());
        }
        locks.len() - 1
    }

    /// Somebody was told that he has it; says what is wrong with that.
    pub fn taken(&self, seat: Seat, lock: usize, by: &str) -> Option<String> {
        let other = self.with(seat, lock, |lock| lock.holder.replace(by.to_owned()))?;
        other.map(|other| format!("{by} and {other} have a lock of linus{} at once", seat.home))
    }

    /// He is about to give it back.
    pub fn given_back(&self, seat: Seat, lock: usize) {
        self.with(seat, lock, |lock| lock.holder = None);
    }

    /// Nobody knows whether somebody has it.
    pub fn retire(&self, seat: Seat, lock: usize) {
        self.with(seat, lock, |lock| lock.retired = true);
    }

    /// Its number was counted up, or perhaps it was.
    pub fn counted(&self, seat: Seat, lock: usize, acknowledged: bool) {
        self.with(seat, lock, |lock| match acknowledged {
            true => lock.acknowledged += 1,
            false => lock.interrupted += 1,
        });
    }

    /// All locks whose number was counted up.
    pub fn numbers(&self) -> Vec<(Seat, usize)> {
        let locks = self.lock();
        let all = locks.iter().flat_map(|(seat, locks)| {
            let numbered = locks.iter().enumerate();
            let used = numbered.filter(|(_, lock)| lock.acknowledged > 0);
            used.map(|(number, _)| (*seat, number)).collect::<Vec<_>>()
        });
        all.collect()
    }

    /// Says what is wrong with the number that a lock guards.
    pub fn check(&self, seat: Seat, lock: usize, found: u64) -> Option<String> {
        self.with(seat, lock, |lock| {
            let (least, more) = (lock.acknowledged, lock.interrupted);
            let right = (least..=least + more).contains(&found);
            (!right).then(|| {
                format!(
                    "a number of linus{} is {found}, and was counted up {least} times under \
                     its lock, {more} perhaps",
                    seat.home
                )
            })
        })
        .flatten()
    }

    fn with<T>(&self, seat: Seat, lock: usize, act: impl FnOnce(&mut Lock) -> T) -> Option<T> {
        let mut locks = self.lock();
        locks.get_mut(&seat)?.get_mut(lock).map(act)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Seat, Vec<Lock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_a_lock_at_a_time() {
        let (locks, seat) = (Locks::default(), Seat { home: 3, epoch: 0 });
        let lock = locks.current(seat);
        assert_eq!(locks.taken(seat, lock, "a"), None);
        let wrong = locks.taken(seat, lock, "b").unwrap();
        assert_eq!(wrong, "b and a have a lock of linus3 at once");
        locks.given_back(seat, lock);
        assert_eq!(locks.taken(seat, lock, "c"), None);
        assert_eq!(locks.current(seat), lock);
        locks.retire(seat, lock);
        assert_eq!(locks.taken(seat, locks.current(seat), "d"), None);
    }

    #[test]
    fn a_count_is_neither_lost_nor_made_up() {
        let (locks, seat) = (Locks::default(), Seat { home: 1, epoch: 0 });
        let lock = locks.current(seat);
        assert_eq!(locks.numbers(), []);
        locks.counted(seat, lock, true);
        locks.counted(seat, lock, true);
        locks.counted(seat, lock, false);
        assert_eq!(locks.numbers(), [(seat, lock)]);
        for (found, right) in [(1, false), (2, true), (3, true), (4, false)] {
            assert_eq!(locks.check(seat, lock, found).is_none(), right, "{found}");
        }
    }
}
