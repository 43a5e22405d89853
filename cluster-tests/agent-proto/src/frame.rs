// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames of the protocol.

use podos_process::Exit;
use serde::{Deserialize, Serialize};

/// A byte stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Harness to agent.
    Stdin,
    /// Agent to harness.
    Stdout,
    /// Agent to harness.
    Stderr,
}

/// A command to run on a node. Strings are bytes, as the kernel takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; the program is looked for in `PATH`.
    pub argv: Vec<Vec<u8>>,
    /// Variables added to the agent's own environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Working directory; the agent's own (`/root`) when `None`.
    pub cwd: Option<Vec<u8>>,
}

/// One frame. The comments say who sends it: H the harness, A the agent.
///
/// The order is what tells them apart on the wire. [`Frame::Hello`] stays as it is, so that all
/// versions know each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// A: the first frame after boot.
    Hello {
        /// The agent's [`VERSION`](crate::VERSION).
        version: u32,
        /// The node's host id.
        node: u32,
    },
    /// A: boot is over; what went wrong on the way, one line each.
    Ready {
        /// Empty when the node is whole.
        problems: Vec<String>,
    },
    /// H: run this under a session id that is not in use.
    Exec(Command),
    /// Both: a piece of a stream, at most [`MAX_DATA`](crate::MAX_DATA) bytes.
    Data(Stream, #[serde(with = "serde_bytes")] Vec<u8>),
    /// H: end of standard input.
    StdinEof,
    /// Both: the receiver of a stream took this many bytes of it.
    Credit(Stream, u32),
    /// H: send this signal to the command's process group.
    Signal(u8),
    /// H: nobody waits for the command any more: hang up, then kill.
    Close,
    /// A: the command ended, all its output was sent; the session is over.
    Exited(Exit),
    /// A: the request failed; the session is over.
    Failed {
        /// The error number of the guest.
        errno: i32,
        /// What failed.
        message: String,
    },
    /// H: the content of a small file, without starting a process.
    ReadFile(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A: the answer to [`Frame::ReadFile`]; the session is over.
    Content(#[serde(with = "serde_bytes")] Vec<u8>),
    /// H: answer with [`Frame::Pong`].
    Ping,
    /// A: the answer to [`Frame::Ping`].
    Pong,
    /// H: sync and switch the node off.
    Poweroff,
}
