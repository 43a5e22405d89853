// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the guest's tool answered: `key=value` lines.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result};

use crate::check::ensure_eq;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What was asked, for messages.
    question: String,
    values: BTreeMap<String, String>,
}

impl Answers {
    /// Lines without a `=` are no answers; of two with one key the last one counts.
    pub fn parse(question: impl Into<String>, text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self {
            question: question.into(),
            values: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub fn text(&self, key: &str) -> Result<&str> {
        let value = self.values.get(key);
        value.map(String::as_str).with_context(|| {
            format!(
                "`{}` did not say {key}, but {:?}",
                self.question, self.values
            )
        })
    }

    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        let number = text.parse().ok();
        number.with_context(|| format!("`{}` says {key}={text}, no number", self.question))
    }

    /// An error unless `key` has this value.
    pub fn expect(&self, key: &str, value: impl ToString) -> Result<()> {
        ensure_eq!(
            self.text(key)?,
            value.to_string(),
            "{key} of `{}`, which says {:?}",
            self.question,
            self.values
        );
        Ok(())
    }

    /// An error unless the call ended with this error number; 0 is success.
    pub fn expect_errno(&self, errno: i32) -> Result<()> {
        self.expect("errno", errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_key() {
        let answers = Answers::parse("tool x", "ready=1\nnoise\nerrno=2\ntext=a=b\nerrno=112\n");
        assert_eq!(answers.number::<u64>("ready").unwrap(), 1);
        assert_eq!(answers.text("text").unwrap(), "a=b");
        answers.expect_errno(112).unwrap();
        assert!(answers.has("errno") && !answers.has("noise"));
    }

    #[test]
    fn what_was_not_said_is_told_with_the_question() {
        let answers = Answers::parse("tool x", "a=b\n");
        for error in [
            answers.text("c").unwrap_err(),
            answers.number::<u64>("a").unwrap_err(),
            answers.expect("a", 1).unwrap_err(),
        ] {
            assert!(error.to_string().contains("tool x"), "{error}");
        }
    }
}
