// SPDX-License-Identifier: GPL-2.0-only

//! GPIDs as the kernel keeps them.

use kernel::bindings;
use kernel::task::Task;
use podos_proto::Gpid;

/// Host id and boot sequence of this node; all zeroes while they are not set.
pub(crate) fn node_gpid() -> Gpid {
    // SAFETY: Plain FFI call.
    Gpid::from_raw(unsafe { bindings::gpid_node_base() })
}

/// The GPID of the current task.
pub(crate) fn current_gpid() -> Gpid {
    // SAFETY: The current task is valid; its GPID is written before it first runs, and once more
    // when the node is named.
    Gpid::from_raw(unsafe { core::ptr::read_volatile(&raw const (*Task::current_raw()).gpid) })
}
