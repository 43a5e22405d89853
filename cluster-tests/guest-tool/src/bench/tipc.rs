// SPDX-License-Identifier: MIT OR Apache-2.0

//! TIPC's connections, and how a node comes to have TIPC on its first rail.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::net::{socket, AddressFamily, RecvFlags, SendFlags, SocketType};

use super::netlink::{attribute, nested, Family};
use super::transport::{Channel, Listener};
/// The type of our service; a host's server is its instance.
const SERVICE: u32 = 18080;
const CLUSTER_SCOPE: i8 = 2;
const SERVICE_RANGE: u8 = 1;
const SERVICE_ADDRESS: u8 = 2;
/// The longest message, in bytes.
const MAX_MESSAGE: usize = 66000;
/// A message of just this byte says that no more come, for TIPC closes both directions or none.
const END: u8 = 0;
const TIPC_NL_BEARER_ENABLE: u8 = 3;
const TIPC_NL_NET_SET: u8 = 15;
const TIPC_NLA_BEARER: u16 = 1;
const TIPC_NLA_BEARER_NAME: u16 = 1;
const TIPC_NLA_NET: u16 = 7;
const TIPC_NLA_NET_ADDR: u16 = 2;

/// `struct sockaddr_tipc` with a service or a range of one instance.
#[repr(C)]
#[derive(Clone, Copy)]
struct Address {
    family: u16,
    kind: u8,
    scope: i8,
    service: u32,
    lower: u32,
    /// The upper end of a range; the domain of an address, 0 for all.
    upper: u32,
}

impl Address {
    fn new(kind: u8, host: u32, upper: u32) -> Self {
        Self {
            family: libc::AF_TIPC as u16,
            kind,
            scope: CLUSTER_SCOPE,
            service: SERVICE,
            lower: host,
            upper,
        }
    }
}

/// A socket, connected or listening. It keeps the boundaries of messages.
pub struct Socket(OwnedFd);

impl Socket {
    fn new() -> io::Result<Self> {
        let family = AddressFamily::from_raw(libc::AF_TIPC as u16);
        Ok(Self(socket(family, SocketType::SEQPACKET, None)?))
    }

    /// Calls something that takes an address.
    fn with_address(
        &self,
        address: Address,
        call: unsafe extern "C" fn(i32, *const libc::sockaddr, libc::socklen_t) -> i32,
    ) -> io::Result<()> {
        let len = size_of::<Address>() as libc::socklen_t;
        // SAFETY: The callers give `bind` and `connect`; the address lives as long as the call
        // and has the length that is said.
        match unsafe { call(self.0.as_raw_fd(), (&raw const address).cast(), len) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

pub fn connect(host: u32) -> io::Result<Socket> {
    let socket = Socket::new()?;
    socket.with_address(Address::new(SERVICE_ADDRESS, host, 0), libc::connect)?;
    Ok(socket)
}

pub fn listen(host: u32) -> io::Result<Socket> {
    let socket = Socket::new()?;
    socket.with_address(Address::new(SERVICE_RANGE, host, host), libc::bind)?;
    rustix::net::listen(&socket.0, 16)?;
    Ok(socket)
}

impl Listener for Socket {
    fn accept(&self) -> io::Result<Box<dyn Channel>> {
        Ok(Box::new(Self(rustix::net::accept(&self.0)?)))
    }
}

impl Channel for Socket {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for message in bytes.chunks(MAX_MESSAGE) {
            rustix::net::send(&self.0, message, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (len, _) = rustix::net::recv(&self.0, &mut *buffer, RecvFlags::empty())?;
        match &buffer[..len] {
            &[END] => Ok(0),
            _ => Ok(len),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.send(&[END])
    }
}

/// Give this node TIPC on its first rail
#[derive(Debug, clap::Args)]
pub struct Up {
    /// Host id of this node
    #[arg(long)]
    host: u32,
    /// The rail's interface
    #[arg(long, default_value = "eth0")]
    interface: String,
}

impl Up {
    pub fn run(&self) -> Result<()> {
        let family = Family::find("TIPCv2").context("this kernel has no TIPC")?;
        let address = attribute(TIPC_NLA_NET_ADDR, &own_address(self.host).to_ne_bytes());
        family
            .command(TIPC_NL_NET_SET, &nested(TIPC_NLA_NET, &[&address]))
            .context("the node's own address")?;
        let name = format!("eth:{}\0", self.interface);
        let name = attribute(TIPC_NLA_BEARER_NAME, name.as_bytes());
        family
            .command(TIPC_NL_BEARER_ENABLE, &nested(TIPC_NLA_BEARER, &[&name]))
            .with_context(|| format!("bearer {}", self.interface))
    }
}

/// The address 1.1.N.
fn own_address(host: u32) -> u32 {
    1 << 24 | 1 << 12 | host
}
