// SPDX-License-Identifier: MIT OR Apache-2.0

//! Words that were to be written once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::weather::FOLDER;

/// What must be, and what may be, in the files to which all append.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<(Seat, &'static str), Account>>);

/// A node in one epoch: what it had in its memory ends with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    pub home: u32,
    pub epoch: u64,
}

impl Seat {
    /// The path of something that all use there. A later epoch has others.
    pub fn path(&self, name: &str) -> String {
        format!("{FOLDER}/{name}-{}", self.epoch)
    }
}

/// One file's.
#[derive(Clone, Debug, Default)]
struct Account {
    acknowledged: BTreeSet<String>,
    interrupted: BTreeSet<String>,
}

impl Ledger {
    /// The word is in that file of that node.
    pub fn acknowledge(&self, seat: Seat, file: &'static str, word: String) {
        let mut accounts = self.lock();
        let account = accounts.entry((seat, file)).or_default();
        account.acknowledged.insert(word);
    }

    /// Nobody knows whether it is.
    pub fn interrupt(&self, seat: Seat, file: &'static str, word: String) {
        let mut accounts = self.lock();
        let account = accounts.entry((seat, file)).or_default();
        account.interrupted.insert(word);
    }

    /// All files that there are.
    pub fn files(&self) -> Vec<(Seat, &'static str)> {
        self.lock().keys().copied().collect()
    }

    /// Says all that is wrong with a file.
    pub fn check(&self, seat: Seat, file: &'static str, found: &[u8]) -> Vec<String> {
        let accounts = self.lock();
        let none = Account::default();
        let account = accounts.get(&(seat, file)).unwrap_or(&none);
        let text = String::from_utf8_lossy(found);
        let mut times = BTreeMap::<&str, u32>::new();
        for line in text.lines() {
            *times.entry(line).or_default() += 1;
        }
        let place = format!("{file} of linus{}", seat.home);
        let mut wrong = Vec::new();
        for word in &account.acknowledged {
            match times.remove(word.as_str()) {
                Some(1) => {}
                Some(times) => wrong.push(format!("{place} has {word} {times} times")),
                None => wrong.push(format!("{place} lost {word}, which was acknowledged")),
            }
        }
        for (word, times) in times {
            match account.interrupted.contains(word) {
                true if times == 1 => {}
                true => wrong.push(format!("{place} has {word} {times} times")),
                false => wrong.push(format!("{place} has {word:?}, which nobody wrote")),
            }
        }
        wrong
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Seat, &'static str), Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_once() {
        let ledger = Ledger::default();
        let seat = Seat { home: 1, epoch: 0 };
        assert_eq!(seat.path("log"), "/tmp/soak/log-0");
        for word in ["a", "b"] {
            ledger.acknowledge(seat, "log", word.into());
        }
        ledger.interrupt(seat, "log", "c".into());
        assert_eq!(ledger.files(), [(seat, "log")]);
        let check = |text: &str| ledger.check(seat, "log", text.as_bytes());
        assert_eq!(check("b\na\n"), [""; 0]);
        assert_eq!(check("a\nc\nb\n"), [""; 0]);
        for (text, wrong) in [
            ("a\n", "log of linus1 lost b, which was acknowledged"),
            ("a\nb\nb\n", "log of linus1 has b 2 times"),
            ("a\nb\nc\nc\n", "log of linus1 has c 2 times"),
            ("a\nb\nab\n", "log of linus1 has \"ab\", which nobody wrote"),
        ] {
            assert_eq!(check(text), [wrong]);
        }
        // Two that came between each other.
        assert_eq!(check("ab\n\n").len(), 4);
        // Another epoch has nothing of it.
        let later = Seat { epoch: 2, ..seat };
        assert_eq!(ledger.check(later, "log", b""), [""; 0]);
    }
}
