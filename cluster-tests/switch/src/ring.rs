// SPDX-License-Identifier: MIT OR Apache-2.0

//! The last frames of a rail, always at hand.
//!
//! Two buffers take turns: when one is full, the older one is emptied and goes on. So what is
//! kept is between one and two buffers' worth, in order, and a frame costs one copy.

use std::time::Duration;

/// Bytes of one of the two buffers.
const HALF: usize = 2 << 20;

/// The last frames, as records of a capture.
#[derive(Default)]
pub(super) struct Ring {
    older: Vec<u8>,
    newer: Vec<u8>,
}

impl Ring {
    /// Adds a frame; `at` is the time since 1970.
    pub(super) fn add(&mut self, at: Duration, frame: &[u8]) {
        let (head, kept) = podos_pcap::record(at, frame);
        if self.newer.len() + head.len() + kept.len() > HALF {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer.clear();
        }
        self.newer.extend_from_slice(&head);
        self.newer.extend_from_slice(kept);
    }

    /// A whole capture of what is kept.
    pub(super) fn capture(&self) -> Vec<u8> {
        [&podos_pcap::HEADER[..], &self.older, &self.newer].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of the frames in a capture.
    fn numbers(capture: &[u8]) -> Vec<u32> {
        let word = |at: usize| u32::from_ne_bytes(capture[at..at + 4].try_into().unwrap());
        let mut numbers = Vec::new();
        let mut at = podos_pcap::HEADER.len();
        while at < capture.len() {
            numbers.push(word(at + 16));
            at += 16 + word(at + 8) as usize;
        }
        assert_eq!(at, capture.len(), "it ends with a whole frame");
        numbers
    }

    #[test]
    fn the_last_frames_are_kept_in_order_and_no_more_than_fit() {
        let mut ring = Ring::default();
        assert_eq!(ring.capture(), podos_pcap::HEADER);
        let mut frame = [0; 1514];
        let count = 3 * HALF as u32 / 1530;
        for number in 0..count {
            frame[..4].copy_from_slice(&number.to_ne_bytes());
            ring.add(Duration::from_secs(number.into()), &frame);
        }
        let capture = ring.capture();
        assert!((HALF - 1530..=2 * HALF + 24).contains(&capture.len()));
        let numbers = numbers(&capture);
        let first = count - numbers.len() as u32;
        assert!(numbers.iter().copied().eq(first..count));
    }
}
