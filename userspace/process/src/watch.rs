// SPDX-License-Identifier: MIT OR Apache-2.0

//! poll(2) over descriptors, each with a token that says whose it is.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// A descriptor to wait for, and whose it is.
#[derive(Debug)]
pub struct Watch<'a, T> {
    /// What [`wait`] gives back.
    pub token: T,
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What to wait for; hang-ups and errors come in any case.
    pub events: PollFlags,
}

/// Waits for any of `watches`, or `deadline`; gives the tokens of those that have something.
pub fn wait<T: Copy>(watches: &[Watch<'_, T>], deadline: Option<Instant>) -> io::Result<Vec<T>> {
    let mut fds: Vec<_> = watches
        .iter()
        .map(|watch| PollFd::from_borrowed_fd(watch.fd, watch.events))
        .collect();
    let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let fired = watches.iter().zip(&fds);
    Ok(fired
        .filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(watch, _)| watch.token)
        .collect())
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
