// SPDX-License-Identifier: GPL-2.0-only

//! The resource limits of a process.

use kernel::bindings;
use kernel::prelude::*;
use podos_proto::gipc::{Limit, LIMITS};

const _: () = assert!(LIMITS == bindings::RLIM_NLIMITS as usize);

/// Calls `f` with the current process's limits, while nobody else changes them.
fn with_own<T>(f: impl FnOnce(&mut [bindings::rlimit; LIMITS]) -> T) -> T {
    // SAFETY: The current task is valid, and so are its leader and what its threads share, as long
    // as it runs. The leader's `alloc_lock` is what `prlimit(2)` holds when it looks at the limits
    // or changes them; `f` does not sleep.
    unsafe {
        let current = bindings::get_current();
        let lock = &raw mut (*(*current).group_leader).alloc_lock;
        bindings::spin_lock(lock);
        let result = f(&mut (*(*current).signal).rlim);
        bindings::spin_unlock(lock);
        result
    }
}

/// The current process's limits, as they travel.
pub(crate) fn of_caller() -> [Limit; LIMITS] {
    let own = with_own(|limits| *limits);
    own.map(|limit| Limit {
        soft: (limit.rlim_cur as u64).into(),
        hard: (limit.rlim_max as u64).into(),
    })
}

/// Gives the current process, which has no timers yet, limits that have travelled.
pub(super) fn set_own(limits: &[Limit; LIMITS]) {
    let limits = limits.map(|limit| bindings::rlimit {
        rlim_cur: limit.soft.get() as c_ulong,
        rlim_max: limit.hard.get() as c_ulong,
    });
    with_own(|own| *own = limits);
}

/// One of the current process's limits, by its number.
pub(super) fn own(resource: usize) -> u64 {
    with_own(|limits| {
        limits
            .get(resource)
            .map_or(0, |limit| limit.rlim_cur as u64)
    })
}
