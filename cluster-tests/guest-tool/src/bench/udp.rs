// SPDX-License-Identifier: MIT OR Apache-2.0

//! UDP. A channel ends with an empty datagram, which the client repeats until it is answered; data
//! that are lost stay lost.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{bind, socket, AddressFamily, SocketAddrV4, SocketType};

use super::tcp::address;
use super::transport::{Channel, Listener};

const PORT: u16 = 7081;
/// The most data that a datagram carries in one frame of 1,500 bytes.
const MAX_DATAGRAM: usize = 1472;
/// How long is waited before a client says once more that it has finished.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many times is waited that long before something is taken for lost: a machine that has much
/// else to do may let a node stand still for a second or two.
const TRIES: u32 = 10;

pub fn connect(host: u32) -> io::Result<Client> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((address(host)?, PORT))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(Client {
        socket,
        finished: false,
    })
}

pub fn listen() -> io::Result<Server> {
    bound().map(Server)
}

/// A socket at the server's port, of which there is one per client and one for new ones: the
/// kernel gives a datagram to the one that is connected to its sender.
fn bound() -> io::Result<UdpSocket> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT))?;
    Ok(socket.into())
}

/// The end of a client.
pub struct Client {
    socket: UdpSocket,
    finished: bool,
}

impl Channel for Client {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(MAX_DATAGRAM).try_for_each(|datagram| {
            self.socket.send(datagram)?;
            Ok(())
        })
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tries = TRIES;
        loop {
            match self.socket.recv(buffer) {
                Err(error) if late(&error) && tries > 0 => {
                    tries -= 1;
                    if self.finished {
                        self.socket.send(&[])?;
                    }
                }
                done => return done,
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        self.socket.send(&[]).map(drop)
    }
}

/// The socket to which clients send what they send first.
pub struct Server(UdpSocket);

impl Listener for Server {
    fn accept(&self) -> io::Result<Box<dyn Channel>> {
        let mut first = [0; MAX_DATAGRAM];
        loop {
            let (len, from) = self.0.recv_from(&mut first)?;
            // An empty datagram is the end of a client that is served already.
            if len > 0 {
                return Served::new(from, &first[..len]).map(|served| Box::new(served) as _);
            }
        }
    }
}

/// The server's end of a client.
struct Served {
    socket: UdpSocket,
    first: Option<Vec<u8>>,
}

impl Served {
    fn new(client: SocketAddr, first: &[u8]) -> io::Result<Self> {
        let socket = bound()?;
        socket.connect(client)?;
        socket.set_read_timeout(Some(PATIENCE * TRIES))?;
        Ok(Self {
            socket,
            first: Some(first.to_vec()),
        })
    }
}

impl Channel for Served {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send(bytes).map(drop)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(first) = self.first.take() {
            buffer[..first.len()].copy_from_slice(&first);
            return Ok(first.len());
        }
        match self.socket.recv(buffer) {
            // The client is gone, or its end was lost.
            Err(error) if late(&error) => Ok(0),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(0),
            done => done,
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.socket.send(&[]).map(drop)
    }
}

/// Whether the time to wait is over.
fn late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
