// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lines on a console that end a test as failed, whatever else it shows.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What comes before some reports, whichever they are.
const HEADER: &str = "------------[ cut here ]------------";

/// What kernels print when something is wrong, as parts of a line.
const SIGNS: &[&str] = &[
    "Kernel panic - not syncing",
    "Oops:",
    "BUG:",
    "kernel BUG at",
    HEADER,
    // WARN() itself, and most of lockdep's reports.
    "WARNING: ",
    // Of the allocator, which puts no colon there.
    "] BUG ",
    "[ BUG:",
    "INFO: possible ",
    "INFO: task ",
    "INFO: trying to register non-static key",
    "detected stall",
    "detected expedited stall",
    "self-detected stall",
    "rcu_preempt kthread starved",
    "rcu_sched kthread starved",
    "soft lockup",
    "hard LOCKUP",
    "general protection fault",
    "stack guard page was hit",
    "double fault",
    "unable to handle",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "scheduling while atomic",
    "UBSAN:",
    "kmemleak:",
    "rust_kernel: panicked",
    "Out of memory: Killed process",
    "unregister_netdevice: waiting for",
];

/// Lines that hold a sign without being an alarm.
const HARMLESS: &[&str] = &[
    "kmemleak: Kernel memory leak detector",
    "kmemleak: Automatic memory",
];

/// True for a console line that is an alarm.
pub(crate) fn is_alarm(line: &str) -> bool {
    SIGNS.iter().any(|sign| line.contains(sign)) && !HARMLESS.iter().any(|ok| line.contains(ok))
}

/// True for a line that only says that a report follows.
pub(crate) fn is_header(line: &str) -> bool {
    line.contains(HEADER)
}

/// One alarm of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The node whose kernel raised it.
    pub node: String,
    /// The line that told.
    pub line: String,
    /// The console's file.
    #[serde(with = "crate::paths")]
    pub console: PathBuf,
    /// The console's last lines when the alarm was looked at.
    pub tail: Vec<String>,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alarm of the kernel of {}: {}", self.node, self.line)?;
        write!(f, "\nlast lines of {}:", self.console.display())?;
        self.tail
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_of_kernels_are_known() {
        for line in [
            "[    1.5] Kernel panic - not syncing: Attempted to kill init!",
            "~ # [    3.1] BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "[    3.1] Oops: Oops: 0000 [#1] SMP",
            "[    3.1] WARNING: possible circular locking dependency detected",
            "[    3.1] WARNING: suspicious RCU usage",
            "[    3.1] WARNING: CPU: 0 PID: 1 at fs/inode.c:417 drop_nlink+0x33/0x40",
            "[    3.1] WARNING: fs/inode.c:417 at drop_nlink+0x33/0x40, CPU#0: init/1",
            "[    3.1] WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
            "[    3.1] BUG kmalloc-64 (Not tainted): Right Redzone overwritten",
            "[   60.0] rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 0-... }",
            "[    3.1] ------------[ cut here ]------------",
            "[   60.0] rcu: INFO: rcu_sched self-detected stall on CPU",
            "[  120.0] INFO: task podosd:61 blocked for more than 120 seconds.",
            "[    3.1] BUG: KASAN: slab-use-after-free in foo+0x1/0x2",
            "[    3.1] DEBUG_LOCKS_WARN_ON: [ BUG: Invalid wait context ]",
        ] {
            assert!(is_alarm(line), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_none() {
        for line in [
            "[    0.0] Linux version 7.3.4",
            "[    0.0] DEBUG_PAGEALLOC enabled",
            "[    0.1] RAS: Correctable Errors collector initialized.",
            "[    0.1] printk: debug: ignoring loglevel setting.",
            "[    1.0] podos_cm: node 1 up",
            "podos-init: open module /lib/modules/podos/podos_cm.ko: No such file",
        ] {
            assert!(!is_alarm(line), "{line}");
        }
    }
}
