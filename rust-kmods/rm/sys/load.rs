// SPDX-License-Identifier: GPL-2.0-only

//! Tasks, processors and their load.

use core::ptr;
use core::time::Duration;
use kernel::bindings;
use kernel::prelude::*;

/// What the scheduler counts.
pub(crate) struct Load {
    /// Tasks that run or wait for a processor.
    pub(crate) running: u32,
    /// Tasks.
    pub(crate) tasks: u32,
    /// Load averages over 1, 5 and 15 minutes, with 11 fraction bits.
    pub(crate) averages: [u32; 3],
    /// Time for which the processors were idle, summed over them.
    pub(crate) idle: Duration,
    /// Processors.
    pub(crate) cpus: u16,
}

impl Load {
    /// The figures now.
    pub(crate) fn now() -> Self {
        let averages = (&raw const bindings::avenrun).cast::<c_ulong>();
        let average = |i: usize| {
            // SAFETY: `avenrun` has three elements, of which each is written at once.
            let fixed = unsafe { averages.add(i).read_volatile() };
            u32::try_from(fixed).unwrap_or(u32::MAX)
        };
        // SAFETY: `nr_threads` is there as long as the kernel and written at once.
        let tasks = unsafe { ptr::read_volatile(&raw const bindings::nr_threads) };
        let (idle, cpus) = idle_time();
        Self {
            // SAFETY: Plain FFI call.
            running: unsafe { bindings::nr_running() },
            tasks: u32::try_from(tasks).unwrap_or(0),
            averages: [average(0), average(1), average(2)],
            idle,
            cpus,
        }
    }
}

/// Idle time since boot over all processors, and how many these are.
fn idle_time() -> (Duration, u16) {
    let (mut nanos, mut cpus) = (0u64, 0u16);
    for cpu in 0..kernel::cpu::nr_cpu_ids() {
        // SAFETY: Plain FFI call; `cpu` is below `nr_cpu_ids`.
        if unsafe { bindings::cpu_possible(cpu) } {
            // SAFETY: The processor is possible, so it has its statistics.
            let idle = unsafe { bindings::kcpustat_idle(cpu as c_int) };
            nanos = nanos.saturating_add(idle);
            cpus = cpus.saturating_add(1);
        }
    }
    (Duration::from_nanos(nanos), cpus)
}
