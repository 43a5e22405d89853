// SPDX-License-Identifier: MIT OR Apache-2.0

//! The signals that `podos run` passes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use podos::{Error, Remote, Target};

/// They go to the program and those that it started.
pub const FORWARDED: [i32; 6] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Those of them that ask for the program's end.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Whether a signal asks for the program's end.
pub fn ends(signal: i32) -> bool {
    ENDING.contains(&signal)
}

/// Sends signals, one after the other, from a thread of its own: the other node may take its time for
/// an answer, or never give one.
#[derive(Debug)]
pub struct Signaller {
    signals: Sender<i32>,
    /// Signals that were not answered yet.
    unanswered: Arc<AtomicUsize>,
}

impl Signaller {
    /// For the program at the other end of `remote`. The thread ends with the process.
    pub fn new(remote: Remote) -> Result<Self> {
        let (signals, arriving) = channel();
        let unanswered = Arc::new(AtomicUsize::new(0));
        let counter = unanswered.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || send(&remote, &arriving, &counter))
            .context("cannot make a thread that passes signals on")?;
        Ok(Self {
            signals,
            unanswered,
        })
    }

    /// Passes a signal on.
    pub fn pass_on(&self, signal: i32) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        // The thread ends when this value does, and not before.
        let _ = self.signals.send(signal);
    }

    /// Whether the other node has not answered some of them.
    pub fn waits(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
    }
}

fn send(remote: &Remote, signals: &Receiver<i32>, unanswered: &AtomicUsize) {
    for signal in signals {
        let sent = remote.signal(Target::Group, signal);
        unanswered.fetch_sub(1, Ordering::Relaxed);
        // How the program ended, or was not started, or that its node is gone, the circuit tells.
        if let Err(Error::Io { source, .. }) = &sent {
            if source.raw_os_error() == Some(libc::EPERM) {
                eprintln!("podos: the program may not be sent signal {signal} from here: {source}");
            }
        }
    }
}
