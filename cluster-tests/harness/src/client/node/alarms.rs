// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults that make a kernel raise an alarm, which is expected then.

use std::time::Duration;

use podos_agent_proto::Exit;

use super::faults::FULL_WITHIN;
use super::Node;
use crate::control::NodeFault;
use crate::error::Result;

/// What a kernel says that was told to panic.
const PANICS: &str = "Kernel panic - not syncing: sysrq triggered crash";

/// What a kernel says that ran out of memory; the process comes after it.
const OUT_OF_MEMORY: &str = "Out of memory: Killed process";

/// The process that takes the memory is the first to be killed. It asks for a little less than
/// there is, which the kernel grants, and more than is free.
const EAT: &str = "echo 1000 > /proc/self/oom_score_adj || exit 1
    total=$(sed -n 's/^MemTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo)
    exec dd if=/dev/zero of=/dev/null count=1 bs=$((total - 1024))k";

/// The name of that process.
const EATER: &str = "(dd)";

/// How long a line may be on its way through the console.
const PRINTED_WITHIN: Duration = Duration::from_secs(30);

impl Node<'_> {
    /// Has its kernel panic, which is an expected alarm; it does not boot anew by itself. Returns
    /// when it is down.
    pub fn panic(&self) -> Result<()> {
        let meant = self.cluster.expect_alarm(self.id, PANICS)?;
        self.inject(NodeFault::Panic)?;
        match meant.seen()?.is_empty() {
            false => Ok(()),
            true => Err(self.missed("kernel panic", "it went down and did not say so")),
        }
    }

    /// Lets a program take all memory until the kernel kills it, an expected alarm. The
    /// node survives that; returns when it did.
    pub fn exhaust_memory(&self) -> Result<()> {
        const FAULT: &str = "end of memory";
        let meant = self.cluster.expect_alarm(self.id, OUT_OF_MEMORY)?;
        self.note("all memory is taken")?;
        let eater = self.command("sh").args(["-c", EAT]);
        let output = eater.limit(FULL_WITHIN).run()?;
        if output.exit != Exit::Signal(libc::SIGKILL as u8) {
            let said = String::from_utf8_lossy(&output.stderr);
            let reason = format!("what was to take it ended with {}: {said}", output.exit);
            return Err(self.missed(FAULT, reason.trim_end()));
        }
        let line = meant.wait(PRINTED_WITHIN)?;
        match line.contains(EATER) {
            true => Ok(()),
            false => Err(self.missed(FAULT, &format!("it hit another process: {line}"))),
        }
    }
}
