// SPDX-License-Identifier: GPL-2.0-only

//! One circuit of this node: a CDT entry (paper, Table 2) and those who wait for it.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_proto::alarm::{Alarm, Change};
use podos_proto::cdt::CdtIndex;
use podos_proto::circuit::{Activity, Circuit};
use podos_proto::endpoint::{self, Dropped, Unwanted};
use podos_proto::tgroup::{RailId, RailView};
use podos_proto::time::Instant;
use podos_proto::wire::{Class, Header, Kind, ResetReason};
use podos_proto::Gpid;
use podos_sys::WaitQueue;

use crate::callback::Callback;
use crate::node::{Node, NODE};
use crate::route::Route;
use crate::share::{Pool, Share};
use crate::sys::trace::{self, TracedCircuit, TracedSegment};
use crate::sys::{Expire, Publish, Retirement, SegmentData, SkbQueue, Timer, JIFFY};
use crate::transmit;
use crate::visit::Visit;

/// [`Entry::held`]: the table still has it.
const IN_TABLE: u8 = 1;
/// [`Entry::held`]: a handle still reads from the circuit.
const OWNED: u8 = 2;

/// A circuit in the CDT.
#[pin_data]
pub(crate) struct Entry {
    index: CdtIndex,
    peer: Gpid,
    /// Whether the other node opened it.
    passive: bool,
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    waiters: WaitQueue,
    #[pin]
    callback: Callback,
    /// Runs out at the circuit's deadline, or before. Armed and cancelled under `state`'s lock.
    #[pin]
    timer: Timer<Entry>,
    /// Who counts it as something of the circuit: [`IN_TABLE`], [`OWNED`].
    held: AtomicU8,
    #[pin]
    retirement: Retirement<Entry>,
    /// [`Circuit::is_readable`], for those who don't want the lock; written under it.
    readable: AtomicBool,
}

/// What the lock protects.
struct State {
    circuit: Circuit<SegmentData>,
    /// When the timer runs out.
    alarm: Alarm,
    route: Route,
    /// Whose the circuit is: as long as there is anything left of it.
    share: Share,
}

