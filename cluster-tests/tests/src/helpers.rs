// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that a test starts on this machine, such as tshark, and how they are ended with it.

use std::collections::HashSet;
use std::fs;

use rustix::process::{getpid, pidfd_open, pidfd_send_signal, Pid, PidfdFlags, Signal};

/// What a supervisor of a cluster has in its command line; those end with their clusters.
const SUPERVISOR: &[u8] = b"podos-cluster-supervisor";

/// Our children that were there before a test.
pub struct Helpers {
    before: HashSet<Pid>,
}

impl Helpers {
    /// Takes those down that there are.
    pub fn before() -> Self {
        Self { before: children() }
    }

    /// Sends a signal to those that came since.
    pub fn signal(&self, signal: Signal) {
        for pid in children().difference(&self.before) {
            let Ok(process) = pidfd_open(*pid, PidfdFlags::empty()) else {
                continue;
            };
            // It may have ended, and its number be another's, before it was opened.
            if is_ours(*pid) {
                let _ = pidfd_send_signal(process, signal);
            }
        }
    }
}

/// Our children now, but for supervisors.
fn children() -> HashSet<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids = pids.filter_map(Pid::from_raw);
    pids.filter(|pid| is_ours(*pid)).collect()
}

fn is_ours(pid: Pid) -> bool {
    let folder = format!("/proc/{}", pid.as_raw_pid());
    let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let line = fs::read(format!("{folder}/cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    parent.is_some_and(|parent| parent.trim() == getpid().as_raw_pid().to_string())
        && !words.any(|word| word == SUPERVISOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn only_those_that_came_later_are_ended() {
        let start = || Command::new("sleep").arg("1000").spawn().unwrap();
        let mut first = start();
        let helpers = Helpers::before();
        let mut second = start();
        helpers.signal(Signal::TERM);
        assert_eq!(second.wait().unwrap().signal(), Some(15));
        assert!(first.try_wait().unwrap().is_none());
        first.kill().unwrap();
        first.wait().unwrap();
    }
}
