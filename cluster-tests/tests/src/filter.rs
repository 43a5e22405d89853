// SPDX-License-Identifier: MIT OR Apache-2.0

//! Filter words: which tests are run.
//!
//! A word matches the tests that have it in their names, `setting:NAME` those of that setting. A
//! test runs if it matches any word without `!` and none with `!`.

use std::fmt;

use anyhow::{ensure, Result};

use crate::test::{Test, SETTINGS};

/// What says that a word is a setting's name.
const SETTING: &str = "setting:";

/// A word of the command line, without its `!`.
#[derive(Clone, Copy)]
enum Word<'a> {
    /// A part of names.
    Part(&'a str),
    /// The name of a setting.
    Setting(&'a str),
}

impl<'a> Word<'a> {
    fn new(text: &'a str) -> Self {
        match text.strip_prefix(SETTING) {
            Some(name) => Self::Setting(name),
            None => Self::Part(text),
        }
    }

    fn selects(self, test: &Test) -> bool {
        match self {
            Self::Part(part) => test.name.contains(part),
            Self::Setting(name) => test.setting.name == name,
        }
    }
}

/// Why it selects no test.
impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => write!(f, "no test has `{part}` in its name"),
            Self::Setting(name) => {
                let all: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
                let all = all.join(", ");
                write!(f, "there is no setting `{name}`; there are {all}")
            }
        }
    }
}

/// The word that selects the tests of a setting.
pub fn of_setting(name: &str) -> String {
    format!("{SETTING}{name}")
}

/// The tests that the words select, in the order in which they were. A word that matches none, with
/// `!` or without, is an error.
pub fn select(words: &[String], mut tests: Vec<Test>) -> Result<Vec<Test>> {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for text in words {
        let (list, text) = match text.strip_prefix('!') {
            Some(text) => (&mut unwanted, text),
            None => (&mut wanted, text.as_str()),
        };
        let word = Word::new(text);
        ensure!(tests.iter().any(|test| word.selects(test)), "{word}");
        list.push(word);
    }
    let any = |words: &[Word<'_>], test: &Test| words.iter().any(|word| word.selects(test));
    tests.retain(|test| (wanted.is_empty() || any(&wanted, test)) && !any(&unwanted, test));
    ensure!(!tests.is_empty(), "`{}` leaves no test", words.join(" "));
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite;

    fn names(words: &[&str]) -> Vec<&'static str> {
        let words = words.iter().map(|text| (*text).to_owned());
        let tests = select(&words.collect::<Vec<_>>(), suite::all()).unwrap();
        tests.iter().map(|test| test.name).collect()
    }

    fn error(words: &[&str]) -> String {
        let words = words.iter().map(|text| (*text).to_owned());
        let error = select(&words.collect::<Vec<_>>(), suite::all()).err();
        error.unwrap().to_string()
    }

    #[test]
    fn words_are_parts_of_names_and_several_add_up() {
        assert_eq!(names(&[]).len(), suite::all().len());
        let (files, gpid) = (names(&["files."]), names(&["gpid."]));
        assert!(!files.is_empty() && files.iter().all(|name| name.contains("files.")));
        assert_eq!(names(&["gpid.", "files."]).len(), files.len() + gpid.len());
        assert_eq!(names(&["gpid.node_is_set_once"]), ["gpid.node_is_set_once"]);
    }

    #[test]
    fn a_setting_is_taken_whole() {
        let mut tests = suite::all();
        tests.retain(|test| test.setting.name == "faulty");
        let faulty = tests.iter().map(|test| test.name).collect::<Vec<_>>();
        assert!(faulty.contains(&"harness.partitions_separate"));
        assert_eq!(names(&["setting:faulty"]), faulty);
        let more = names(&["setting:faulty", "gpid."]);
        assert_eq!(more.len(), faulty.len() + names(&["gpid."]).len());
    }

    #[test]
    fn a_mark_takes_tests_away() {
        let mut tests = suite::all();
        let all = tests.len();
        tests.retain(|test| !test.name.contains("harness."));
        assert!(tests.len() < all);
        assert_eq!(names(&["!harness."]).len(), tests.len());
        // Wherever it stands.
        tests.retain(|test| test.setting.name == "faulty");
        assert_eq!(names(&["setting:faulty", "!harness."]).len(), tests.len());
        assert_eq!(names(&["!harness.", "setting:faulty"]).len(), tests.len());
        let elsewhere = names(&["harness.", "!setting:faulty"]);
        assert!(!elsewhere.contains(&"harness.partitions_separate"));
    }

    #[test]
    fn what_selects_no_test_is_an_error() {
        assert_eq!(error(&["no such"]), "no test has `no such` in its name");
        assert_eq!(error(&["gpid", "gdip"]), "no test has `gdip` in its name");
        assert_eq!(error(&["gpid", "!gdip"]), "no test has `gdip` in its name");
        let setting = error(&["setting:fault"]);
        assert!(
            setting.starts_with("there is no setting `fault`; there are host, shared, "),
            "{setting}"
        );
        assert_eq!(error(&["gpid.", "!gpid."]), "`gpid. !gpid.` leaves no test");
    }
}
