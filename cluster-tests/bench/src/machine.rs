// SPDX-License-Identifier: MIT OR Apache-2.0

//! The machine that a bench runs on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What of a machine makes its numbers what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// The host's kernel.
    pub kernel: String,
    /// What runs the nodes: `tcg` or `kvm`.
    pub accelerator: String,
    /// Processes that ran or wanted to in the minute before: more than none of them ours disturb.
    pub load: String,
}

impl Machine {
    /// This machine, whose nodes run on `accelerator`.
    pub fn here(accelerator: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let load = read("/proc/loadavg");
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory.unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            accelerator: accelerator.to_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// The versions of what runs on the host: the checkout, as we were told it, and QEMU.
pub fn versions(podos: &str) -> BTreeMap<String, String> {
    let first_line = |command: &mut Command| {
        let output = command.output().ok().filter(|out| out.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout);
        Some(text.lines().next()?.trim().to_owned())
    };
    let qemu = first_line(Command::new("qemu-system-x86_64").arg("--version"));
    let qemu = qemu.and_then(|line| Some(line.split_once("version ")?.1.to_owned()));
    [("podos", Some(podos.to_owned())), ("qemu", qemu)]
        .map(|(name, version)| (name.into(), version.unwrap_or_else(unknown)))
        .into()
}

/// The value of a line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value)
    })?;
    Some(line.trim().to_owned())
}

fn unknown() -> String {
    "unknown".into()
}

#[cfg(test)]
impl Machine {
    /// One for tests.
    pub fn example() -> Self {
        Self {
            processor: "Example 3000".into(),
            cores: 2,
            memory_mib: 1024,
            kernel: "6.1.0".into(),
            accelerator: "tcg".into(),
            load: "0.10".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        let text = "processor\t: 0\nmodel name\t: AMD: fast\nflags\t\t: fpu\n";
        assert_eq!(field(text, "model name").as_deref(), Some("AMD: fast"));
        assert_eq!(field(text, "model"), None);
    }

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::here("tcg");
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine:?}");
        assert!(!machine.kernel.is_empty());
    }
}
