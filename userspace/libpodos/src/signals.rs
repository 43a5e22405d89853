// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signals as something to `poll(2)` for, beside circuits.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// A `signalfd(2)`: the given signals, blocked and readable instead.
pub struct Signals {
    file: File,
    previous: libc::sigset_t,
}

impl Signals {
    /// Takes over `signals` for this thread, until the value is dropped; but for those that the
    /// process ignores, as `nohup(1)` and a shell's `&` have it: they stay ignored.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a number that is no signal's, or why no descriptor can be made.
    pub fn block(signals: &[i32]) -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `set` is valid for a write, which initialises it.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        for &signal in signals {
            if is_ignored(signal)? {
                continue;
            }
            // SAFETY: `set` was initialised above.
            if unsafe { libc::sigaddset(set.as_mut_ptr(), signal) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let mut previous = MaybeUninit::uninit();
        // SAFETY: Both sets live through the call, and `set` was initialised above.
        let error =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), previous.as_mut_ptr()) };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: `set` was initialised above.
        let fd = unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: The descriptor is new and nobody else's.
            file: unsafe { File::from_raw_fd(fd) },
            // SAFETY: `pthread_sigmask` succeeded and filled it in.
            previous: unsafe { previous.assume_init() },
        })
    }

    /// Waits for the next signal and gives its number.
    ///
    /// # Errors
    ///
    /// Those of `read(2)`.
    pub fn wait(&mut self) -> io::Result<i32> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        self.file.read_exact(&mut info)?;
        // The number is the first field.
        let [a, b, c, d, ..] = info;
        Ok(i32::from_ne_bytes([a, b, c, d]))
    }
}

/// Whether the process ignores a signal.
fn is_ignored(signal: i32) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: `action` is valid for a write, and a null pointer changes nothing.
    match unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } {
        // SAFETY: The call succeeded and filled it in.
        0 => Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN),
        _ => Err(io::Error::last_os_error()),
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let none = std::ptr::null_mut();
        // SAFETY: `previous` is the mask that `block` found.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, none) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read() {
        let mut signals = Signals::block(&[libc::SIGUSR2]).unwrap();
        // SAFETY: The signal is blocked in this thread, and goes to no other.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
        assert_eq!(signals.wait().unwrap(), libc::SIGUSR2);
    }

    #[test]
    fn an_ignored_signal_stays_so() {
        // Rust's runtime ignores it.
        assert!(is_ignored(libc::SIGPIPE).unwrap());
        let signals = Signals::block(&[libc::SIGPIPE]).unwrap();
        // SAFETY: The process ignores the signal.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGPIPE) };
        let mut fds = [rustix::event::PollFd::new(
            &signals,
            rustix::event::PollFlags::IN,
        )];
        let none = rustix::event::Timespec::default();
        assert_eq!(rustix::event::poll(&mut fds, Some(&none)).unwrap(), 0);
        assert!(is_ignored(0).is_err());
    }
}
