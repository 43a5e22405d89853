// SPDX-License-Identifier: MIT OR Apache-2.0

//! An open file of the test module's device.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::ioctl::{ioctl, Getter, NoArg, Setter, Updater};

use super::abi::{self, Connect, Ephemeral, Ephemerals, Group, Info, Member, Ping};

/// One end of a circuit, or what takes circuits.
#[derive(Debug)]
pub struct Endpoint(File);

impl Endpoint {
    /// An endpoint that is nothing yet.
    ///
    /// # Errors
    ///
    /// `ENOENT` while the test module is not loaded.
    pub fn open() -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.open(abi::DEVICE).map(Self)
    }

    /// An endpoint whose first message will open a circuit.
    pub fn connect(to: Connect) -> io::Result<Self> {
        let endpoint = Self::open()?;
        endpoint.connect_to(to)?;
        Ok(endpoint)
    }

    /// Names the other end of an endpoint that is nothing yet.
    pub fn connect_to(&self, to: Connect) -> io::Result<()> {
        // SAFETY: The operation reads a `Connect`.
        Ok(unsafe { ioctl(&self.0, Setter::<{ abi::CONNECT }, Connect>::new(to)) }?)
    }

    /// An endpoint that takes circuits.
    pub fn listen() -> io::Result<Self> {
        let endpoint = Self::open()?;
        // SAFETY: The operation has no argument.
        unsafe { ioctl(&endpoint.0, NoArg::<{ abi::LISTEN }>::new()) }?;
        Ok(endpoint)
    }

    /// The next circuit; waits for one.
    pub fn accept(&self) -> io::Result<Self> {
        // SAFETY: The operation has no argument.
        let fd = unsafe { libc::ioctl(self.0.as_raw_fd(), abi::ACCEPT.into()) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The operation returned a new descriptor, which nobody else knows.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }.into()))
    }

    /// Sends one message.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        match (&self.0).write(message)? {
            n if n == message.len() => Ok(()),
            n => Err(io::Error::other(format!(
                "{n} bytes of a message of {} were taken",
                message.len()
            ))),
        }
    }

    /// Takes one message into `buffer`; its length, 0 at the end.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Sends nothing more.
    pub fn shutdown(&self) -> io::Result<()> {
        // SAFETY: The operation has no argument.
        Ok(unsafe { ioctl(&self.0, NoArg::<{ abi::SHUTDOWN }>::new()) }?)
    }

    /// Breaks the circuit.
    pub fn abort(&self) -> io::Result<()> {
        // SAFETY: The operation has no argument.
        Ok(unsafe { ioctl(&self.0, NoArg::<{ abi::ABORT }>::new()) }?)
    }

    /// What the circuit has done.
    pub fn info(&self) -> io::Result<Info> {
        // SAFETY: The operation writes an `Info`.
        Ok(unsafe { ioctl(&self.0, Getter::<{ abi::INFO }, Info>::new()) }?)
    }

    /// Round trips from kernel to kernel: the results are put into `ping`.
    pub fn ping(&self, ping: &mut Ping) -> io::Result<()> {
        // SAFETY: The operation reads and writes a `Ping`.
        Ok(unsafe { ioctl(&self.0, Updater::<{ abi::PING }, Ping>::new(ping)) }?)
    }

    /// A message to all members at once: what became of it is put into `members`.
    pub fn group(
        &self,
        what: u32,
        members: &mut [Member],
        message: &[u8],
        timeout_ms: u32,
    ) -> io::Result<()> {
        let count = |n: usize| u32::try_from(n).map_err(|_| io::ErrorKind::InvalidInput);
        let group = Group {
            members: members.as_mut_ptr() as u64,
            count: count(members.len())?,
            what,
            message: message.as_ptr() as u64,
            len: count(message.len())?,
            timeout_ms,
        };
        // SAFETY: The operation reads a `Group` and its message, and reads and writes its members,
        // which this call alone holds.
        Ok(unsafe { ioctl(&self.0, Setter::<{ abi::GROUP }, Group>::new(group)) }?)
    }

    /// Sends an ephemeral message `count` times to a node, or to all for 0.
    pub fn ephemeral(&self, to: u64, message: &[u8], count: u32) -> io::Result<()> {
        let argument = Ephemeral {
            to,
            message: message.as_ptr() as u64,
            len: u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            count,
        };
        // SAFETY: The operation reads an `Ephemeral` and its message.
        Ok(unsafe {
            ioctl(
                &self.0,
                Setter::<{ abi::EPHEMERAL }, Ephemeral>::new(argument),
            )
        }?)
    }

    /// The ephemeral messages that this node has received.
    pub fn ephemerals(&self) -> io::Result<Ephemerals> {
        // SAFETY: The operation writes an `Ephemerals`.
        Ok(unsafe { ioctl(&self.0, Getter::<{ abi::EPHEMERALS }, Ephemerals>::new()) }?)
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_knows_no_operation() {
        let endpoint = Endpoint(tempfile::tempfile().unwrap());
        let errno = |e: io::Error| e.raw_os_error();
        let enotty = Some(libc::ENOTTY);
        assert_eq!(endpoint.accept().map_err(errno).err(), Some(enotty));
        assert_eq!(endpoint.shutdown().map_err(errno), Err(enotty));
        assert_eq!(endpoint.abort().map_err(errno), Err(enotty));
        assert_eq!(endpoint.info().map_err(errno).err(), Some(enotty));
        assert_eq!(
            endpoint.ping(&mut Ping::default()).map_err(errno),
            Err(enotty)
        );
        assert_eq!(endpoint.ephemeral(0, b"", 1).map_err(errno), Err(enotty));
        let mut members = [Member::default()];
        let grouped = endpoint.group(abi::GROUP_CALL, &mut members, b"x", 0);
        assert_eq!(grouped.map_err(errno), Err(enotty));
    }
}
