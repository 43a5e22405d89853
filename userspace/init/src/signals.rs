// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signals, as something to poll for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::power::Power;

/// Taken through the descriptor: children that ended, changes of the agent's port, and what
/// busybox's `poweroff`, `reboot` and `halt` and the kernel's Ctrl-Alt-Del send.
const TAKEN: [i32; 7] = [
    libc::SIGCHLD,
    libc::SIGIO,
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPWR,
];

/// What has been signalled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The agent's port changed.
    pub port: bool,
    /// The node is to end.
    pub power: Option<Power>,
}

impl Pending {
    fn note(&mut self, signal: i32) {
        match signal {
            libc::SIGIO => self.port = true,
            libc::SIGTERM | libc::SIGINT => self.power = Some(Power::Restart),
            libc::SIGUSR1 => self.power = Some(Power::Halt),
            libc::SIGUSR2 | libc::SIGPWR => self.power = Some(Power::Off),
            // SIGCHLD: the reaper is asked after every wake-up, whatever it was.
            _ => {}
        }
    }
}

/// Owner of the signal descriptor.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals in this process and takes them through a descriptor from now on.
    pub fn take_over() -> io::Result<Self> {
        let set = set_of(&TAKEN);
        block_exactly(&set)?;
        // SAFETY: `set` is an initialized signal set, and -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made this descriptor, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes all pending signals.
    pub fn take(&self) -> io::Result<Pending> {
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut pending = Pending::default();
        let mut records = [0; 8 * RECORD];
        loop {
            match rustix::io::read(&self.0, &mut records) {
                Ok(len) => {
                    for record in records[..len].chunks_exact(RECORD) {
                        // ssi_signo is the first field, of four bytes.
                        if let Some(signal) = record.first_chunk() {
                            pending.note(i32::from_ne_bytes(*signal));
                        }
                    }
                }
                Err(Errno::AGAIN) => return Ok(pending),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives a child the signal mask that programs expect.
pub fn unblock_all() -> io::Result<()> {
    block_exactly(&set_of(&[]))
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initializes the whole set it is given.
    let mut set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    for &signal in signals {
        // SAFETY: `set` is an initialized signal set; a number that is no signal is refused.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    set
}

fn block_exactly(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is an initialized signal set, and a null pointer asks for no old one.
    match unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_ends_nodes_by_signals() {
        for (signal, power) in [
            (libc::SIGUSR2, Some(Power::Off)),
            (libc::SIGTERM, Some(Power::Restart)),
            (libc::SIGUSR1, Some(Power::Halt)),
            (libc::SIGCHLD, None),
        ] {
            let mut pending = Pending::default();
            pending.note(signal);
            assert_eq!(pending.power, power);
            assert!(!pending.port);
        }
    }
}
