// SPDX-License-Identifier: GPL-2.0-only

//! What is known of one node.

use super::past::{Past, Start};
use super::rail::{Rail, RAIL_LIFETIME};
use super::replay::ReplayWindow;
use super::report::Report;
use super::{Change, RailId, RailSet};
use crate::gpid::Gpid;
use crate::seq::Seq;
use crate::tgroup::{PerRail, MAX_RAILS};
use crate::time::{Duration, Instant};

/// What a peer has told of the rails on which it hears this node.
#[derive(Clone, Copy, Debug)]
struct Told {
    rails: RailSet,
    at: Instant,
    until: Instant,
}

/// Time between two reports of a peer, at least: each may make work for all circuits with it.
const REPORT_GAP: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(super) node: Gpid,
    /// 0 until it is told.
    pub(super) incarnation: u32,
    pub(super) past: Past,
    pub(super) rails: PerRail<Rail>,
    heard: RailSet,
    /// The number of the last hello that any rail brought.
    last_hello: Seq,
    /// On how many rails it says hello.
    announced: usize,
    told: Option<Told>,
    /// The number of the last report.
    last_report: Seq,
    pub(super) report: Report,
    pub(super) next_open_seq: Seq,
    pub(super) opens: ReplayWindow,
    /// Circuits in this node's table that it opened.
    pub(super) passive: usize,
    /// Whether the ways to it are not what they were when somebody last asked.
    changed: bool,
}

impl Peer {
    pub(super) fn new(node: Gpid) -> Self {
        Self {
            node,
            incarnation: 0,
            past: Past::new(),
            rails: PerRail::new([Rail::UNHEARD; MAX_RAILS]),
            heard: RailSet::EMPTY,
            last_hello: Seq::ZERO,
            announced: 0,
            told: None,
            last_report: Seq::ZERO,
            report: Report::new(),
            next_open_seq: Seq::new(1),
            opens: ReplayWindow::new(),
            passive: 0,
            changed: true,
        }
    }

    /// Whether the ways to it changed since this was last asked: see
    /// [`Peers::version`](super::Peers::version).
    pub(super) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// The node: host and boot.
    pub fn node(&self) -> Gpid {
        self.node
    }

    /// The rail with this number, heard or not.
    pub fn rail(&self, rail: RailId) -> &Rail {
        &self.rails[rail]
    }

    /// The rails on which it is heard.
    pub fn heard(&self) -> RailSet {
        self.heard
    }

    /// The rails that are up: on which it is heard and, as far as it has told, hears this node.
    pub fn rails(&self) -> RailSet {
        match self.told {
            Some(told) => self.heard.and(told.rails),
            None => self.heard,
        }
    }

    /// Whether any rail is up.
    pub fn is_up(&self) -> bool {
        !self.rails().is_empty()
    }

    /// Another start takes the place of the present one: nothing of that counts any more.
    pub(super) fn restart(&mut self, now: Instant, node: Gpid, incarnation: u32) {
        let over = Start {
            boot: self.node.boot(),
            incarnation: self.incarnation,
        };
        self.past.add(now, over, self.opens.highest());
        *self = Self {
            incarnation,
            past: self.past.clone(),
            // The next start may hear what was said to this one.
            report: self.report.clone(),
            next_open_seq: self.next_open_seq,
            // They are going to be cut off one by one.
            passive: self.passive,
            ..Self::new(node)
        };
        self.remember();
    }

    /// Takes note of its incarnation.
    pub(super) fn introduce(&mut self, incarnation: u32) {
        if self.incarnation != incarnation {
            self.incarnation = incarnation;
            self.remember();
        }
    }

    /// Has no OPEN be taken anew that the present start sent when it was there before.
    fn remember(&mut self) {
        let (boot, incarnation) = (self.node.boot(), self.incarnation);
        let opened = self.past.opened(Start { boot, incarnation });
        self.opens = ReplayWindow::after(opened);
    }

    /// A frame came from `mac` on a rail. Whether the peer was not heard there before.
    pub(super) fn hear(&mut self, now: Instant, rail: RailId, mac: [u8; 6]) -> bool {
        let is_new = !self.heard.contains(rail);
        let slot = &mut self.rails[rail];
        self.changed |= is_new || slot.mac != mac;
        slot.mac = mac;
        slot.last_heard = now;
        if is_new {
            slot.hello = self.last_hello;
            self.heard.insert(rail);
            self.report.found(now);
        }
        is_new
    }

