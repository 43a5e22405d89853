// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ways to break the protocol on purpose: a simulation that notices none of them proves nothing.

/// What a node does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// A segment is now and then given to its reader twice.
    DeliverTwice,
    /// A segment is now and then kept from its reader.
    DeliverNot,
    /// Segments are now and then given to their reader in the wrong order.
    Swap,
    /// The circuits with a node that died or rebooted are kept.
    KeepDead,
    /// A circuit that has come to its end stays in the table.
    KeepDone,
    /// A circuit stays on its rail, dead or not.
    KeepRail,
    /// No circuit's time-outs are looked at.
    IgnoreTime,
    /// A node that was silent for too long is still taken for present.
    IgnoreSilence,
    /// A circuit is now and then reset for no reason.
    ResetAtWhim,
    /// Tags are not looked at.
    TrustEverybody,
    /// What a circuit sends is kept after it was acknowledged.
    LeakBuffers,
}
