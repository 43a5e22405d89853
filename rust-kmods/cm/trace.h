/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Communication Manager's tracepoints: /sys/kernel/tracing/events/podos_cm.
 *
 * Called from Rust (sys/trace.rs). Gpids are shown as 16 digits: host id, boot
 * sequence, process id. Indices are those of this node's CDT, or of the end
 * that the name says, with their generation.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM podos_cm

#if !defined(_PODOS_CM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PODOS_CM_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

DECLARE_EVENT_CLASS(podos_circuit,
	TP_PROTO(u64 remote, u32 index, u32 class),
	TP_ARGS(remote, index, class),
	TP_STRUCT__entry(
		__field(u64, remote)
		__field(u32, index)
		__field(u32, class)
	),
	TP_fast_assign(
		__entry->remote = remote;
		__entry->index = index;
		__entry->class = class;
	),
	TP_printk("remote=%016llx index=%08x class=%u",
		  __entry->remote, __entry->index, __entry->class)
);

DEFINE_EVENT(podos_circuit, podos_circuit_open,
	TP_PROTO(u64 remote, u32 index, u32 class),
	TP_ARGS(remote, index, class));

DEFINE_EVENT(podos_circuit, podos_circuit_accept,
	TP_PROTO(u64 remote, u32 index, u32 class),
	TP_ARGS(remote, index, class));

/* Both streams have come to their end. */
DEFINE_EVENT(podos_circuit, podos_circuit_close,
	TP_PROTO(u64 remote, u32 index, u32 class),
	TP_ARGS(remote, index, class));

/* The circuit broke, at this end or the other one. */
TRACE_EVENT(podos_circuit_reset,
	TP_PROTO(u64 remote, u32 index, u32 class, const u8 *reason, size_t reason_len),
	TP_ARGS(remote, index, class, reason, reason_len),
	TP_STRUCT__entry(
		__field(u64, remote)
		__field(u32, index)
		__field(u32, class)
		__string_len(reason, reason, reason_len)
	),
	TP_fast_assign(
		__entry->remote = remote;
		__entry->index = index;
		__entry->class = class;
		__assign_str(reason);
	),
	TP_printk("remote=%016llx index=%08x class=%u reason=%s",
		  __entry->remote, __entry->index, __entry->class, __get_str(reason))
);

DECLARE_EVENT_CLASS(podos_segment,
	TP_PROTO(u64 remote, u32 index, u32 rail, u32 seq, u32 len),
	TP_ARGS(remote, index, rail, seq, len),
	TP_STRUCT__entry(
		__field(u64, remote)
		__field(u32, index)
		__field(u32, rail)
		__field(u32, seq)
		__field(u32, len)
	),
	TP_fast_assign(
		__entry->remote = remote;
		__entry->index = index;
		__entry->rail = rail;
		__entry->seq = seq;
		__entry->len = len;
	),
	TP_printk("remote=%016llx index=%08x rail=%u seq=%u len=%u",
		  __entry->remote, __entry->index, __entry->rail, __entry->seq,
		  __entry->len)
);

DEFINE_EVENT(podos_segment, podos_segment_sent,
	TP_PROTO(u64 remote, u32 index, u32 rail, u32 seq, u32 len),
	TP_ARGS(remote, index, rail, seq, len));

DEFINE_EVENT(podos_segment, podos_segment_retransmitted,
	TP_PROTO(u64 remote, u32 index, u32 rail, u32 seq, u32 len),
	TP_ARGS(remote, index, rail, seq, len));

/* A frame of data came for the circuit, whether it was new or not. */
DEFINE_EVENT(podos_segment, podos_segment_received,
	TP_PROTO(u64 remote, u32 index, u32 rail, u32 seq, u32 len),
	TP_ARGS(remote, index, rail, seq, len));

DECLARE_EVENT_CLASS(podos_rail,
	TP_PROTO(u64 node, u32 rail),
	TP_ARGS(node, rail),
	TP_STRUCT__entry(
		__field(u64, node)
		__field(u32, rail)
	),
	TP_fast_assign(
		__entry->node = node;
		__entry->rail = rail;
	),
	TP_printk("node=%016llx rail=%u", __entry->node, __entry->rail)
);

/* A node is heard on a rail again. */
DEFINE_EVENT(podos_rail, podos_rail_up,
	TP_PROTO(u64 node, u32 rail),
	TP_ARGS(node, rail));

DEFINE_EVENT(podos_rail, podos_rail_down,
	TP_PROTO(u64 node, u32 rail),
	TP_ARGS(node, rail));

DECLARE_EVENT_CLASS(podos_peer,
	TP_PROTO(u64 node),
	TP_ARGS(node),
	TP_STRUCT__entry(
		__field(u64, node)
	),
	TP_fast_assign(
		__entry->node = node;
	),
	TP_printk("node=%016llx", __entry->node)
);

DEFINE_EVENT(podos_peer, podos_peer_up, TP_PROTO(u64 node), TP_ARGS(node));

DEFINE_EVENT(podos_peer, podos_peer_down, TP_PROTO(u64 node), TP_ARGS(node));

/* The reasons are those of /sys/kernel/podos/cm/drops. */
TRACE_EVENT(podos_frame_dropped,
	TP_PROTO(u32 rail, const u8 *reason, size_t reason_len),
	TP_ARGS(rail, reason, reason_len),
	TP_STRUCT__entry(
		__field(u32, rail)
		__string_len(reason, reason, reason_len)
	),
	TP_fast_assign(
		__entry->rail = rail;
		__assign_str(reason);
	),
	TP_printk("rail=%u reason=%s", __entry->rail, __get_str(reason))
);

#endif /* _PODOS_CM_TRACE_H */

/* This part must be outside protection. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
