// SPDX-License-Identifier: GPL-2.0-only

//! Tracepoints: `/sys/kernel/tracing/events/podos_cm`, see `trace.h`.
//!
//! A tracepoint that is off costs one jump, which is patched out. All may be called from any
//! context.

use kernel::bindings::tracepoint;
use podos_proto::cdt::CdtIndex;
use podos_proto::tgroup::RailId;
use podos_proto::wire::{Class, Header, ResetReason};
use podos_proto::Gpid;

/// For each tracepoint of `trace.h`: its C function, called only while it is on.
///
/// The kernel's own `declare_trace!` finds the C symbols in the bindings, where a module's are not.
macro_rules! tracepoints {
    ($(unsafe fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        kernel::macros::paste! {
            /// What `CREATE_TRACE_POINTS` and `CREATE_RUST_TRACE_POINTS` define.
            mod c {
                use super::tracepoint;

                // Not `expect`: it depends on the kernel's configuration.
                #[allow(improper_ctypes, reason = "a structure without fields, behind a pointer")]
                extern "C" {
                    $(
                        pub(super) static [<__tracepoint_ $name>]: tracepoint;
                        pub(super) fn [<rust_do_trace_ $name>]($($arg: $type),*);
                    )*
                }
            }

            $(
                /// Whether the tracepoint is on.
                #[inline(always)]
                fn [<$name _is_on>]() -> bool {
                    // SAFETY: The static is a tracepoint, defined by C.
                    unsafe {
                        kernel::jump_label::static_branch_unlikely!(
                            c::[<__tracepoint_ $name>],
                            tracepoint,
                            key
                        )
                    }
                }

                /// Hits the tracepoint, for a case that was found to be on.
                ///
                /// # Safety
                ///
                /// The arguments are as `trace.h` wants them.
                #[cold]
                unsafe fn $name($($arg: $type),*) {
                    // SAFETY: By the safety requirement.
                    unsafe { c::[<rust_do_trace_ $name>]($($arg),*) };
                }
            )*
        }
    };
}

tracepoints! {
    unsafe fn podos_circuit_open(remote: u64, index: u32, class: u32);
    unsafe fn podos_circuit_accept(remote: u64, index: u32, class: u32);
    unsafe fn podos_circuit_close(remote: u64, index: u32, class: u32);
    unsafe fn podos_circuit_reset(
        remote: u64, index: u32, class: u32, reason: *const u8, reason_len: usize
    );
    unsafe fn podos_segment_sent(remote: u64, index: u32, rail: u32, seq: u32, len: u32);
    unsafe fn podos_segment_retransmitted(remote: u64, index: u32, rail: u32, seq: u32, len: u32);
    unsafe fn podos_segment_received(remote: u64, index: u32, rail: u32, seq: u32, len: u32);
    unsafe fn podos_rail_up(node: u64, rail: u32);
    unsafe fn podos_rail_down(node: u64, rail: u32);
    unsafe fn podos_peer_up(node: u64);
    unsafe fn podos_peer_down(node: u64);
    unsafe fn podos_frame_dropped(rail: u32, reason: *const u8, reason_len: usize);
}

/// A circuit, as its events name it.
pub(crate) struct TracedCircuit {
    /// The process or node at the other end.
    pub(crate) remote: Gpid,
    /// This end's index.
    pub(crate) index: CdtIndex,
    /// The layer.
    pub(crate) class: Class,
}

/// A segment, or a piece of one, as its events name it.
pub(crate) struct TracedSegment<'a> {
    /// The process or node at the other end.
    pub(crate) remote: Gpid,
    /// This end's index of the circuit.
    pub(crate) index: CdtIndex,
    /// The rail it takes.
    pub(crate) rail: RailId,
    /// The frame's header.
    pub(crate) header: &'a Header,
}

/// A circuit was made by a user at this end.
#[inline]
pub(crate) fn circuit_opened(circuit: impl FnOnce() -> TracedCircuit) {
    if podos_circuit_open_is_on() {
        let c = circuit();
        // SAFETY: Numbers.
        unsafe { podos_circuit_open(c.remote.raw(), c.index.raw(), c.class as u32) }
    }
}

