// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signals, as something to poll for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// Owner of the signal descriptor.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks exactly these signals in this process and takes them through a descriptor from now on.
    pub fn take_over(signals: &[i32]) -> io::Result<Self> {
        let set = set_of(signals);
        block_exactly(&set)?;
        // SAFETY: `set` is an initialized signal set, and -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just made this descriptor, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes all pending signals, a signal that came more than once no more than once.
    pub fn take(&self) -> io::Result<Vec<i32>> {
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut pending = Vec::new();
        let mut records = [0; 8 * RECORD];
        loop {
            match rustix::io::read(&self.0, &mut records) {
                Ok(len) => {
                    for record in records[..len].chunks_exact(RECORD) {
                        // ssi_signo is the first field, of four bytes.
                        if let Some(signal) = record.first_chunk() {
                            pending.push(i32::from_ne_bytes(*signal));
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
    fn what_was_taken_over_is_read_from_the_descriptor() {
        // In a child: a signal mask is its thread's, and the test's threads are many.
        let child = crate::child::fork(|| {
            let taken = || -> io::Result<bool> {
                let signals = Signals::take_over(&[libc::SIGUSR1, libc::SIGUSR2])?;
                let none = signals.take()?;
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::USR1,
                )?;
                Ok(none.is_empty() && signals.take()? == [libc::SIGUSR1])
            };
            u8::from(!taken().unwrap_or(false))
        });
        let exit = crate::reaper::wait_for(child.unwrap(), 0).unwrap();
        assert_eq!(exit, Some(crate::Exit::Code(0)));
    }
}
