// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which tests to run: words, and sets of tests as nextest writes them.
//!
//! A word takes the tests that have it in their names. A set is built of `test(...)` and
//! `setting(...)` by `&`, `|`, `-`, `!` and parentheses. Of several words and sets, any will do.

mod expression;
mod parse;

use std::fmt;

use anyhow::{ensure, Result};

use crate::test::Test;
use expression::Expression;

/// Signs that no test's name has, and no set does without.
const SIGNS: [char; 5] = ['(', ')', '&', '|', '!'];

/// What was asked for on the command line.
#[derive(Debug)]
pub enum Filter {
    Word(String),
    Set(Expression),
}

impl Filter {
    /// Reads one argument of the command line.
    pub fn parse(text: &str) -> Result<Self> {
        match text.contains(SIGNS) {
            true => Ok(Self::Set(parse::expression(text)?)),
            false => Ok(Self::Word(text.to_owned())),
        }
    }

    fn takes(&self, test: &Test) -> bool {
        match self {
            Self::Word(word) => test.name.contains(word.as_str()),
            Self::Set(set) => set.takes(test.name, test.setting.name),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "no test has `{word}` in its name"),
            Self::Set(set) => write!(f, "no test is in `{set}`"),
        }
    }
}

/// The tests that any of these takes, in the order in which they were; all of them if none is
/// given. One that takes no test is a slip, and an error.
pub fn select(texts: &[String], tests: Vec<Test>) -> Result<Vec<Test>> {
    let filters = texts.iter().map(|text| Filter::parse(text));
    let filters = filters.collect::<Result<Vec<_>>>()?;
    for filter in &filters {
        let found = tests.iter().any(|test| filter.takes(test));
        ensure!(found, "{filter}; --list says which there are");
    }
    let wanted = |test: &Test| filters.iter().any(|filter| filter.takes(test));
    Ok(tests
        .into_iter()
        .filter(|test| filters.is_empty() || wanted(test))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite;

    fn names(filters: &[&str]) -> Vec<&'static str> {
        let filters = filters.iter().map(|text| (*text).to_owned());
        let tests = select(&filters.collect::<Vec<_>>(), suite::all()).unwrap();
        tests.iter().map(|test| test.name).collect()
    }

    fn error(filter: &str) -> String {
        select(&[filter.to_owned()], suite::all())
            .err()
            .unwrap()
            .to_string()
    }

    #[test]
    fn words_are_parts_of_names_and_several_add_up() {
        assert_eq!(names(&[]).len(), suite::all().len());
        let (files, gpid) = (names(&["files."]), names(&["gpid."]));
        assert!(!files.is_empty() && files.iter().all(|name| name.contains("files.")));
        assert_eq!(names(&["gpid.", "files."]).len(), files.len() + gpid.len());
        assert_eq!(names(&["test(~gpid.)"]), gpid);
    }

    #[test]
    fn sets_are_of_names_and_settings() {
        let faulty = names(&["setting(=faulty)"]);
        assert!(faulty.contains(&"harness.partitions_separate"));
        assert_eq!(
            names(&["setting(faulty) - test(harness)"]).len(),
            faulty
                .iter()
                .filter(|name| !name.contains("harness"))
                .count()
        );
        assert_eq!(
            names(&["test(=gpid.node_is_set_once) | test(/^gpid\\.pids/)"]),
            ["gpid.node_is_set_once", "gpid.pids_have_16_bits"]
        );
    }

    #[test]
    fn what_takes_no_test_is_an_error() {
        let words = error("no such test");
        assert!(words.contains("no test has `no such test` in"), "{words}");
        let set = error("none()");
        assert!(set.contains("no test is in `none()`"), "{set}");
        let both = select(&["gpid".into(), "gdip".into()], suite::all());
        assert!(both.is_err(), "one of two words fits nothing");
    }
}
