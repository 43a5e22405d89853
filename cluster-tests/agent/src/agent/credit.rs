// SPDX-License-Identifier: MIT OR Apache-2.0

//! The windows of a session's streams.

use std::collections::VecDeque;

use podos_agent_proto::WINDOW;

/// The sending end of a stream: what may still be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit(u32);

impl Credit {
    /// A whole window.
    pub fn new() -> Self {
        Self(WINDOW)
    }

    /// Bytes that may be sent now.
    pub fn left(self) -> usize {
        self.0 as usize
    }

    /// `sent` bytes are under way; at most [`left`](Self::left).
    pub fn spend(&mut self, sent: usize) {
        self.0 = self
            .0
            .saturating_sub(u32::try_from(sent).unwrap_or(u32::MAX));
    }

    /// The receiver took `bytes`. It can't take more than it was sent, whatever it says.
    pub fn restore(&mut self, bytes: u32) {
        self.0 = self.0.saturating_add(bytes).min(WINDOW);
    }
}

/// The receiving end of a stream: bytes that came and were not taken yet.
#[derive(Debug, Default)]
pub struct Backlog(VecDeque<u8>);

/// The sender did not keep to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

impl Backlog {
    /// Takes what the sender sent.
    pub fn push(&mut self, data: &[u8]) -> Result<(), Overrun> {
        if self.0.len() + data.len() > WINDOW as usize {
            return Err(Overrun);
        }
        self.0.extend(data);
        Ok(())
    }

    /// The first bytes in line; some, whenever there are any.
    pub fn first(&self) -> &[u8] {
        self.0.as_slices().0
    }

    /// The first `len` bytes were taken; gives the credit to send for them.
    pub fn take(&mut self, len: usize) -> u32 {
        let taken = self.0.drain(..len.min(self.0.len())).count();
        // No more than a window was ever in here.
        taken as u32
    }

    /// All bytes were taken; gives the credit to send for them.
    pub fn take_all(&mut self) -> u32 {
        self.take(self.0.len())
    }

    /// Whether nothing is in line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_spent_and_restored_up_to_a_window() {
        let mut credit = Credit::new();
        assert_eq!(credit.left(), WINDOW as usize);
        credit.spend(1000);
        assert_eq!(credit.left(), WINDOW as usize - 1000);
        credit.restore(400);
        assert_eq!(credit.left(), WINDOW as usize - 600);
        credit.restore(u32::MAX);
        assert_eq!(credit, Credit::new());
        credit.spend(WINDOW as usize);
        assert_eq!(credit.left(), 0);
    }

    #[test]
    fn a_backlog_holds_one_window_and_no_more() {
        let mut backlog = Backlog::default();
        backlog.push(&vec![1; WINDOW as usize - 1]).unwrap();
        backlog.push(&[2]).unwrap();
        assert_eq!(backlog.push(&[3]), Err(Overrun));
        assert_eq!(backlog.take(10), 10);
        backlog.push(&[4; 10]).unwrap();
        assert_eq!(backlog.push(&[5]), Err(Overrun));
        assert!(!backlog.first().is_empty());
        assert_eq!(backlog.take_all(), WINDOW);
        assert!(backlog.is_empty() && backlog.first().is_empty());
        assert_eq!(backlog.take(1), 0);
    }
}
