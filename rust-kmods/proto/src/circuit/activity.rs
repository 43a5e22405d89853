// SPDX-License-Identifier: GPL-2.0-only

//! What a circuit tells its owner.

use crate::tgroup::RailId;
use crate::wire::{Header, ResetReason};

/// What a call changed for those who wait on the circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// There is something new to receive, the end of the stream among it.
    pub readable: bool,
    /// There is room to send again.
    pub writable: bool,
    /// The circuit was answered for the first time, was reset, or is done.
    pub state: bool,
}

impl Activity {
    /// Nothing changed.
    pub const NONE: Activity = Activity {
        readable: false,
        writable: false,
        state: false,
    };
    /// Everybody must look.
    pub const ALL: Activity = Activity {
        readable: true,
        writable: true,
        state: true,
    };

    /// Whether anything changed.
    pub const fn is_some(self) -> bool {
        self.readable || self.writable || self.state
    }
}

/// Whether more can come, once [`Circuit::recv`](super::Circuit::recv) gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveState {
    /// It may.
    Open,
    /// The other end has finished, and everything was received.
    Eof,
    /// The circuit was cut off.
    Reset(ResetReason),
}

/// What a circuit counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments sent, again or not.
    pub sent: u64,
    /// Bytes of data sent, each counted once.
    pub bytes_sent: u64,
    /// Segments sent again.
    pub retransmitted: u64,
    /// Segments taken in.
    pub received: u64,
    /// Bytes of data taken in.
    pub bytes_received: u64,
    /// Segments, or pieces of them, that had come before.
    pub duplicates: u64,
    /// Frames that do not fit the circuit's state.
    pub rejected: u64,
    /// Frames sent without data, but for resets.
    pub acks: u64,
    /// Retransmission time-outs.
    pub timeouts: u64,
}

/// A frame to be sent.
#[derive(Debug)]
pub struct Transmit<'a, B> {
    /// Its header.
    pub header: Header,
    /// What its data are part of: bytes `header.offset` to `header.offset + header.len` of this.
    pub payload: Option<&'a B>,
    /// The rail that it goes over.
    pub rail: RailId,
    /// Whether all of its data were sent before.
    pub again: bool,
    /// Whether there may be another frame to send now. If not, nobody need ask.
    pub more: bool,
}
