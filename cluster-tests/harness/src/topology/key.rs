// SPDX-License-Identifier: MIT OR Apache-2.0

//! Modes and keys, which protect a cluster's frames.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How CM protects its frames; one for all nodes, given to them as `podos.cm-mode=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CmMode {
    /// Not at all: to measure the price of the others.
    Open,
    /// Authenticated.
    Mac,
    /// Authenticated and encrypted.
    #[default]
    Aead,
}

impl fmt::Display for CmMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Mac => "mac",
            Self::Aead => "aead",
        })
    }
}

impl FromStr for CmMode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "open" => Ok(Self::Open),
            "mac" => Ok(Self::Mac),
            "aead" => Ok(Self::Aead),
            _ => Err(format!(
                "there is no mode of CM `{name}`; there are open, mac, aead"
            )),
        }
    }
}

/// Where the cluster key of a node comes from.
///
/// The key itself is in no topology, and so in no status and no log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKey {
    /// A random one, made when the cluster is started, that all such nodes share.
    #[default]
    Cluster,
    /// A random one that no other node has.
    Own,
    /// The node has none.
    None,
    /// The one that was made with the image.
    Image,
    /// The one in this file: 64 hexadecimal digits.
    File(#[serde(with = "crate::paths")] PathBuf),
}
