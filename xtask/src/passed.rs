// SPDX-License-Identifier: MIT OR Apache-2.0

//! Options of another program: taken here as that program declares them, and handed on to it.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// Options, and the words that say the same.
///
/// Words for what is left out are left out too: the program knows its defaults itself. It is to
/// be started where we were, for a path among them is meant from there.
#[derive(Clone, Debug)]
pub struct Passed<T> {
    /// What they say.
    pub options: T,
    /// For the program's command line.
    pub words: Vec<OsString>,
}

impl<T: Args> FromArgMatches for Passed<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        let declared = T::augment_args(Command::new("program"));
        Ok(Passed {
            words: words(&declared, matches),
            options: T::from_arg_matches_mut(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Args> Args for Passed<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

/// What of the options of `declared` was given.
fn words(declared: &Command, matches: &ArgMatches) -> Vec<OsString> {
    let (mut words, mut values) = (Vec::new(), Vec::new());
    for argument in declared.get_arguments() {
        let id = argument.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let given = matches.get_raw(id).into_iter().flatten();
        match argument.get_long() {
            Some(long) if argument.get_action().takes_values() => {
                words.extend(given.map(|value| {
                    let mut word = OsString::from(format!("--{long}="));
                    word.push(value);
                    word
                }));
            }
            Some(long) => words.push(format!("--{long}").into()),
            None => values.extend(given.map(OsString::from)),
        }
    }
    if let Some((name, matches)) = matches.subcommand() {
        words.push(name.into());
        if let Some(declared) = declared.find_subcommand(name) {
            words.extend(self::words(declared, matches));
        }
    }
    if !values.is_empty() {
        words.push("--".into());
        words.extend(values);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use clap::Parser;
    use podos_lab_options::{Bench, Tests};

    use super::*;
    use crate::context::GlobalFlags;

    #[derive(Debug, Parser)]
    struct Verb<T: Args> {
        #[command(flatten)]
        global: GlobalFlags,
        #[command(flatten)]
        passed: Passed<T>,
    }

    fn words_of<T: Args>(line: &[&str]) -> Vec<OsString> {
        let line = [&["verb"], line].concat();
        let passed = Verb::<T>::try_parse_from(line).expect("it is right").passed;
        passed.words
    }

    #[test]
    fn what_was_given_is_handed_on_and_nothing_else() {
        assert_eq!(words_of::<Tests>(&[]), [""; 0]);
        // Ours are not for the program, wherever they are.
        let line = [
            "a",
            "--offline",
            "--seed",
            "7",
            "--keep",
            "--kernel=debug",
            "-x",
        ];
        let error = Verb::<Tests>::try_parse_from([&["verb"], &line[..]].concat());
        assert!(error.is_err());
        let line = [
            "a b",
            "--offline",
            "--seed",
            "7",
            "--keep",
            "--kernel=debug",
            "--",
            "-x",
        ];
        assert_eq!(
            words_of::<Tests>(&line),
            ["--seed=7", "--keep", "--kernel=debug", "--", "a b", "-x"]
        );
        // By the name that the program declares.
        assert_eq!(words_of::<Tests>(&["--memory", "64"]), ["--memory-mib=64"]);
    }

    #[test]
    fn so_are_the_words_of_a_verb() {
        let line = ["profile", "cm", "a/b", "--image-dir", "here"];
        assert_eq!(
            words_of::<Bench>(&line),
            ["profile", "--image-dir=here", "--", "cm", "a/b"]
        );
        assert_eq!(
            words_of::<Bench>(&["cm", "--quick"]),
            ["--quick", "--", "cm"]
        );
    }

    #[test]
    fn a_path_is_bytes() {
        let odd = OsStr::from_bytes(b"/a=\xff");
        let line = [OsStr::new("verb"), OsStr::new("--image-dir"), odd];
        let passed = Verb::<Tests>::try_parse_from(line)
            .expect("it is right")
            .passed;
        assert_eq!(passed.words, [OsStr::from_bytes(b"--image-dir=/a=\xff")]);
        assert_eq!(
            passed.options.folder.image_dir.as_deref(),
            Some(odd.as_ref())
        );
    }

    /// What the program makes of the words is what we made of the line.
    #[test]
    fn the_program_understands_the_same() {
        let line = [
            "verb",
            "x",
            "--minutes=3",
            "--profile",
            "mine",
            "--report-dir",
            "r",
        ];
        let here = Verb::<Tests>::try_parse_from(line)
            .expect("it is right")
            .passed;
        let words = [OsString::from("program")].into_iter().chain(here.words);
        let there = Verb::<Tests>::try_parse_from(words)
            .expect("it is right")
            .passed;
        assert_eq!(
            format!("{:?}", there.options),
            format!("{:?}", here.options)
        );
    }
}
