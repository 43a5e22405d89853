// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ends all programs, before the node ends.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};

/// How long programs may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);
/// How long killed ones may: one that waits for a device does not end at all.
const LAST: Duration = Duration::from_secs(1);
/// Between two looks at who is left.
const PAUSE: Duration = Duration::from_millis(10);

/// Ends all programs but this one: asks them, waits, and kills what is left then.
pub fn end_all() {
    end(running);
}

fn end(programs: impl Fn() -> Vec<Pid>) {
    // Those that start now may be what others need for their end.
    programs().into_iter().for_each(ask);
    if !are_gone(&programs, |_| {}, GRACE) {
        are_gone(&programs, |pid| send(pid, Signal::KILL), LAST);
    }
}

/// Asks a program to end.
fn ask(pid: Pid) {
    send(pid, Signal::TERM);
    // A shell at a terminal ends for a hang-up only. Others may be in the middle of ending as they
    // were asked, and know no hang-up.
    if has_terminal(pid) {
        send(pid, Signal::HUP);
    }
    // One that was stopped hears of neither.
    send(pid, Signal::CONT);
}

/// It may have ended by now.
fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// Waits until all programs are gone, no longer than `limit`, and says a word `to_each` meanwhile.
/// Whether they are.
fn are_gone(programs: &impl Fn() -> Vec<Pid>, to_each: impl Fn(Pid), limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let left = programs();
        if left.is_empty() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        left.into_iter().for_each(&to_each);
        sleep(PAUSE);
    }
}

/// All processes but this one that have a program: threads of the kernel and zombies have none.
fn running() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = rustix::process::getpid();
    let others = numbers.filter_map(Pid::from_raw).filter(|pid| *pid != own);
    others.filter(|pid| has_program(*pid)).collect()
}

fn has_program(pid: Pid) -> bool {
    let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    fs::read(path).is_ok_and(|line| !line.is_empty())
}

/// Whether a process has a controlling terminal: the fifth number behind its name, which may hold
/// anything.
fn has_terminal(pid: Pid) -> bool {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = fs::read_to_string(path).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind
        .split_whitespace()
        .nth(4)
        .is_some_and(|tty| tty != "0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// A shell without a terminal that has come as far as to say so.
    fn start(script: &str) -> Child {
        let mut command = Command::new("setsid");
        let command = command.args(["sh", "-c", script]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        child
    }

    #[test]
    fn programs_are_asked_first_and_killed_then() {
        let wait = "echo ready; while :; do sleep 0.01; done";
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("asked");
        // It takes its time to end, and would not survive a hang-up.
        let polite = format!(
            "trap 'sleep 0.2; echo asked > {}; exit' TERM; {wait}",
            file.display()
        );
        let mut shells = [start(&polite), start(&format!("trap '' TERM; {wait}"))];
        let children = [0, 1].map(|index| Pid::from_child(&shells[index]));
        let known = running();
        assert!(children.iter().all(|child| known.contains(child)));
        let left = || {
            let left = children.iter().filter(|child| has_program(**child));
            left.copied().collect::<Vec<_>>()
        };
        let limit = Duration::from_secs(2);
        left().into_iter().for_each(ask);
        assert!(!are_gone(&left, |_| {}, limit));
        assert_eq!(fs::read_to_string(&file).unwrap(), "asked\n");
        assert_eq!(left(), [children[1]]);
        let limit = Duration::from_secs(60);
        assert!(are_gone(&left, |pid| send(pid, Signal::KILL), limit));
        assert!(shells.iter_mut().all(|shell| shell.wait().is_ok()));
    }
}
