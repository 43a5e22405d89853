// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signals that would end or stop us: the programs that we run get them, too.
//!
//! Whoever interrupts a verb means all that it does, and has no more than our number: a supervisor, a
//! `kill`, a terminal whose foreground we alone are. So while programs run, such a signal goes on to
//! them; they come to their end in their own time, and then we come to ours by the same signal.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::{kill_process_group, Pid, Signal};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, raise};

use crate::fs;

/// What ends, or stops, a program that knows nothing of signals.
const PASSED_ON: [i32; 5] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
];

/// The process groups that run now, and what has come for them.
struct Groups {
    /// Whether there is a thread that takes signals.
    are_heard: bool,
    leaders: Vec<Pid>,
    /// By which signal we are to end when they have.
    end: Option<i32>,
}

static GROUPS: Mutex<Groups> = Mutex::new(Groups {
    are_heard: false,
    leaders: Vec::new(),
    end: None,
});

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts programs that lead process groups of their own; they get our signals until [`ended`].
///
/// # Errors
///
/// Those of `start`, and why signals can't be taken.
pub fn for_groups<T>(start: impl FnOnce() -> io::Result<(T, Vec<Pid>)>) -> io::Result<T> {
    let mut groups = groups();
    if !groups.are_heard {
        hear()?;
        groups.are_heard = true;
    }
    // A signal that comes while this goes on waits for the lock, and finds them.
    let (started, leaders) = start()?;
    groups.leaders.extend(leaders);
    Ok(started)
}

/// Takes groups from the list whose leaders have ended, and are there as zombies: until then their
/// numbers are nobody else's. Does not return if a signal came for the last of them.
pub fn ended(leaders: &[Pid]) {
    let mut groups = groups();
    groups.leaders.retain(|leader| !leaders.contains(leader));
    if let (Some(signal), []) = (groups.end, groups.leaders.as_slice()) {
        end_by(signal);
    }
}

/// Takes the signals from now on, in a thread of its own: those that nobody before us had us ignore,
/// as `nohup` does.
fn hear() -> io::Result<()> {
    let heard = PASSED_ON.into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = Signals::new(heard)?;
    // A group of its own is in the background of a terminal; after `stty tostop` that would stop
    // whoever writes there. What we ignore, the programs do.
    // SAFETY: the disposition of a signal is set to a constant; no handler is there to be run.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(pass_on))?;
    Ok(())
}

/// Does with a signal what is to be done with it now.
fn pass_on(signal: i32) {
    let mut groups = groups();
    if groups.leaders.is_empty() {
        drop(groups);
        return end_by(signal);
    }
    let send = |signal: i32| {
        let Some(signal) = Signal::from_named_raw(signal) else {
            return;
        };
        for leader in &groups.leaders {
            // One that has just ended needs none.
            let _ = kill_process_group(*leader, signal);
        }
    };
    send(signal);
    if signal == libc::SIGTSTP {
        // What comes after this comes after SIGCONT.
        let _ = raise(libc::SIGSTOP);
        send(libc::SIGCONT);
    } else {
        groups.end.get_or_insert(signal);
    }
}

/// As if nobody had taken it: whoever waits for us sees why we ended.
fn end_by(signal: i32) {
    let _ = emulate_default_handler(signal);
}

/// Whether whoever started us had us ignore a signal. One that is blocked comes all the same.
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
