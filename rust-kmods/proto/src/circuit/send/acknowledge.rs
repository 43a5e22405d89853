// SPDX-License-Identifier: GPL-2.0-only

//! What an acknowledgement means for the segments in flight.

use super::congestion::Flight;
use super::{place, places, Payload, SendHalf, TxSlot};
use crate::seq::Seq;
use crate::tgroup::RailId;
use crate::time::{Duration, Instant};

/// What an acknowledgement told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::circuit) struct Acknowledged {
    /// It moved the window's start.
    pub(in crate::circuit) progress: bool,
    /// How long a segment took that was sent once only, and over which rail.
    pub(in crate::circuit) sample: Option<(RailId, Duration)>,
}

/// The other end acknowledges what was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::circuit) struct NeverSent;

impl<B: Payload> SendHalf<B> {
    /// Takes an acknowledgement in. Bit `i` of `sack`: segment `ack + 1 + i` came.
    pub(in crate::circuit) fn acknowledge(
        &mut self,
        now: Instant,
        ack: Seq,
        sack: u64,
        window: u16,
    ) -> Result<Acknowledged, NeverSent> {
        let ahead = ack.ahead_of(self.una);
        if ahead > self.outstanding() as i32 {
            return Err(NeverSent);
        }
        let progress = ahead > 0;
        let mut news = News::default();
        while ack.is_after(self.una) {
            let place = place(self.una);
            self.arrived(now, &mut news, place);
            if let Some(slot) = self.slots.get_mut(place) {
                *slot = TxSlot::empty();
            }
            self.una = self.una.next();
        }
        if sack != 0 {
            self.take_sack(now, &mut news, ack, sack);
        }
        self.widen(ack, window);
        if let Some((_, round_trip)) = news.sample {
            self.rtt.sample(round_trip);
            // Karn: what was sent again measures nothing. Until something else did, the time-out
            // stays as long as it has become, or a queue that is longer than it would fill with
            // copies.
            self.backoff = 0;
        }
        if news.count > 0 {
            self.find_losses();
            // A window that nothing but one segment was in need not be looked at.
            if self.flight != 0 || news.count > 1 {
                self.move_window(now, &news);
            }
        }
        if progress || !self.is_outstanding() {
            self.restart_timer(now);
        }
        Ok(Acknowledged {
            progress,
            sample: news.sample,
        })
    }

    /// Draws the conclusions for the window from what came.
    fn move_window(&mut self, now: Instant, news: &News) {
        self.congestion.came(news.count);
        if self.flight == 0 {
            // The end of what was sent need not ask: that took as long as the other end waited.
            return;
        }
        if let Some((_, round_trip)) = news.sample {
            self.congestion.measured(now, round_trip);
        }
        if self.congestion.is_round_over(self.una) {
            let flight = Flight {
                segments: self.flight.count_ones() + news.count,
                bytes: self.rails.bytes() + news.bytes,
            };
            self.congestion.end_round(self.unsent, flight);
        }
    }

    fn take_sack(&mut self, now: Instant, news: &mut News, ack: Seq, sack: u64) {
        // Bit `i`: segment `una + i`. `una` is not behind `ack`.
        let behind = ack.distance_to(self.una);
        let came = match behind {
            0 => sack << 1,
            _ => sack.checked_shr(behind - 1).unwrap_or(0),
        };
        let unknown = (self.flight | self.lost).rotate_right(self.una.raw());
        for place in places((came & unknown).rotate_left(self.una.raw())) {
            self.arrived(now, news, place);
        }
    }

    /// Counts a segment that was sent as arrived.
    fn arrived(&mut self, now: Instant, news: &mut News, place: usize) {
        let bit = 1 << place;
        let Some(slot) = self.slots.get(place) else {
            return;
        };
        if self.flight & bit != 0 {
            self.flight &= !bit;
            self.rails.left(slot.rail, slot.len());
        } else if self.lost & bit != 0 {
            self.lost &= !bit;
        } else {
            return;
        }
        news.count += 1;
        news.bytes += slot.len() as u32;
        // Karn: what was sent twice does not tell which one was answered.
        let round_trip = (!slot.is_again()).then(|| slot.sent_at.age(now));
        let sent = (slot.rail, slot.number);
        self.rails.arrived(now, sent, slot.len(), round_trip);
        if let Some(round_trip) = round_trip {
            if news.sample.is_none_or(|(_, least)| round_trip < least) {
                news.sample = Some((slot.rail, round_trip));
            }
        }
        self.drop_rest(place);
    }

    /// What was sent well before something that arrived over the same rail is lost. Over another
    /// rail it may just have had the longer way.
    fn find_losses(&mut self) {
        let rails = self.rails.with_gaps();
        if rails.is_empty() {
            return;
        }
        let mut latest = None;
        for place in places(self.flight) {
            let Some(slot) = self.slots.get(place) else {
                continue;
            };
            if rails.contains(slot.rail) && self.rails.is_overtaken(slot.rail, slot.number) {
                self.lose(place);
                let seq = self.seq_at(place);
                if latest.is_none_or(|latest| seq.is_after(latest)) {
                    latest = Some(seq);
                }
            }
        }
        if let Some(seq) = latest {
            self.congestion.lost(seq, self.unsent);
        }
    }
}

#[derive(Default)]
struct News {
    /// Segments that had not been known to have arrived.
    count: u32,
    /// Their bytes.
    bytes: u32,
    /// The latest of them that was sent only once: its rail, and how long ago it went out.
    sample: Option<(RailId, Duration)>,
}
