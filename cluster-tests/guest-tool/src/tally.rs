// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts of outcomes, from many threads.

use std::collections::BTreeMap;
use std::io;

use crate::report::{number, say};

/// How often something went well, was wrong, or failed with which error number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    ok: u64,
    wrong: u64,
    errors: BTreeMap<i32, u64>,
    /// The first thing that was wrong, in words.
    example: Option<String>,
}

impl Tally {
    pub fn ok(&mut self) {
        self.ok += 1;
    }

    pub fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        self.example.get_or_insert_with(what);
    }

    pub fn error(&mut self, error: &io::Error) {
        *self.errors.entry(number(error)).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.wrong += other.wrong;
        for (errno, count) in other.errors {
            *self.errors.entry(errno).or_default() += count;
        }
        if let Some(example) = other.example {
            self.example.get_or_insert(example);
        }
    }

    /// `ok=`, `wrong=`, and `errno_N=` for every error number that was seen.
    pub fn say(&self) {
        say("ok", self.ok);
        say("wrong", self.wrong);
        for (errno, count) in &self.errors {
            say(&format!("errno_{errno}"), count);
        }
        if let Some(example) = &self.example {
            say("example", example.escape_debug());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        let mut a = Tally::default();
        a.ok();
        a.error(&io::Error::from_raw_os_error(libc::ENOENT));
        let mut b = Tally::default();
        b.wrong(|| "first".to_owned());
        b.wrong(|| "second".to_owned());
        b.error(&io::Error::from_raw_os_error(libc::ENOENT));
        a.add(b);
        assert_eq!((a.ok, a.wrong), (1, 2));
        assert_eq!(a.errors, BTreeMap::from([(libc::ENOENT, 2)]));
        assert_eq!(a.example.as_deref(), Some("first"));
    }
}
