// SPDX-License-Identifier: MIT OR Apache-2.0

//! Errors of remote programs.

use std::io;

use crate::record::RecordError;

/// Why a remote program could not be run, or was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is not one of a node.
    #[error("`{0}` is no node name: nodes are called linus1, linus2 and so on")]
    BadNodeName(String),

    /// A command holds something that the interface has no room for.
    #[error("cannot send the command: {0}")]
    BadCommand(&'static str),

    /// A [`crate::Command`] was started before it was told where.
    #[error("the command was not told on which node to run: call `on`")]
    NoNode,

    /// The own node is not behind GIPC.
    #[error("{0} is this node: start the program here, without GIPC")]
    OwnNode(String),

    /// There is no directory for the node.
    #[error("no node {node} in this cluster: {path} does not exist (`podos nodes` lists them)")]
    UnknownNode {
        /// The node's name.
        node: String,
        /// Its directory.
        path: String,
    },

    /// The directory is there, but GIPC does not answer behind it.
    #[error("{path} is not a node's directory, or the GIPC module is not loaded")]
    NoGipc {
        /// The directory.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// The node is down, or died.
    #[error("node {node} is down")]
    NodeDown {
        /// The node's name.
        node: String,
        /// The kernel's answer.
        source: io::Error,
    },

    /// The program could not be started on the node.
    #[error("cannot run {program} on {node}")]
    Exec {
        /// The node's name.
        node: String,
        /// The program, as given.
        program: String,
        /// The remote kernel's answer.
        source: io::Error,
    },

    /// The kernel gave something that is no record.
    #[error("node {node} sent a broken record")]
    BrokenRecord {
        /// The node's name.
        node: String,
        /// What is wrong with it.
        source: RecordError,
    },

    /// The circuit ended without an exit status.
    #[error("node {node} ended the circuit before the program")]
    NoExitStatus {
        /// The node's name.
        node: String,
    },

    /// Anything else that the kernel refused.
    #[error("cannot {operation} on {node}")]
    Io {
        /// What was tried: a verb and what it is done to, before `on linus2`.
        operation: &'static str,
        /// The node's name.
        node: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    /// The error of a failed `operation` on an open circuit, a dead node told apart.
    pub(crate) fn on_circuit(node: &str, operation: &'static str, source: io::Error) -> Self {
        let node = node.to_owned();
        match source.raw_os_error() {
            Some(libc::EHOSTDOWN | libc::ECONNRESET | libc::ETIMEDOUT) => {
                Error::NodeDown { node, source }
            }
            _ => Error::Io {
                operation,
                node,
                source,
            },
        }
    }

    /// The `errno` that fits, for callers that know nothing else.
    pub fn errno(&self) -> i32 {
        match self {
            Error::BadNodeName(_) | Error::BadCommand(_) | Error::NoNode => libc::EINVAL,
            Error::OwnNode(_) => libc::ELOOP,
            Error::UnknownNode { .. } => libc::ENOENT,
            Error::BrokenRecord { .. } => libc::EPROTO,
            Error::NoExitStatus { .. } => libc::ECONNRESET,
            Error::NoGipc { source, .. }
            | Error::NodeDown { source, .. }
            | Error::Exec { source, .. }
            | Error::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refused_says_what_and_where() {
        let error = |errno| {
            let source = io::Error::from_raw_os_error(errno);
            Error::on_circuit("linus2", "read from the program", source).to_string()
        };
        assert_eq!(error(libc::EIO), "cannot read from the program on linus2");
        assert_eq!(error(libc::EHOSTDOWN), "node linus2 is down");
    }
}
