// SPDX-License-Identifier: MIT OR Apache-2.0

//! The configuration that a supervisor is started with.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::image::Images;
use crate::topology::Topology;

/// First argument of a supervisor, before the path of its folder.
pub(crate) const ARGUMENT: &str = "podos-cluster-supervisor";

/// What a supervisor is to run; lies in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    pub name: String,
    pub topology: Topology,
    pub images: Images,
}

impl Config {
    /// The folder of this machine that a node gets: one that nobody can ask has no use for it.
    pub fn share_of(&self, node: u32) -> Option<&Path> {
        let share = self.topology.share.as_deref();
        share.filter(|_| self.images.of(node).has_agent)
    }
}

/// What a supervisor says when it is ready to be asked.
pub(crate) const READY: &str = "ready\n";
