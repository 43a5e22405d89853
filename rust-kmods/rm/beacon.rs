// SPDX-License-Identifier: GPL-2.0-only

//! This node's own entry of table 5.

use core::time::Duration;
use podos_proto::rm::{Beacon, BEACON_INTERVAL, HOSTNAME_LEN, LOADAVG_SHIFT};
use podos_proto::Seq;
use podos_sys::Memory;
use zerocopy::big_endian::{U16, U32, U64};

use crate::sys::{self, Load};

/// Milliseconds, by 64-bit arithmetic: the kernel can't divide 128 bits.
pub(crate) fn millis(duration: Duration) -> u64 {
    let subsec = u64::from(duration.subsec_millis());
    duration
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(subsec)
}

/// The beacon that tells this node's state, as the one of this number.
pub(crate) fn gather(seq: Seq) -> Beacon {
    let load = Load::now();
    let memory = Memory::now();
    let momentary = load.running.saturating_mul(1 << LOADAVG_SHIFT);
    let [one, five, fifteen] = load.averages.map(U32::new);
    let mut beacon = Beacon {
        seq: U32::new(seq.raw()),
        cpus: U16::new(load.cpus),
        nr_running: U32::new(load.running),
        nr_tasks: U32::new(load.tasks),
        loadavg: [one, five, fifteen, U32::new(momentary)],
        interval_ms: U32::new(BEACON_INTERVAL.subsec_millis()),
        idle_time_ms: U64::new(millis(load.idle)),
        mem_free: U64::new(memory.free),
        mem_total: U64::new(memory.total),
        uptime_ms: U64::new(millis(sys::uptime())),
        ..Beacon::default()
    };
    let mut name = [0; HOSTNAME_LEN];
    let len = sys::copy_host_name(&mut name);
    beacon.set_hostname(name.get(..len).unwrap_or(&[]));
    let interfaces = podos_cm::interfaces();
    beacon.set_interfaces(interfaces.values().iter().flatten().copied());
    beacon
}
