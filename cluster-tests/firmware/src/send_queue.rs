// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outgoing segments: kept until they are acknowledged, and sent again if need be (section 6).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::audit::Audit;
use crate::receive_queue::Segment;
use crate::wire::before;

/// Time-outs in microseconds: before the first measurement, least, most.
const FIRST: u64 = 100_000;
const LEAST: u64 = 20_000;
const MOST: u64 = 1_000_000;
/// Segments under way at most.
const FLIGHT: usize = 64;
/// Segments that overtook one that is taken for lost.
const OVERTAKEN: usize = 3;

/// A segment that is kept until it is acknowledged.
#[derive(Debug)]
struct Kept {
    segment: Segment,
    times: u32,
    at: u64,
    came: bool,
    lost: bool,
}

/// One stream's sending end. Times are in microseconds.
#[derive(Debug)]
pub struct SendQueue {
    queue: VecDeque<Kept>,
    /// The number of the first one in the queue: all before it came.
    first: u32,
    /// The number of the next segment that is made.
    made: u32,
    /// The number of the first segment that was never sent.
    sent: u32,
    edge: u32,
    fin: Option<u32>,
    smoothed: Option<(u64, u64)>,
    backoff: u32,
    /// Segments sent again.
    pub again: u64,
}

/// What is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// The segment.
    pub segment: Segment,
    /// With `PROBE`.
    pub probe: bool,
}

impl SendQueue {
    /// May send segments below `edge`.
    pub fn new(edge: u32) -> Self {
        Self {
            queue: VecDeque::new(),
            first: 0,
            made: 0,
            sent: 0,
            edge,
            fin: None,
            smoothed: None,
            backoff: 0,
            again: 0,
        }
    }

    /// Queues a message in segments of at most `size` bytes.
    pub fn message(&mut self, op: u8, message: &[u8], size: usize) {
        let mut chunks: Vec<&[u8]> = message.chunks(size).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        for (number, data) in chunks.into_iter().enumerate() {
            self.push(op, number == last, false, data);
        }
    }

    /// Queues the FIN, once.
    pub fn finish(&mut self) {
        if self.fin.is_none() {
            self.fin = Some(self.made);
            self.push(0, false, true, &[]);
        }
    }

    fn push(&mut self, op: u8, end: bool, fin: bool, data: &[u8]) {
        self.queue.push_back(Kept {
            segment: Segment {
                seq: self.made,
                op,
                end,
                fin,
                data: data.to_vec(),
            },
            times: 0,
            at: 0,
            came: false,
            lost: false,
        });
        self.made = self.made.wrapping_add(1);
    }

    /// Whether the FIN was acknowledged.
    pub fn over(&self) -> bool {
        self.fin.is_some() && self.queue.is_empty()
    }

    /// Whether nothing is unacknowledged but the FIN, and that was sent.
    pub fn only_fin_is_left(&self) -> bool {
        self.fin_sent() && self.queue.iter().all(|kept| kept.segment.fin)
    }

    /// Whether the FIN was sent, and may have come.
    pub fn fin_sent(&self) -> bool {
        self.fin.is_some_and(|fin| before(fin, self.sent))
    }

    /// Whether segments wait that were never sent.
    pub fn waits(&self) -> bool {
        self.sent != self.made
    }

    /// Whether some segment is under way.
    pub fn in_flight(&self) -> bool {
        self.queue.iter().any(|kept| kept.times > 0 && !kept.came)
    }

    /// How many segments are neither acknowledged nor known to have come.
    pub fn backlog(&self) -> usize {
        self.queue.iter().filter(|kept| !kept.came).count()
    }

    /// The present time-out.
    pub fn timeout(&self) -> u64 {
        let base = match self.smoothed {
            Some((smoothed, variation)) => (smoothed + 4 * variation).clamp(LEAST, MOST),
            None => FIRST,
        };
        (base << self.backoff.min(6)).min(MOST)
    }

    /// Takes an acknowledgement; `false` if it makes the frame void.
    pub fn acknowledged(
        &mut self,
        ack: u32,
        bits: u64,
        window: u16,
        now: u64,
        audit: &mut Audit,
    ) -> bool {
        if before(self.sent, ack) {
            audit.violation(
                "ack",
                format_args!("ack {ack}, and only {} segments were sent", self.sent),
            );
            return false;
        }
        let edge = ack.wrapping_add(u32::from(window.min(64)));
        if before(self.edge, edge) {
            self.edge = edge;
        }
        while before(self.first, ack) {
            let Some(kept) = self.queue.pop_front() else {
                break;
            };
            self.first = self.first.wrapping_add(1);
            self.measure(&kept, now);
        }
        for bit in 0..64 {
            if bits & 1 << bit == 0 {
                continue;
            }
            let seq = ack.wrapping_add(1 + bit);
            if !before(seq, self.sent) {
                audit.violation("sack", format_args!("segment {seq} was never sent"));
                continue;
            }
            let at = seq.wrapping_sub(self.first) as usize;
            if before(seq, self.first) {
                continue;
            }
            if let Some(kept) = self.queue.get_mut(at) {
                if !core::mem::replace(&mut kept.came, true) {
                    let (times, at) = (kept.times, kept.at);
                    self.smooth(times, at, now);
                }
            }
        }
        self.find_lost(now);
        true
    }

