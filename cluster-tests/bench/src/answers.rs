// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the guest's tool answers: `key=value` lines.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result};

/// The answers to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    question: String,
    values: BTreeMap<String, String>,
}

impl Answers {
    /// Lines without a `=` are no answers.
    pub fn parse(question: impl Into<String>, text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self {
            question: question.into(),
            values: pairs.map(|(k, v)| (k.into(), v.into())).collect(),
        }
    }

    /// The number that `key` has.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let value = self.values.get(key).and_then(|text| text.parse().ok());
        let (question, values) = (&self.question, &self.values);
        value.with_context(|| format!("`{question}` says no number {key}, but {values:?}"))
    }

    /// The text that `key` has.
    pub fn text(&self, key: &str) -> Result<&str> {
        let (question, values) = (&self.question, &self.values);
        let value = values.get(key);
        value
            .map(String::as_str)
            .with_context(|| format!("`{question}` does not say {key}, but {values:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_key() {
        let answers = Answers::parse("tool x", "count=7\nnoise\nmean_ns=1.5\n");
        assert_eq!(answers.number::<u64>("count").unwrap(), 7);
        assert_eq!(answers.number::<f64>("mean_ns").unwrap(), 1.5);
        let error = answers.number::<u64>("median_ns").unwrap_err().to_string();
        assert!(
            error.contains("tool x") && error.contains("median_ns"),
            "{error}"
        );
    }
}
