// SPDX-License-Identifier: MIT OR Apache-2.0

//! `relay`: a mapped file through a socket, straight from the mapping.
//!
//! The kernel copies from the mapping while it holds memory of its own half filled, and each page
//! that is not there yet is a request to the node that has the file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use anyhow::{bail, Context, Result};
use rustix::net::{send, SendFlags};

use crate::map::Mapping;
use crate::pattern::Pattern;
use crate::report::say;

/// Least and most bytes of a write.
const PIECES: (u64, u64) = (700, 65_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// A stream
    Tcp,
    /// Datagrams, each of two writes
    Udp,
}

/// Write a mapped file to a socket on loopback, in pieces, and compare what comes with the pattern
#[derive(Debug, clap::Args)]
pub struct Relay {
    path: PathBuf,

    #[arg(long)]
    protocol: Protocol,

    /// Seed of the file's pattern, and of the pieces
    #[arg(long)]
    seed: u64,
}

/// What came.
#[derive(Default)]
struct Came {
    bytes: u64,
    wrong: u64,
    first_wrong: Option<u64>,
}

impl Came {
    fn take(&mut self, pattern: Pattern, bytes: &[u8]) {
        let mut expected = vec![0; bytes.len()];
        pattern.fill(self.bytes, &mut expected);
        let mut wrong = bytes.iter().zip(&expected).enumerate();
        self.wrong += wrong.clone().filter(|(_, (a, b))| a != b).count() as u64;
        if let Some((at, _)) = wrong.find(|(_, (a, b))| a != b) {
            self.first_wrong.get_or_insert(self.bytes + at as u64);
        }
        self.bytes += bytes.len() as u64;
    }
}

impl Relay {
    pub fn run(&self) -> Result<()> {
        let path = self.path.display();
        let file = File::open(&self.path).with_context(|| format!("cannot open {path}"))?;
        let len = file
            .metadata()
            .with_context(|| format!("cannot stat {path}"))?;
        let len = usize::try_from(len.len()).with_context(|| format!("{path} is too long"))?;
        let mapping =
            Mapping::new(&file, len, false, false).with_context(|| format!("cannot map {path}"))?;
        let came = match self.protocol {
            Protocol::Tcp => self.tcp(mapping.bytes()),
            Protocol::Udp => self.udp(mapping.bytes()),
        }?;
        say("bytes", came.bytes);
        say("wrong", came.wrong);
        if let Some(first) = came.first_wrong {
            say("first_wrong", first);
        }
        Ok(())
    }

    fn tcp(&self, bytes: &[u8]) -> Result<Came> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a socket")?;
        let to = listener.local_addr()?;
        let pattern = Pattern::new(self.seed);
        let receive = move || -> io::Result<Came> {
            let (mut stream, _) = listener.accept()?;
            let mut came = Came::default();
            let mut buffer = vec![0; 64 << 10];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(came),
                    len => came.take(pattern, &buffer[..len]),
                }
            }
        };
        let receiver = std::thread::spawn(receive);
        let mut stream = TcpStream::connect(to).context("cannot connect")?;
        for piece in pieces(bytes, self.seed) {
            stream
                .write_all(piece)
                .context("cannot write to the stream")?;
        }
        drop(stream);
        joined(receiver.join())
    }

    fn udp(&self, bytes: &[u8]) -> Result<Came> {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a socket")?;
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a socket")?;
        sender.connect(receiver.local_addr()?)?;
        let (pattern, total) = (Pattern::new(self.seed), bytes.len() as u64);
        // One at a time, so that none is lost.
        let (took, taken) = sync_channel(0);
        let receive = move || -> io::Result<Came> {
            let mut came = Came::default();
            let mut buffer = vec![0; 1 << 16];
            while came.bytes < total {
                let len = receiver.recv(&mut buffer)?;
                came.take(pattern, &buffer[..len]);
                if took.send(()).is_err() {
                    break;
                }
            }
            Ok(came)
        };
        let receiver = std::thread::spawn(receive);
        for piece in pieces(bytes, self.seed) {
            let (first, rest) = piece.split_at(piece.len() / 3);
            for (part, flags) in [(first, SendFlags::MORE), (rest, SendFlags::empty())] {
                let sent = send(sender.as_fd(), part, flags).context("cannot send")?;
                if sent != part.len() {
                    bail!("{sent} bytes of {} were sent", part.len());
                }
            }
            if taken.recv().is_err() {
                break;
            }
        }
        drop(taken);
        joined(receiver.join())
    }
}

fn joined(receiver: std::thread::Result<io::Result<Came>>) -> Result<Came> {
    match receiver {
        Ok(came) => came.context("cannot receive"),
        Err(_) => bail!("the receiver panicked"),
    }
}

/// `bytes` in pieces whose lengths `seed` draws.
fn pieces(bytes: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let lengths = Pattern::new(!seed);
    let mut rest = bytes;
    (0_u64..).map_while(move |number| {
        let mut drawn = [0; 8];
        lengths.fill(8 * number, &mut drawn);
        let (least, most) = PIECES;
        let len = least + u64::from_le_bytes(drawn) % (most - least + 1);
        let (piece, behind) = rest.split_at(rest.len().min(len as usize));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole() {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| at as u8).collect();
        let cut: Vec<&[u8]> = pieces(&bytes, 7).collect();
        assert!(cut.len() > 15 && cut.concat() == bytes);
        let lengths = cut[..cut.len() - 1].iter().map(|piece| piece.len() as u64);
        assert!(lengths
            .clone()
            .all(|len| len >= PIECES.0 && len <= PIECES.1));
        assert_eq!(pieces(&[], 7).count(), 0);
    }

    #[test]
    fn what_is_sent_comes_and_what_is_wrong_is_told() {
        let mut bytes = vec![0; 300_000];
        Pattern::new(9).fill(0, &mut bytes);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let relay = Relay {
                path: PathBuf::new(),
                protocol,
                seed: 9,
            };
            let run = |bytes: &[u8]| match protocol {
                Protocol::Tcp => relay.tcp(bytes),
                Protocol::Udp => relay.udp(bytes),
            };
            let came = run(&bytes).unwrap();
            assert_eq!((came.bytes, came.wrong), (300_000, 0));
            let mut bad = bytes.clone();
            bad[200_000] ^= 1;
            bad[200_009] ^= 1;
            let came = run(&bad).unwrap();
            assert_eq!((came.wrong, came.first_wrong), (2, Some(200_000)));
        }
    }
}
