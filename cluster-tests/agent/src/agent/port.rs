// SPDX-License-Identifier: MIT OR Apache-2.0

//! The port: frames in and out, and whether the host is there.
//!
//! A host that leaves and comes back before this process has run is not told from one that stayed:
//! the kernel keeps the state of the connection, and no count of its changes. So a host that
//! connects sends a `Ping`, and if anything but `Hello` is the first to come back, it disconnects
//! for a moment and tries again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use podos_agent_proto::{encode, DecodeError, Decoder, Frame};
use podos_process::watch::{self, Watch};
use rustix::event::PollFlags;
use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};
use rustix::io::Errno;

/// Bytes in line above which no more output of commands is read.
const ENOUGH: usize = 512 * 1024;
/// Bytes read in one go, before others have their turn.
const READ: usize = 128 * 1024;

/// The open port and what is on its way through it.
#[derive(Debug)]
pub struct Port {
    fd: OwnedFd,
    out: VecDeque<u8>,
    decoder: Decoder,
    buffer: Box<[u8]>,
    host: Host,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Nobody.
    Away,
    /// Somebody.
    Present,
    /// Somebody who does not speak the protocol: nothing is said or heard until it goes.
    Foreign,
}

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, or nothing yet.
    Open,
    /// The host has gone.
    Gone,
}

impl Port {
    /// Takes an open, non-blocking port. The host is taken to be away until
    /// [`arrival`](Self::arrival) sees it.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        Self {
            fd: fd.into(),
            out: VecDeque::new(),
            decoder: Decoder::new(),
            buffer: vec![0; READ].into(),
            host: Host::Away,
        }
    }

    /// Has the port send SIGIO whenever its host comes or goes. One whose host is away is hung up
    /// all the time, so it can't be polled for the host's return.
    pub fn signal_changes(&self) -> io::Result<()> {
        own_signals(&self.fd)?;
        Ok(fcntl_setfl(
            &self.fd,
            fcntl_getfl(&self.fd)? | OFlags::ASYNC,
        )?)
    }

    /// Whether a host has come since the last one left. Makes the port ready for it.
    pub fn arrival(&mut self) -> io::Result<bool> {
        if self.host != Host::Away || self.is_hung_up()? {
            return Ok(false);
        }
        self.out.clear();
        self.decoder = Decoder::new();
        self.host = Host::Present;
        Ok(true)
    }

    /// Notes that the host has gone.
    pub fn departed(&mut self) {
        self.host = Host::Away;
        self.out.clear();
    }

    /// The host does not speak the protocol: what it says is thrown away until it has gone.
    pub fn ignore(&mut self) {
        self.host = Host::Foreign;
        self.out.clear();
    }

    /// What to wait for.
    pub fn watch<T>(&self, token: T) -> Option<Watch<'_, T>> {
        if self.host == Host::Away {
            return None;
        }
        let mut events = PollFlags::IN;
        events.set(PollFlags::OUT, !self.out.is_empty());
        Some(Watch {
            token,
            fd: self.fd.as_fd(),
            events,
        })
    }

    /// Whether there is room for output of commands.
    pub fn has_room(&self) -> bool {
        self.out.len() < ENOUGH
    }

    /// Whether nothing is in line.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Puts a frame in line. Fails for one that is too long.
    pub fn send(&mut self, id: u32, frame: &Frame) -> Result<(), DecodeError> {
        if self.host != Host::Present {
            return Ok(());
        }
        let mut bytes = Vec::new();
        encode(id, frame, &mut bytes)?;
        self.out.extend(bytes);
        Ok(())
    }

    /// Writes as much of what is in line as the port takes now.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match rustix::io::write(&self.fd, self.out.as_slices().0) {
                Ok(len) => drop(self.out.drain(..len)),
                Err(Errno::INTR) => {}
                // PIPE: the host has gone, which reading tells as well.
                Err(Errno::AGAIN | Errno::PIPE) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what has come, for [`next_frame`](Self::next_frame).
    pub fn receive(&mut self) -> io::Result<Received> {
        match rustix::io::read(&self.fd, &mut self.buffer[..]) {
            Ok(0) | Err(Errno::CONNRESET) => Ok(Received::Gone),
            Ok(len) => {
                if self.host == Host::Present {
                    self.decoder.push(&self.buffer[..len]);
                }
                Ok(Received::Open)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Open),
            Err(error) => Err(error.into()),
        }
    }

    /// The next whole frame that has come.
    pub fn next_frame(&mut self) -> Result<Option<(u32, Frame)>, DecodeError> {
        match self.host {
            Host::Present => self.decoder.next_frame(),
            Host::Away | Host::Foreign => Ok(None),
        }
    }

    fn is_hung_up(&self) -> io::Result<bool> {
        let hang_up = Watch {
            token: (),
            fd: self.fd.as_fd(),
            events: PollFlags::empty(),
        };
        let now = Instant::now();
        Ok(!watch::wait(&[hang_up], Some(now))?.is_empty())
    }
}

/// Sends the SIGIO of `fd` to this process.
fn own_signals(fd: &impl AsFd) -> io::Result<()> {
    let fd: BorrowedFd<'_> = fd.as_fd();
    // SAFETY: F_SETOWN takes a number and touches no memory.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, libc::getpid()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
