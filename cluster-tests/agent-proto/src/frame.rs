// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be said.

/// A byte stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Harness to agent.
    Stdin,
    /// Agent to harness.
    Stdout,
    /// Agent to harness.
    Stderr,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status, 0 to 255.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
}

impl Exit {
    /// The status that a shell would show: the code, or 128 plus the signal.
    pub fn shell_status(self) -> i32 {
        match self {
            Self::Code(code) => i32::from(code),
            Self::Signal(signal) => 128 + i32::from(signal),
        }
    }

    /// True for status 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// A command to run on a node. Strings are bytes, as the kernel takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; the program is looked for in `PATH`.
    pub argv: Vec<Vec<u8>>,
    /// Variables added to the agent's own environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Working directory; the agent's own (`/root`) when `None`.
    pub cwd: Option<Vec<u8>>,
}

/// One frame. The comments say who sends it: H the harness, A the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Data(Stream, Vec<u8>),
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
    ReadFile(Vec<u8>),
    /// A: the answer to [`Frame::ReadFile`]; the session is over.
    Content(Vec<u8>),
    /// H: answer with [`Frame::Pong`].
    Ping,
    /// A: the answer to [`Frame::Ping`].
    Pong,
    /// H: sync and switch the node off.
    Poweroff,
}
