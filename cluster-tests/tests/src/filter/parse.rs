// SPDX-License-Identifier: MIT OR Apache-2.0

//! Text to a set of tests, or to the place where it goes wrong.
//!
//! ```text
//! or      = and { ("|" | "+" | "or") and }
//! and     = not { ("&" | "and" | "-") not }
//! not     = { "!" | "not" } set
//! set     = "(" or ")" | "all()" | "none()" | ("test" | "setting") "(" matcher ")"
//! matcher = "=" text | "~" text | text | "/" regex "/"
//! ```
//!
//! In a text, `\)` is a parenthesis and `\\` a backslash; in a regex, `\/` is a slash.

use std::fmt;

use regex::Regex;

use super::expression::{Expression, Matcher};

/// Deepest nesting: nobody writes more, and none may exhaust the stack.
const DEEPEST: usize = 64;

/// A text that is no set of tests. It prints with a mark under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    what: String,
    /// On one line.
    text: String,
    /// Character of the text, from 0.
    at: usize,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, text, at } = self;
        write!(f, "{what}:\n  {text}\n  {:>1$}", "^", at + 1)
    }
}

impl std::error::Error for Wrong {}

/// Reads a set of tests.
pub fn expression(text: &str) -> Result<Expression, Wrong> {
    // A mark needs one line.
    let text = text.replace(['\n', '\r', '\t'], " ");
    let mut parser = Parser {
        text: &text,
        at: 0,
        depth: 0,
    };
    let set = parser.or()?;
    match parser.rest().is_empty() {
        true => Ok(set),
        false => Err(parser.wrong("expected `&`, `|`, `-` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self) -> Result<Expression, Wrong> {
        let mut set = self.and()?;
        while self.takes_any(&["|", "+"], "or") {
            set = Expression::Or(Box::new(set), Box::new(self.and()?));
        }
        Ok(set)
    }

    fn and(&mut self) -> Result<Expression, Wrong> {
        let mut set = self.not()?;
        loop {
            if self.takes_any(&["&"], "and") {
                set = Expression::And(Box::new(set), Box::new(self.not()?));
            } else if self.takes_any(&["-"], "") {
                set = Expression::Minus(Box::new(set), Box::new(self.not()?));
            } else {
                return Ok(set);
            }
        }
    }

    fn not(&mut self) -> Result<Expression, Wrong> {
        if self.takes_any(&["!"], "not") {
            let set = self.deeper(Self::not)?;
            return Ok(Expression::Not(Box::new(set)));
        }
        self.set()
    }

    fn set(&mut self) -> Result<Expression, Wrong> {
        if self.takes("(") {
            let set = self.deeper(Self::or)?;
            self.close()?;
            return Ok(set);
        }
        let begin = self.skip();
        let name = self.word();
        self.at = begin + name.len();
        if !["all", "none", "test", "setting"].contains(&name) {
            self.at = begin;
            return Err(match name {
                "" => self.wrong("expected a set: `test(...)`, `setting(...)`, `all()`, `none()`"),
                name => self.wrong(format!(
                    "there is no `{name}`; sets are `test(...)`, `setting(...)`, `all()`, `none()`"
                )),
            });
        }
        if !self.takes("(") {
            return Err(self.wrong(format!("expected `(` after `{name}`")));
        }
        let set = match name {
            "all" => Expression::All,
            "none" => Expression::None,
            "test" => Expression::Test(self.matcher()?),
            _ => Expression::Setting(self.matcher()?),
        };
        self.close()?;
        Ok(set)
    }

    fn matcher(&mut self) -> Result<Matcher, Wrong> {
        if self.takes("/") {
            return self.regex();
        }
        if self.takes("=") {
            return self.literal().map(Matcher::Equals);
        }
        // What is said without a sign is a part of the name.
        self.takes("~");
        self.literal().map(Matcher::Contains)
    }

    /// A text up to its parenthesis, which is left.
    fn literal(&mut self) -> Result<String, Wrong> {
        let begin = self.skip();
        let mut text = String::new();
        loop {
            let mut rest = self.rest().chars();
            let (length, c) = match (rest.next(), rest.next()) {
                (None, _) => return Err(self.wrong("expected `)`")),
                (Some(')'), _) => break,
                (Some('\\'), Some(c @ (')' | '\\'))) => (2, c),
                (Some('\\'), _) => {
                    return Err(self.wrong("only `\\)` and `\\\\` can follow a `\\` here"))
                }
                (Some(c), _) => (c.len_utf8(), c),
            };
            self.at += length;
            text.push(c);
        }
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            self.at = begin;
            return Err(self.wrong("expected a name, or a part of one"));
        }
        Ok(text)
    }

    /// A regex up to its slash, and that.
    fn regex(&mut self) -> Result<Matcher, Wrong> {
        let begin = self.at;
        let mut text = String::new();
        loop {
            let mut rest = self.rest().chars();
            match (rest.next(), rest.next()) {
                (None, _) => return Err(self.wrong("expected the `/` that ends the regex")),
                (Some('/'), _) => break,
                (Some('\\'), Some('/')) => {
                    self.at += 2;
                    text.push('/');
                }
                // Two at once, so that the slash behind a backslash of the regex is seen as such.
                (Some('\\'), Some(c)) => {
                    self.at += 1 + c.len_utf8();
                    text.extend(['\\', c]);
                }
                (Some(c), _) => {
                    self.at += c.len_utf8();
                    text.push(c);
                }
            }
        }
        self.at += 1;
        Regex::new(&text).map(Matcher::Regex).map_err(|error| {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or("it can't be read");
            let why = why.trim_start_matches("error: ").to_owned();
            self.at = begin;
            self.wrong(format!("this regex is none, {why}"))
        })
    }

    fn close(&mut self) -> Result<(), Wrong> {
        match self.takes(")") {
            true => Ok(()),
            false => Err(self.wrong("expected `)`")),
        }
    }

    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Expression, Wrong>,
    ) -> Result<Expression, Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(format!("this is nested more than {DEEPEST} deep")));
        }
        let set = read(self)?;
        self.depth -= 1;
        Ok(set)
    }

    /// Passes white space; where that ends.
    fn skip(&mut self) -> usize {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    /// Passes this sign, if it is next.
    fn takes(&mut self, sign: &str) -> bool {
        self.skip();
        let is_next = self.rest().starts_with(sign);
        self.at += if is_next { sign.len() } else { 0 };
        is_next
    }

    /// Passes one of these signs or this word, if it is next.
    fn takes_any(&mut self, signs: &[&str], word: &str) -> bool {
        self.skip();
        if !word.is_empty() && self.word() == word {
            self.at += word.len();
            return true;
        }
        signs.iter().any(|sign| self.takes(sign))
    }

    /// The letters that are next.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())]
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong {
            what: what.into(),
            text: self.text.to_owned(),
            at: self.text[..self.at].chars().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signs_bind_as_in_nextest() {
        for (text, meant) in [
            ("test(a)", "test(~a)"),
            (" test( = a.b ) ", "test(=a.b)"),
            ("all()&none()|all()", "all() & none() | all()"),
            ("all() | all() & none()", "all() | all() & none()"),
            ("(all() | all()) and none()", "(all() | all()) & none()"),
            ("not all() - none() + all()", "!all() - none() | all()"),
            ("all() - (none() - all())", "all() - (none() - all())"),
            ("!(all() & none())", "!(all() & none())"),
            ("! !all()", "!!all()"),
            ("test(/a\\/\\)(b|c)/)", "test(/a\\/\\)(b|c)/)"),
            ("test(~a\\)b\\\\)", "test(~a\\)b\\\\)"),
            ("setting(=a) or\ntest(or)", "setting(=a) | test(~or)"),
        ] {
            assert_eq!(expression(text).unwrap().to_string(), meant, "{text}");
        }
    }

    #[test]
    fn sets_are_taken_apart_rightly() {
        for (text, names) in [
            ("test(=a.b)", "a.b"),
            ("test(a.b)", "a.b a.bc"),
            ("test(a) - test(c)", "a.b"),
            ("!test(a)", "d"),
            ("test(/^a\\.b.$/) | test(d)", "a.bc d"),
            ("all() & !none() & setting(=s)", "a.b a.bc d"),
            ("setting(t) | none()", ""),
        ] {
            let set = expression(text).unwrap();
            let taken = ["a.b", "a.bc", "d"].into_iter();
            let taken = taken
                .filter(|name| set.takes(name, "s"))
                .collect::<Vec<_>>();
            assert_eq!(taken.join(" "), names, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_at_its_place() {
        for (text, what, mark) in [
            ("test(~cm", "expected `)`", 8),
            ("test(a) & (b)", "there is no `b`", 11),
            ("test(a) test(b)", "expected `&`, `|`, `-` or the end", 8),
            ("test(a) &", "expected a set", 9),
            ("test(a))", "expected `&`", 7),
            ("(test(a)", "expected `)`", 8),
            ("tests(a)", "there is no `tests`", 0),
            ("test(= )", "expected a name", 7),
            ("!test", "expected `(` after `test`", 5),
            ("test(/(/)", "this regex is none", 6),
            ("test(/a)", "the `/` that ends", 8),
            ("test(a\\b)", "only `\\)`", 6),
            ("all(x)", "expected `)`", 4),
        ] {
            let error = expression(text).unwrap_err();
            assert!(error.what.contains(what), "{text}: {error}");
            let shown = error.to_string();
            let lines = shown.lines().collect::<Vec<_>>();
            assert_eq!(lines[lines.len() - 2], format!("  {text}"), "{shown}");
            assert_eq!(lines[lines.len() - 1].find('^'), Some(mark + 2), "{shown}");
        }
        let deep = "(".repeat(1_000_000);
        assert!(expression(&deep).unwrap_err().what.contains("deep"));
        let deep = "!".repeat(1_000_000);
        assert!(expression(&deep).unwrap_err().what.contains("deep"));
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        prop_oneof![
            "[a-z._)\\\\(&|]{0,6}[a-z)]".prop_map(Matcher::Equals),
            "[a-z._)\\\\(&|]{0,6}[a-z)]".prop_map(Matcher::Contains),
            "[a-z./]{0,4}(\\\\[.)(])?[|]?[a-z/]"
                .prop_map(|text| { Matcher::Regex(Regex::new(&text).unwrap()) }),
        ]
    }

    fn set() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            Just(Expression::All),
            Just(Expression::None),
            matcher().prop_map(Expression::Test),
            matcher().prop_map(Expression::Setting),
        ];
        leaf.prop_recursive(6, 40, 2, |inner| {
            let two = (
                inner.clone().prop_map(Box::new),
                inner.clone().prop_map(Box::new),
            );
            prop_oneof![
                inner.prop_map(|set| Expression::Not(Box::new(set))),
                two.clone()
                    .prop_map(|(one, other)| Expression::And(one, other)),
                two.clone()
                    .prop_map(|(one, other)| Expression::Minus(one, other)),
                two.prop_map(|(one, other)| Expression::Or(one, other)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(
            set in set(), name in "[a-z.]{0,4}", setting in "[a-z]{0,3}",
        ) {
            let printed = set.to_string();
            let read = expression(&printed).unwrap();
            prop_assert_eq!(read.to_string(), printed);
            prop_assert_eq!(read.takes(&name, &setting), set.takes(&name, &setting));
        }

        #[test]
        fn no_text_is_too_much(text in "[a-z()&|!~=/\\\\ +\u{e4}-]{0,40}") {
            if let Err(error) = expression(&text) {
                prop_assert!(error.at <= text.chars().count());
                prop_assert!(error.to_string().contains('^'));
            }
        }
    }
}
