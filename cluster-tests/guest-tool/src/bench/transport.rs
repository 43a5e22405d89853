// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the loops of the bench know of a transport.
//!
//! A client's first message says what it wants of the server ([`Role`]); the server sends it back.

use std::io;

use anyhow::{ensure, Context, Result};
use clap::ValueEnum;

use super::{cm, tcp, tipc, udp, wireguard};

/// The transports that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// TCP over IPv4 with TCP_NODELAY
    Tcp,
    /// UDP over IPv4
    Udp,
    /// TIPC's connections; see `tipc-up`
    Tipc,
    /// TCP within WireGuard; see `wireguard-key`
    Wireguard,
    /// CM's circuits
    Cm,
}

/// What a client measures.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Target {
    transport: Transport,
    /// Host id of the node that serves
    host: u32,
    /// Transmission group of CM's circuits
    #[arg(long, default_value = "default")]
    group: cm::Group,
}

impl Target {
    /// A new channel to a server that does `role`, which has answered a first message of this
    /// size.
    pub fn open(&self, role: Role, size: usize) -> Result<Box<dyn Channel>> {
        let what = || format!("a channel of {:?} to host {}", self.transport, self.host);
        let mut channel = self.connect().with_context(what)?;
        let (first, mut answer) = (vec![role as u8; size], vec![0; size]);
        channel.send(&first).with_context(what)?;
        receive_exact(&mut *channel, &mut answer).with_context(what)?;
        ensure!(answer == first, "{}: a wrong answer", what());
        Ok(channel)
    }

    /// A channel that the server has not been heard through, unless the transport can't do
    /// otherwise.
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        Ok(match self.transport {
            Transport::Tcp => Box::new(tcp::connect(tcp::address(self.host)?)?),
            Transport::Wireguard => Box::new(tcp::connect(wireguard::address(self.host)?)?),
            Transport::Udp => Box::new(udp::connect(self.host)?),
            Transport::Tipc => Box::new(tipc::connect(self.host)?),
            Transport::Cm => Box::new(cm::connect(self.host, self.group)?),
        })
    }
}

/// Ends a channel, and waits until the server has ended it too.
pub fn close(mut channel: Box<dyn Channel>) -> io::Result<()> {
    channel.finish()?;
    let mut buffer = [0; 64];
    while channel.receive(&mut buffer)? > 0 {}
    Ok(())
}

/// What a server does with what comes through a channel behind the first message, which it sends
/// back. The discriminant is that message's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Send everything back.
    Echo = b'E',
    /// Count bytes; at the client's end, send the count (8 bytes, little-endian).
    Sink = b'S',
}

impl Role {
    /// What the first byte of a channel asks for.
    pub fn of(byte: u8) -> io::Result<Self> {
        [Self::Echo, Self::Sink]
            .into_iter()
            .find(|role| *role as u8 == byte)
            .ok_or_else(|| {
                let what = format!("a client began with {:?}", byte as char);
                io::Error::new(io::ErrorKind::InvalidData, what)
            })
    }
}

/// One end of a connection. Whether it keeps the boundaries of messages differs.
pub trait Channel {
    /// Sends all of it.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Waits for bytes; 0 says that the other end has finished.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Says that no more is sent.
    fn finish(&mut self) -> io::Result<()>;
}

/// Where a server's channels come from; several threads wait in `accept`.
pub trait Listener: Send + Sync {
    fn accept(&self) -> io::Result<Box<dyn Channel>>;
}

impl Transport {
    /// Makes this process the server of `host`, which is its own node.
    pub fn listen(self, host: u32) -> io::Result<Box<dyn Listener>> {
        Ok(match self {
            Self::Tcp => Box::new(tcp::listen(tcp::address(host)?)?),
            Self::Wireguard => Box::new(tcp::listen(wireguard::address(host)?)?),
            Self::Udp => Box::new(udp::listen()?),
            Self::Tipc => Box::new(tipc::listen(host)?),
            Self::Cm => Box::new(cm::listen()?),
        })
    }
}

/// Receives until `buffer` is full; the end of the channel is an error.
pub fn receive_exact(channel: &mut dyn Channel, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match channel.receive(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => buffer = &mut buffer[n..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_by_a_byte() {
        assert_eq!(Role::of(Role::Echo as u8).unwrap(), Role::Echo);
        assert_eq!(Role::of(Role::Sink as u8).unwrap(), Role::Sink);
        assert!(Role::of(0).is_err());
    }
}