    /// Whether it may be this start of the host: one that has not told its incarnation may be any of
    /// its boot.
    pub(super) fn is_start(&self, boot: u16, incarnation: u32) -> bool {
        let fits = self.incarnation == incarnation || self.incarnation == 0;
        self.node.boot() == boot && fits
    }

    /// Whether `mac` is of another machine: the peer was heard lately, and never from there.
    pub(super) fn is_another(&self, now: Instant, mac: [u8; 6]) -> bool {
        let is_there = |rail: &Rail| now.saturating_duration_since(rail.last_heard) < RAIL_LIFETIME;
        let mut heard = self.heard.iter().map(|rail| &self.rails[rail]);
        heard.any(is_there) && self.rails.values().iter().all(|rail| rail.mac != mac)
    }

    /// No frame of its counts any more.
    pub(super) fn expel(&mut self) {
        self.changed = true;
        self.heard = RailSet::EMPTY;
    }

    /// Until when [`Peer::next_change`] gives nothing, if nothing but frames comes until then that were
    /// not missed.
    pub(super) fn unchanged_until(&self) -> Option<Instant> {
        let heard = self.heard.iter().map(|rail| &self.rails[rail]);
        let lost = heard.map(|rail| rail.lost_at(self.last_hello)).min();
        let told = self.told.map(|told| told.until);
        lost.into_iter().chain(told).min()
    }

    /// Hello number `seq` came on a rail; the peer says hello on so many. Whether others missed too many.
    pub(super) fn hear_hello(&mut self, seq: Seq, rail: RailId, mtu: u16, announced: u8) -> bool {
        let slot = &mut self.rails[rail];
        self.changed |= slot.mtu != mtu;
        slot.mtu = mtu;
        if seq.is_after(slot.hello) {
            slot.hello = seq;
        }
        if !seq.is_after(self.last_hello) {
            return false;
        }
        self.last_hello = seq;
        self.announced = usize::from(announced);
        let mut heard = self.heard.iter().map(|rail| &self.rails[rail]);
        heard.any(|rail| rail.misses(seq))
    }

    /// The peer says by its report number `seq` that it hears this node on `rails`, which holds for so
    /// long. What changed.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        seq: Seq,
        rails: RailSet,
        valid: Duration,
    ) -> Option<Change> {
        let is_late = !seq.is_after(self.last_report);
        let is_early = |told: Told| now.saturating_duration_since(told.at) < REPORT_GAP;
        if self.told.is_some_and(|told| is_late || is_early(told)) {
            return None;
        }
        let before = self.rails();
        self.last_report = seq;
        self.changed |= self.heard.and(rails) != before;
        self.told = Some(Told {
            rails,
            at: now,
            until: now + valid,
        });
        self.change(before)
    }

    /// What is different from when the rails in `before` were up.
    fn change(&self, before: RailSet) -> Option<Change> {
        let (node, after) = (self.node, self.rails());
        match (before.is_empty(), after.is_empty()) {
            (true, true) => None,
            (false, true) => Some(Change::Down { node }),
            (true, false) => after.first().map(|rail| Change::Up { node, rail }),
            (false, false) => match before.without(after).first() {
                Some(rail) => Some(Change::RailDown { node, rail }),
                None => {
                    let new = after.without(before).first();
                    new.map(|rail| Change::RailUp { node, rail })
                }
            },
        }
    }

    /// Lets go of what has had its time by `now`, one thing after the other: what changed.
    pub(super) fn next_change(&mut self, now: Instant) -> Option<Change> {
        loop {
            let before = self.rails();
            if self.told.take_if(|told| now >= told.until).is_some() {
                self.changed |= self.rails() != before;
            } else {
                let is_lost = |rail: &RailId| now >= self.rails[*rail].lost_at(self.last_hello);
                let lost = self.heard.iter().find(is_lost)?;
                self.heard.remove(lost);
                self.changed = true;
                self.report.lost(now);
            }
            let change = self.change(before);
            if change.is_some() {
                return change;
            }
        }
    }

    /// The report that is due to the peer, and how long it holds, if this node can send on `usable`.
    pub(super) fn poll_report(
        &mut self,
        now: Instant,
        usable: RailSet,
    ) -> Option<(RailSet, Duration)> {
        if !self.report.is_due(now) {
            return None;
        }
        let heard = self.heard;
        let expected = self.announced.min(usable.len());
        let valid = self.report.poll(now, heard.and(usable).len(), expected)?;
        Some((heard, valid))
    }
}