/// A circuit was made for another node's open.
#[inline]
pub(crate) fn circuit_accepted(circuit: impl FnOnce() -> TracedCircuit) {
    if podos_circuit_accept_is_on() {
        let c = circuit();
        // SAFETY: Numbers.
        unsafe { podos_circuit_accept(c.remote.raw(), c.index.raw(), c.class as u32) }
    }
}

/// A circuit's entry was given back. The circuit broke if there is a reason.
#[inline]
pub(crate) fn circuit_ended(circuit: impl FnOnce() -> (TracedCircuit, Option<ResetReason>)) {
    if !podos_circuit_close_is_on() && !podos_circuit_reset_is_on() {
        return;
    }
    let (c, reason) = circuit();
    let (remote, index, class) = (c.remote.raw(), c.index.raw(), c.class as u32);
    match reason {
        None if podos_circuit_close_is_on() => {
            // SAFETY: Numbers.
            unsafe { podos_circuit_close(remote, index, class) }
        }
        Some(reason) if podos_circuit_reset_is_on() => {
            let name = name_of(reason);
            // SAFETY: The name has so many bytes.
            unsafe { podos_circuit_reset(remote, index, class, name.as_ptr(), name.len()) }
        }
        _ => {}
    }
}

/// A segment goes out, for the first time or again.
#[inline]
pub(crate) fn segment_sent(segment: TracedSegment<'_>, again: bool) {
    if again {
        if podos_segment_retransmitted_is_on() {
            let (remote, index, rail, seq, len) = segment.numbers();
            // SAFETY: Numbers.
            unsafe { podos_segment_retransmitted(remote, index, rail, seq, len) }
        }
    } else if podos_segment_sent_is_on() {
        let (remote, index, rail, seq, len) = segment.numbers();
        // SAFETY: Numbers.
        unsafe { podos_segment_sent(remote, index, rail, seq, len) }
    }
}

/// A segment came; not necessarily a new one.
#[inline]
pub(crate) fn segment_received(segment: TracedSegment<'_>) {
    if podos_segment_received_is_on() {
        let (remote, index, rail, seq, len) = segment.numbers();
        // SAFETY: Numbers.
        unsafe { podos_segment_received(remote, index, rail, seq, len) }
    }
}

impl TracedSegment<'_> {
    fn numbers(&self) -> (u64, u32, u32, u32, u32) {
        (
            self.remote.raw(),
            self.index.raw(),
            self.rail as u32,
            self.header.seq,
            self.header.len.into(),
        )
    }
}

/// A node is heard on a rail, or no more.
#[inline]
pub(crate) fn rail(node: Gpid, rail: RailId, up: bool) {
    if up && podos_rail_up_is_on() {
        // SAFETY: Numbers.
        unsafe { podos_rail_up(node.raw(), rail as u32) }
    } else if !up && podos_rail_down_is_on() {
        // SAFETY: Numbers.
        unsafe { podos_rail_down(node.raw(), rail as u32) }
    }
}

/// A node came or went.
#[inline]
pub(crate) fn peer(node: Gpid, up: bool) {
    if up && podos_peer_up_is_on() {
        // SAFETY: A number.
        unsafe { podos_peer_up(node.raw()) }
    } else if !up && podos_peer_down_is_on() {
        // SAFETY: A number.
        unsafe { podos_peer_down(node.raw()) }
    }
}

/// A received frame was thrown away.
#[inline]
pub(crate) fn dropped(rail: RailId, reason: impl FnOnce() -> &'static str) {
    if podos_frame_dropped_is_on() {
        let reason = reason();
        // SAFETY: The reason has so many bytes.
        unsafe { podos_frame_dropped(rail as u32, reason.as_ptr(), reason.len()) }
    }
}

fn name_of(reason: ResetReason) -> &'static str {
    match reason {
        ResetReason::NoCircuit => "no_circuit",
        ResetReason::Refused => "refused",
        ResetReason::Full => "full",
        ResetReason::Aborted => "aborted",
        ResetReason::Protocol => "protocol",
        ResetReason::TimedOut => "timed_out",
        ResetReason::PeerDown => "peer_down",
    }
}
