// SPDX-License-Identifier: MIT OR Apache-2.0

//! TCP, as a program that needs short round trips uses it: without Nagle's algorithm, all else as
//! the kernel has it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use super::transport::{Channel, Listener};

const PORT: u16 = 7080;

/// The address of a node on the first rail (`network` in images/lab.toml).
pub fn address(host: u32) -> io::Result<Ipv4Addr> {
    let host = u8::try_from(host)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("no host {host}")))?;
    Ok(Ipv4Addr::new(10, 80, 0, host))
}

pub fn connect(to: Ipv4Addr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((to, PORT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub fn listen(at: Ipv4Addr) -> io::Result<TcpListener> {
    TcpListener::bind((at, PORT))
}

impl Listener for TcpListener {
    fn accept(&self) -> io::Result<Box<dyn Channel>> {
        let (stream, _) = TcpListener::accept(self)?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

impl Channel for TcpStream {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