    fn measure(&mut self, kept: &Kept, now: u64) {
        if !kept.came {
            self.smooth(kept.times, kept.at, now);
        }
    }

    fn smooth(&mut self, times: u32, at: u64, now: u64) {
        if times != 1 {
            return;
        }
        let sample = now.saturating_sub(at);
        self.backoff = 0;
        self.smoothed = Some(match self.smoothed {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => (
                (7 * smoothed + sample) / 8,
                (3 * variation + smoothed.abs_diff(sample)) / 4,
            ),
        });
    }

    /// Rails differ in speed: what was sent just now may still come.
    fn find_lost(&mut self, now: u64) {
        let patience = self.smoothed.map_or(LEAST, |(smoothed, _)| smoothed);
        let mut overtaken = 0;
        for kept in self.queue.iter_mut().rev() {
            if kept.came {
                overtaken += 1;
            } else if kept.times == 1 && overtaken >= OVERTAKEN {
                kept.lost = now.saturating_sub(kept.at) >= patience;
            }
        }
    }

    /// What is to be sent now, if anything; it counts as sent. `known` once the other end's index
    /// is known: before, only the first segment may go.
    pub fn due(&mut self, now: u64, known: bool) -> Option<Due> {
        self.look_for_timeout(now);
        let flight = self
            .queue
            .iter()
            .filter(|kept| kept.times > 0 && !kept.came && !kept.lost)
            .count();
        let (edge, fin) = (self.edge, self.fin);
        let may = |seq: u32| before(seq, edge) || (fin == Some(seq) && seq == edge);
        let lost = self.queue.iter().position(|kept| kept.lost && !kept.came);
        let fresh = || {
            self.queue
                .iter()
                .position(|kept| kept.times == 0)
                .filter(|at| {
                    let seq = self.queue[*at].segment.seq;
                    may(seq) && flight < FLIGHT && (known || seq == 0)
                })
        };
        let at = lost.or_else(fresh)?;
        let next = self.queue.get(at + 1).map(|kept| kept.segment.seq);
        // The last one that may go, while others wait.
        let last = next.is_some_and(|next| !may(next)) || flight + 1 == FLIGHT;
        let kept = self.queue.get_mut(at)?;
        let probe = kept.times > 0 || last;
        self.again += u64::from(kept.times > 0);
        kept.times += 1;
        (kept.at, kept.lost) = (now, false);
        let segment = kept.segment.clone();
        let after = segment.seq.wrapping_add(1);
        if before(self.sent, after) {
            self.sent = after;
        }
        Some(Due { segment, probe })
    }

    fn look_for_timeout(&mut self, now: u64) {
        let limit = self.timeout();
        let oldest = self.queue.iter_mut().find(|kept| !kept.came);
        if let Some(kept) = oldest {
            if kept.times > 0 && !kept.lost && now.saturating_sub(kept.at) >= limit {
                kept.lost = true;
                self.backoff += 1;
            }
        }
    }

    /// A segment of this number was sent behind our back.
    pub fn claim(&mut self, seq: u32) {
        let after = seq.wrapping_add(1);
        if before(self.sent, after) {
            self.sent = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(queue: &mut SendQueue, now: u64) -> Vec<(u32, bool)> {
        let mut due = Vec::new();
        while let Some(Due { segment, probe }) = queue.due(now, true) {
            due.push((segment.seq, probe));
        }
        due
    }

    #[test]
    fn segments_go_up_to_the_edge_and_again_after_a_time_out() {
        let mut audit = Audit::default();
        let mut queue = SendQueue::new(2);
        queue.message(1, b"abcde", 2);
        queue.finish();
        assert_eq!(numbers(&mut queue, 0), [(0, false), (1, true)]);
        assert!(queue.waits() && queue.in_flight());
        assert!(queue.acknowledged(1, 0, 2, 1000, &mut audit));
        // Up to the edge, and the FIN at it.
        assert_eq!(numbers(&mut queue, 1000), [(2, false), (3, false)]);
        let later = 1000 + queue.timeout();
        assert_eq!(numbers(&mut queue, later), [(1, true)]);
        assert_eq!(queue.again, 1);
        assert!(queue.acknowledged(4, 0, 0, later, &mut audit));
        assert!(queue.over() && queue.fin_sent());
        assert!(!queue.acknowledged(5, 0, 0, later, &mut audit));
        assert_eq!(audit.violations(), 1);
    }

    #[test]
    fn what_was_overtaken_goes_again() {
        let mut audit = Audit::default();
        let mut queue = SendQueue::new(64);
        queue.message(1, b"abcde", 1);
        assert_eq!(numbers(&mut queue, 0).len(), 5);
        assert!(queue.acknowledged(0, 0b111, 64, 10, &mut audit));
        assert_eq!(numbers(&mut queue, 10), [(0, true)]);
        assert!(queue.acknowledged(0, 1 << 40, 64, 10, &mut audit));
        assert_eq!(audit.violations(), 1);
    }

    #[test]
    fn an_opener_waits_with_all_but_the_first() {
        let mut queue = SendQueue::new(1);
        queue.message(1, b"ab", 1);
        let first = queue.due(0, false).unwrap();
        assert_eq!((first.segment.seq, first.probe), (0, true));
        assert_eq!(queue.due(0, false), None);
    }
}