impl Entry {
    /// An entry for `circuit`, whose local index is `index` and whose other end is on `peer`; `share`
    /// says whose it is.
    pub(crate) fn new(
        index: CdtIndex,
        peer: Gpid,
        circuit: Circuit<SegmentData>,
        share: Share,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            index,
            peer,
            passive: !circuit.is_active(),
            state <- {
                let state = State { circuit, alarm: Alarm::new(JIFFY), route: Route::new(), share };
                new_spinlock_irq!(state, "podos_circuit")
            },
            waiters <- WaitQueue::new(c"podos_circuit", kernel::static_lock_class!()),
            callback <- Callback::new(),
            timer <- Timer::new(c"podos_circuit_timer", kernel::static_lock_class!()),
            held: AtomicU8::new(IN_TABLE | OWNED),
            retirement <- Retirement::new(),
            readable: AtomicBool::new(false),
        })
    }

    pub(crate) fn index(&self) -> CdtIndex {
        self.index
    }

    /// The node at the other end; process id 0.
    pub(crate) fn peer(&self) -> Gpid {
        self.peer
    }

    pub(crate) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    pub(crate) fn callback(&self) -> &Callback {
        &self.callback
    }

    /// Whether whoever receives learns something now.
    #[inline]
    pub(crate) fn readable(&self) -> bool {
        self.readable.load(Ordering::Acquire)
    }

    fn note_readable(&self, circuit: &Circuit<SegmentData>) {
        self.readable
            .store(circuit.is_readable(), Ordering::Release);
    }

    /// Lets `take` receive from the circuit, and sends what the circuit has to send after that: the news
    /// that there is room again, if anything. Context: as [`Entry::drive`].
    pub(crate) fn receive_with<R>(
        self: &Arc<Self>,
        node: &Node,
        take: impl FnOnce(&mut Circuit<SegmentData>) -> R,
    ) -> R {
        let result = {
            let circuit = &mut self.state.lock().circuit;
            let result = take(circuit);
            self.note_readable(circuit);
            if !circuit.wants_to_transmit_after_recv() {
                // Nor is anything due that was not before, or over.
                return result;
            }
            result
        };
        self.drive(node, |_| ());
        result
    }

    /// Reads the circuit, for conditions.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&Circuit<SegmentData>) -> R) -> R {
        look(&self.state.lock().circuit)
    }

    /// Counts the circuit as `uid`'s from now on. Context: any.
    ///
    /// # Errors
    ///
    /// Those of [`Shares::charge`](crate::share::Shares::charge); the circuit stays whose it was.
    pub(crate) fn charge(&self, node: &Node, uid: u32) -> Result {
        let pool = {
            let state = self.state.lock();
            if state.share.is_of(uid) {
                return Ok(());
            }
            match state.circuit.is_active() {
                true => Pool::Opened,
                false => Pool::Served,
            }
        };
        let share = node.shares().charge(pool, uid)?;
        let former = core::mem::replace(&mut self.state.lock().share, share);
        drop(former);
        Ok(())
    }

    /// Bytes of data that a segment should have now; 0 if no rail works.
    pub(crate) fn segment_room(&self, node: &Node) -> usize {
        let mut state = self.state.lock();
        let State { circuit, route, .. } = &mut *state;
        circuit.segment_room(self.rails(node, circuit, route))
    }

    /// Lets `change` work on the circuit and sends what the circuit has to send after that.
    ///
    /// Context: any in which interrupts are enabled; does not sleep.
    pub(crate) fn drive<R>(
        self: &Arc<Self>,
        node: &Node,
        change: impl FnOnce(&mut Circuit<SegmentData>) -> R,
    ) -> R {
        self.drive_in(&Visit::of(node), change)
    }

    /// The same, in a visit that has begun.
    fn drive_in<R>(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        change: impl FnOnce(&mut Circuit<SegmentData>) -> R,
    ) -> R {
        let mut frames = SkbQueue::new();
        let (result, done) = {
            let mut state = self.state.lock();
            let State {
                circuit,
                alarm,
                route,
                ..
            } = &mut *state;
            let result = change(circuit);
            if circuit.wants_to_transmit() {
                self.fetch(visit, circuit, route, &mut frames);
            }
            self.note_readable(circuit);
            let done = circuit.is_done();
            // The timer that runs out soon has a look at what has come up since it was armed.
            if done || !alarm.is_near(visit.now(), circuit.least_delay()) {
                self.set_timer(visit, alarm, circuit.deadline());
            }
            let finished = circuit.reset_reason().is_none();
            (result, done.then_some(finished))
        };
        while let Some((rail, frame)) = frames.pop() {
            visit.transmit_to(self.peer.host(), rail, frame);
        }
        if let Some(finished) = done {
            if visit.table().remove(self.index, finished) && self.passive {
                endpoint::passive_ended(&mut Visit::of(visit.node()), self.peer);
            }
        }
        result
    }

    /// The rails to the other end, as the circuit is to see them now.
    fn rails<'a>(
        &self,
        node: &Node,
        circuit: &Circuit<SegmentData>,
        route: &'a mut Route,
    ) -> &'a RailView {
        if circuit.group().weighs_rails() {
            route.forget();
        }
        route.follow(node, self.peer.host());
        route.view()
    }

    /// Appends what the circuit has to send now.
    fn fetch(
        &self,
        visit: &Visit<'_>,
        circuit: &mut Circuit<SegmentData>,
        route: &mut Route,
        frames: &mut SkbQueue,
    ) {
        let now = visit.now();
        self.rails(visit, circuit, route);
        while let Some(out) = circuit.poll_transmit(now, route.view()) {
            let more = out.more;
            if out.header.kind == Kind::Data {
                let segment = TracedSegment {
                    remote: out.header.to,
                    index: self.index,
                    rail: out.rail,
                    header: &out.header,
                };
                trace::segment_sent(segment, out.again);
            }
            // A frame that finds no memory is as good as lost: it will be sent again.
            let to = route.addresses()[out.rail];
            if let Ok(frame) = transmit::frame(to, &out.header, out.payload) {
                frames.push(out.rail, frame);
            }
            if !more {
                break;
            }
        }
    }

    /// Lets the circuit see that the rails to the other end changed.
    pub(crate) fn reroute(self: &Arc<Self>, node: &Node) {
        self.drive(node, Circuit::reroute);
    }

    /// Has the timer run out at `deadline`, or before.
    fn set_timer(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        alarm: &mut Alarm,
        deadline: Option<Instant>,
    ) {
        match alarm.follow(visit.now(), deadline) {
            Change::Leave => {}
            Change::Arm(delay) => self.timer.arm(self, delay),
            // Also if it does not seem to be armed: it may have been, after it ran out and before
            // `expire` came to take note of that. Nobody would stop it but the module's end, which
            // looks in the table only.
            Change::Cancel => self.timer.cancel(),
        }
    }

    /// As [`Entry::drive`], and tells those who wait, and the handler, if `change` says that there is
    /// news for them.
    fn drive_and_wake(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        change: impl FnOnce(&mut Circuit<SegmentData>) -> Activity,
    ) {
        if self.drive_in(visit, change).is_some() {
            self.waiters.wake_all();
            self.callback.call(self);
        }
    }

    /// Takes a frame in. Context: softirq.
    pub(crate) fn receive(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        rail: RailId,
        header: &Header,
        mut payload: SegmentData,
    ) {
        if header.kind == Kind::Data {
            trace::segment_received(TracedSegment {
                remote: header.from,
                index: self.index,
                rail,
                header,
            });
        }
        let owned = self.held.load(Ordering::Acquire) & OWNED != 0;
        let (mut round_trip, mut refused) = (None, false);
        let now = visit.now();
        self.drive_and_wake(visit, |circuit| {
            let (limit, needed) = (visit.kept_limit(), circuit.needs(header));
            if !payload.keep(limit, self.peer.host(), needed) {
                // As good as lost, with all that it says.
                refused = true;
                return Activity::NONE;
            }
            let activity = circuit.receive(now, rail, header, payload);
            round_trip = circuit.take_rtt_sample();
            if !owned {
                discard(circuit);
            }
            activity
        });
        if refused {
            let why = Dropped::Unwanted(Unwanted::Kept);
            visit.counters.dropped(rail, why);
        }
        if let Some((rail, rtt)) = round_trip {
            visit.peers().note_rtt(self.peer.host(), rail, rtt);
        }
    }

    /// What is to be told of the circuit when it has left the table: who it was, and why it broke.
    pub(crate) fn epitaph(&self) -> (TracedCircuit, Option<ResetReason>) {
        let circuit = &self.state.lock().circuit;
        let traced = TracedCircuit {
            remote: circuit.remote(),
            index: self.index,
            class: circuit.class(),
        };
        (traced, circuit.reset_reason())
    }

    /// Has the timer do nothing more. For the end of the module, when nobody drives the circuit but
    /// the timer itself. Context: process.
    pub(crate) fn stop(&self) {
        self.timer.cancel_and_wait();
    }

    /// Breaks the circuit at both ends.
    pub(crate) fn abort(self: &Arc<Self>, node: &Node) {
        self.abort_because(node, ResetReason::Aborted);
    }

    /// Breaks the circuit at both ends, and has the other one told why.
    pub(crate) fn abort_because(self: &Arc<Self>, node: &Node, reason: ResetReason) {
        if matches!(reason, ResetReason::Refused | ResetReason::Full) {
            let open_seq = self.peek(|circuit| circuit.open_seq());
            endpoint::refused(&mut Visit::of(node), self.peer, open_seq, reason);
        }
        self.drive_and_wake(&Visit::of(node), |circuit| {
            circuit.abort(reason);
            Activity::ALL
        });
    }

    /// Breaks the circuit at this end; the other one is gone.
    pub(crate) fn fail(self: &Arc<Self>, node: &Node, reason: ResetReason) {
        self.drive_and_wake(&Visit::of(node), |circuit| circuit.fail(reason));
    }

    /// Finishes the circuit on behalf of nobody: what still arrives is thrown away.
    pub(crate) fn disown(self: &Arc<Self>, node: &Node) {
        self.let_go(OWNED);
        self.drive(node, |circuit| {
            circuit.shutdown();
            discard(circuit);
        });
    }

    /// Takes note that the table has it no more.
    pub(crate) fn left_table(&self) {
        self.let_go(IN_TABLE);
    }

    /// Whoever is the last to hold the circuit gives it back to the share of its user: a reference may
    /// stay for longer.
    fn let_go(&self, holder: u8) {
        if self.held.fetch_and(!holder, Ordering::AcqRel) == holder {
            let share = core::mem::replace(&mut self.state.lock().share, Share::NONE);
            drop(share);
        }
    }

    /// Whether this is the passive end of a circuit of `class`.
    pub(crate) fn is_passive_of(&self, class: Class) -> bool {
        self.peek(|circuit| !circuit.is_active() && circuit.class() == class)
    }
}

impl Publish for Entry {
    fn retirement(&self) -> &Retirement<Self> {
        &self.retirement
    }
}

impl Expire for Entry {
    /// Lets the circuit do what is due.
    fn expire(self: Arc<Self>) {
        // The module's end stops the timers first.
        let Ok(node) = NODE.get() else {
            return;
        };
        let visit = Visit::of(node);
        let now = visit.now();
        self.state.lock().alarm.ran_out();
        self.drive_and_wake(&visit, |circuit| circuit.on_timeout(now));
    }
}

/// Throws away what nobody will read, so that the other end is not kept waiting for room.
fn discard(circuit: &mut Circuit<SegmentData>) {
    while circuit.recv().is_some() {}
}
