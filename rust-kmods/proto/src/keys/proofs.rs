// SPDX-License-Identifier: GPL-2.0-only

//! Which proofs of namesakes, other machines of this node's name, were seen.

use super::Nonce;

/// Nonces of such machines that are remembered during one own epoch; more are not believed.
const MAX: usize = 4;

/// The highest counter that came under each nonce, during the present own epoch. With the next own
/// nonce all old proofs are void.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Proofs {
    own: u64,
    seen: [Option<(Nonce, u64)>; MAX],
}

impl Proofs {
    pub(super) const fn new() -> Self {
        Self {
            own: 0,
            seen: [None; MAX],
        }
    }

    /// Whether a proof under `nonce` with this counter is a new one; takes note of it.
    pub(super) fn accept(&mut self, own: u64, nonce: &Nonce, counter: u64) -> bool {
        if self.own != own {
            *self = Self::new();
            self.own = own;
        }
        let fits = |slot: &&mut Option<(Nonce, u64)>| {
            slot.as_ref().is_none_or(|(known, _)| known == nonce)
        };
        match self.seen.iter_mut().find(fits) {
            Some(Some((_, highest))) if counter <= *highest => false,
            Some(slot) => {
                *slot = Some((*nonce, counter));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proof_counts_once() {
        let mut proofs = Proofs::new();
        let nonce = |byte| [byte; 32];
        assert!(proofs.accept(1, &nonce(1), 5) && proofs.accept(1, &nonce(1), 6));
        assert!(!proofs.accept(1, &nonce(1), 6) && !proofs.accept(1, &nonce(1), 5));
        assert!(proofs.accept(1, &nonce(2), 1) && !proofs.accept(1, &nonce(1), 6));
        assert!(proofs.accept(1, &nonce(3), 1) && proofs.accept(1, &nonce(4), 1));
        assert!(!proofs.accept(1, &nonce(5), 1) && proofs.accept(1, &nonce(4), 2));
        // In another epoch nothing that echoes the last one comes here.
        assert!(proofs.accept(2, &nonce(5), 1));
    }
}
