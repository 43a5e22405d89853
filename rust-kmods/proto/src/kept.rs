// SPDX-License-Identifier: GPL-2.0-only

//! How much received data a node keeps until they are read, and for whom.
//!
//! What is counted is what they take in memory, which is more than they are: a member that sends
//! many short pieces pays for the buffers that they come in.

/// Most bytes that received data may take on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLimit(u64);

impl KeptLimit {
    /// That of a node with so much memory, in bytes: an eighth of it.
    pub const fn of_memory(total: u64) -> Self {
        Self(total / 8)
    }

    /// Its bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Whether `more` bytes of a peer are taken in where `kept` are kept already, `of_peer` of them
    /// that peer's.
    ///
    /// A peer may have as much as is left: half of all if it is alone. `needed` says that the circuit
    /// can give its reader nothing before these bytes are there; then twice the limit counts, so that
    /// one that is read goes on, whatever others leave unread.
    pub const fn admits(self, kept: u64, of_peer: u64, more: u64, needed: bool) -> bool {
        let taken = kept.saturating_add(more);
        if needed {
            return taken <= self.0.saturating_mul(2);
        }
        taken <= self.0 && of_peer.saturating_add(more) <= self.0 - taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: KeptLimit = KeptLimit::of_memory(8000);

    #[test]
    fn a_peer_alone_may_have_half() {
        let mut kept = 0;
        while LIMIT.admits(kept, kept, 10, false) {
            kept += 10;
        }
        assert_eq!(kept, LIMIT.bytes() / 2);
    }

    #[test]
    fn who_comes_late_finds_room() {
        // The first has half, the second a quarter, and so on.
        let mut kept = 0;
        for peer in 1..=5 {
            let mut own = 0;
            while LIMIT.admits(kept, own, 1, false) {
                (kept, own) = (kept + 1, own + 1);
            }
            assert!(own >= LIMIT.bytes() >> peer, "peer {peer} has {own}");
        }
        assert!(kept < LIMIT.bytes());
    }

    #[test]
    fn what_is_needed_passes_until_nothing_does() {
        assert!(!LIMIT.admits(1000, 0, 1, false));
        assert!(LIMIT.admits(1999, 1999, 1, true));
        assert!(!LIMIT.admits(2000, 0, 1, true));
        assert!(!LIMIT.admits(u64::MAX, 0, 1, true));
    }
}
