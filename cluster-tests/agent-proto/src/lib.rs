// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent protocol: what the harness and the agent, a service of `lab` nodes, say to each other
//! over the virtio-serial port [`PORT_NAME`].
//!
//! One byte stream carries many commands at once. A frame is
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of what follows, big-endian, at most [`MAX_FRAME`] |
//! | rest | session id, [`NODE`] for frames about the node itself, and [`Frame`], as postcard writes them |
//!
//! Every byte stream inside a session (standard input, output, error) runs on
//! credit: the sender may have [`WINDOW`] bytes under way that the receiver
//! has not yet given back by a [`Frame::Credit`]. So a command whose output
//! nobody reads stops by itself and holds up no other.

mod codec;
mod frame;

pub use codec::{encode, DecodeError, Decoder};
pub use frame::{Command, Frame, Stream};
pub use podos_process::Exit;

/// Name of the virtio-serial port that the agent serves.
pub const PORT_NAME: &str = "podos.agent";

/// Version of this protocol, the first thing that an agent says.
pub const VERSION: u32 = 2;

/// Longest frame, in bytes after the length field.
pub const MAX_FRAME: usize = 256 * 1024;

/// Longest piece of a stream in one frame, in bytes.
pub const MAX_DATA: usize = 32 * 1024;

/// Bytes that may be under way in one stream of one session.
pub const WINDOW: u32 = 256 * 1024;

/// The session id of frames about the node itself.
pub const NODE: u32 = 0;
