// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names of nodes.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// What a node's name starts with (paper, section 4.3).
const PREFIX: &str = "linus";

/// A node of the cluster, by its host id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

impl Node {
    /// The node with this host id; 0 belongs to nobody.
    pub fn new(host: u32) -> Option<Self> {
        (host != 0).then_some(Self(host))
    }

    /// The host id.
    pub fn host(self) -> u32 {
        self.0
    }

    /// The directory under which the node's files are found.
    pub fn directory(self) -> PathBuf {
        PathBuf::from(format!("/{self}"))
    }
}

impl From<NonZeroU32> for Node {
    fn from(host: NonZeroU32) -> Self {
        Self(host.get())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for Node {
    type Err = Error;

    /// Takes `linus2`, `/linus2` and `2`.
    fn from_str(name: &str) -> Result<Self, Error> {
        let short = name.strip_prefix('/').unwrap_or(name);
        let digits = short.strip_prefix(PREFIX).unwrap_or(short);
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .and_then(Node::new)
            .ok_or_else(|| Error::BadNodeName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_form() {
        for name in ["linus4", "/linus4", "4"] {
            let node: Node = name.parse().unwrap();
            assert_eq!((node.host(), node.to_string()), (4, "linus4".to_owned()));
            assert_eq!(node.directory(), PathBuf::from("/linus4"));
        }
        assert_eq!("4294967295".parse::<Node>().unwrap().host(), u32::MAX);
    }

    #[test]
    fn what_is_no_node() {
        for name in [
            "",
            "linus",
            "linus0",
            "0",
            "linus04",
            "linus-1",
            "+2",
            "linus2/etc",
            "4294967296",
            "tux2",
        ] {
            let error = name.parse::<Node>().unwrap_err();
            assert!(
                error.to_string().contains("no node name"),
                "{name}: {error}"
            );
        }
    }
}
