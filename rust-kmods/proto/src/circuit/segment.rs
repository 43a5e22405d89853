// SPDX-License-Identifier: GPL-2.0-only

//! What a circuit carries, and why it may not be taken.

use core::fmt;
use core::ops::DerefMut;

use crate::wire::ResetReason;

/// What a circuit carries: bytes that somebody else stores.
pub trait Payload: Sized {
    /// How many bytes, at most [`MAX_DATA`](crate::wire::MAX_DATA).
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where a circuit keeps these, or what it keeps of them: things in a row, on a heap.
    type Ring<T>: DerefMut<Target = [T]>;

    /// `len` things, each as `make` makes it; `None` if there is no memory now. It is asked for
    /// whenever a circuit begins to send or to receive, in any context, so it must not wait.
    fn ring<T>(len: usize, make: impl FnMut() -> T) -> Option<Self::Ring<T>>;

    /// Puts the bytes of `next` behind these; where it cannot, [`Payload::len`] stays what it was, and
    /// the segment will be sent again.
    fn append(&mut self, next: Self);
}

/// What a stream consists of: what one frame carries, or, on a rail whose MTU is smaller than
/// that for which it was made, several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<B> {
    /// The layer's operation.
    pub op: u8,
    /// Whether this is the last segment of its message.
    pub end: bool,
    /// The data.
    pub payload: B,
}

/// A segment that was not taken, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<B> {
    /// There is no room now; wait for [`Activity::writable`](super::Activity::writable).
    Full(B),
    /// There was no memory for the circuit's window.
    NoMemory(B),
    /// More than [`MAX_DATA`](crate::wire::MAX_DATA) bytes.
    TooLong(B),
    /// This end has finished already.
    Finished(B),
    /// The circuit was cut off.
    Reset(ResetReason, B),
}

impl<B> SendError<B> {
    /// The payload that was not taken.
    pub fn into_payload(self) -> B {
        match self {
            SendError::Full(payload)
            | SendError::NoMemory(payload)
            | SendError::TooLong(payload)
            | SendError::Finished(payload)
            | SendError::Reset(_, payload) => payload,
        }
    }
}

impl<B> fmt::Debug for SendError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full(_) => f.write_str("Full"),
            SendError::NoMemory(_) => f.write_str("NoMemory"),
            SendError::TooLong(_) => f.write_str("TooLong"),
            SendError::Finished(_) => f.write_str("Finished"),
            SendError::Reset(reason, _) => write!(f, "Reset({reason:?})"),
        }
    }
}

impl<B> fmt::Display for SendError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Full(_) => f.write_str("the circuit's window is full"),
            SendError::NoMemory(_) => f.write_str("no memory for the circuit's window"),
            SendError::TooLong(_) => f.write_str("the segment has too many bytes"),
            SendError::Finished(_) => f.write_str("this end of the circuit has finished"),
            SendError::Reset(reason, _) => write!(f, "the circuit was reset: {reason:?}"),
        }
    }
}

impl<B> core::error::Error for SendError<B> {}
