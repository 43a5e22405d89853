// SPDX-License-Identifier: MIT OR Apache-2.0

//! Errors of clusters, and what to do about them.

use std::io;
use std::path::PathBuf;

use crate::alarm::Alarm;

/// The harness's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Every message stands alone on one line, or puts a log's
/// last lines under it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A cluster that cannot be.
    #[error("{flag}: {reason}")]
    Topology {
        /// The flag that asked for it.
        flag: &'static str,
        /// Why it cannot be, and what can.
        reason: String,
    },
    /// A file of the image is missing.
    #[error("image file {path} is missing: run `cargo xtask image --profile {profile}` first")]
    NoImage {
        /// The file.
        path: PathBuf,
        /// The profile whose image it belongs to.
        profile: String,
    },
    /// The name is taken.
    #[error("cluster `{0}` is up already: `cargo xtask cluster down --name {0}` ends it, or give another --name")]
    AlreadyUp(String),
    /// No cluster of that name runs.
    #[error(
        "cluster `{name}` is not up{others}; start it with `cargo xtask cluster up --name {name}`"
    )]
    NotUp {
        /// The name asked for.
        name: String,
        /// The clusters that do run, as a clause.
        others: String,
    },
    /// The cluster has no such node.
    #[error("cluster `{cluster}` has no node `{asked}`; its nodes are {nodes}")]
    NoSuchNode {
        /// The cluster asked.
        cluster: String,
        /// The node as it was named.
        asked: String,
        /// The nodes that it has.
        nodes: String,
    },
    /// The node does not run now.
    #[error("node {0} is down")]
    NodeDown(String),
    /// The agent could not do what was asked; `errno` is the guest's.
    #[error("on {node}: {message}")]
    Guest {
        /// The node.
        node: String,
        /// Error number, in the guest.
        errno: i32,
        /// What failed.
        message: String,
    },
    /// A command in a guest took too long.
    #[error("on {node}: `{command}` did not end within {seconds} s")]
    Deadline {
        /// The node.
        node: String,
        /// The command.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// A command in a guest that was to succeed did not.
    #[error("on {node}: `{command}` ended with {exit}: {stderr}")]
    Unsuccessful {
        /// The node.
        node: String,
        /// The command.
        command: String,
        /// How it ended.
        exit: podos_agent_proto::Exit,
        /// Its standard error.
        stderr: String,
    },
    /// A fault that only the switch of the harness can make.
    #[error("cluster `{0}` has network `bridge`, which can't do this to frames: start it with --net switch")]
    NeedsSwitch(String),
    /// The test firmware did not do what was asked of it.
    #[error("{0}")]
    Firmware(String),
    /// A fault of a node that had no effect.
    #[error("{fault} of {node}: {reason}")]
    Fault {
        /// The node.
        node: String,
        /// The fault.
        fault: &'static str,
        /// What happened instead, and what can be done.
        reason: String,
    },
    /// A kernel raised an alarm on its console.
    #[error("{0}")]
    Alarm(Box<Alarm>),
    /// Whoever had the cluster wants nothing more of it.
    #[error("given up: {0}")]
    GivenUp(String),
    /// What was expected of a kernel did not come.
    #[error("the kernel of {node} raised no alarm with `{pattern}` within {seconds} s")]
    NoAlarm {
        /// The node.
        node: String,
        /// What was to be in the alarm.
        pattern: String,
        /// The limit.
        seconds: u64,
    },
    /// The cluster did not become ready.
    #[error("cluster `{cluster}` did not come up: {reason}")]
    NotReady {
        /// The cluster.
        cluster: String,
        /// What it waited for, and the last lines of the consoles.
        reason: String,
    },
    /// The supervisor said something that is no protocol of ours, or went away.
    #[error("supervisor of cluster `{cluster}`: {reason}")]
    Supervisor {
        /// The cluster.
        cluster: String,
        /// What it said or failed to say.
        reason: String,
    },
    /// The machine lacks something, or an operation on it failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// The guest's error number, where a guest gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Guest { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// Puts what was tried in front of a system error.
pub(crate) trait IoContext<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what(),
            source: source.into(),
        })
    }
}
