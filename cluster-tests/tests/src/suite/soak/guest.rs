// SPDX-License-Identifier: MIT OR Apache-2.0

//! A worker's hands on every node.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use podos_harness::{Cluster, Dialogue, Error};

use crate::support::TOOL;

/// How long a call may take whatever faults the nodes have: a paused one is asked again only when
/// the nemesis resumes it, and hosts are crowded.
const RETURNS_WITHIN: Duration = Duration::from_secs(240);

/// The guest's tool on every node where it was needed.
pub struct Guests<'a> {
    cluster: &'a Cluster,
    tools: BTreeMap<u32, Dialogue>,
}

/// How a call ended that was no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The kernel said so.
    Errno(i32, String),
    /// The caller went down, or was ended.
    Lost(String),
    /// It did not come back.
    Hung(String),
}

impl Failure {
    /// The error number, if it is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Errno(errno, _) => Some(*errno),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Errno(errno, words) => write!(f, "failed with {errno}: {words}"),
            Self::Lost(words) => write!(f, "was lost: {words}"),
            Self::Hung(words) => write!(f, "did not come back: {words}"),
        }
    }
}

impl<'a> Guests<'a> {
    pub fn new(cluster: &'a Cluster) -> Self {
        Self {
            cluster,
            tools: BTreeMap::new(),
        }
    }

    /// Has a node do a line of the tool's; what it found. An error is one of the harness, or a
    /// alarm of a kernel.
    pub fn ask(&mut self, node: u32, line: &str) -> Result<Result<Vec<u8>, Failure>> {
        let answer = match self.tools.remove(&node) {
            Some(tool) => Ok(tool),
            None => self.cluster.node(node)?.command(TOOL).arg("soak").talk(),
        };
        let answer = answer.and_then(|mut tool| {
            let answer = tool.ask(line, RETURNS_WITHIN)?;
            self.tools.insert(node, tool);
            Ok(answer)
        });
        match answer {
            Ok(answer) => understand(&answer).with_context(|| format!("linus{node}: {line}")),
            Err(error) => match error {
                Error::NodeDown(_)
                | Error::Unsuccessful { .. }
                | Error::Guest { .. }
                | Error::Io { .. } => Ok(Err(Failure::Lost(error.to_string()))),
                Error::Deadline { .. } => Ok(Err(Failure::Hung(error.to_string()))),
                error => Err(error.into()),
            },
        }
    }
}

/// An answer of the tool.
fn understand(answer: &str) -> Result<Result<Vec<u8>, Failure>> {
    if let Some(digits) = answer.strip_prefix("ok ") {
        return Ok(Ok(bytes(digits)?));
    }
    let errno = answer.strip_prefix("errno ").and_then(|rest| {
        let (number, words) = rest.split_once(' ')?;
        Some(Failure::Errno(number.parse().ok()?, words.to_owned()))
    });
    match errno {
        Some(failure) => Ok(Err(failure)),
        None => bail!("the tool answered {answer:?}"),
    }
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some((nibble(*high)? * 16 + nibble(*low)?) as u8),
        _ => None,
    });
    let bytes = bytes.collect::<Option<Vec<_>>>();
    bytes.with_context(|| format!("the tool answered {digits:?}, no hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        assert_eq!(understand("ok ").unwrap(), Ok(Vec::new()));
        assert_eq!(understand("ok 00afff").unwrap(), Ok(vec![0, 0xaf, 255]));
        let failure = understand("errno 112 Host is down").unwrap().unwrap_err();
        assert_eq!(failure.errno(), Some(112));
        for odd in ["", "ok 0", "ok xx", "errno", "errno x y"] {
            assert!(understand(odd).is_err(), "{odd:?}");
        }
    }
}
