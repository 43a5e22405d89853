// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm`: circuits, groups and ephemeral messages between processes, through the test module's
//! device.

pub mod abi;
mod bad_frames;
mod echo;
mod edges;
mod endpoint;
mod ephemeral;
mod group;
mod load;
mod transfer;

use std::io;

use anyhow::{anyhow, Context, Result};

pub use endpoint::Endpoint;

use crate::report::say;

/// Use the Communication Manager through /dev/podos-cm
#[derive(Debug, clap::Args)]
pub struct Cm {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    EchoServer(echo::EchoServer),
    Ping(echo::Ping),
    Info(echo::Info),
    Send(transfer::Send),
    Recv(transfer::Recv),
    OpenClose(load::OpenClose),
    Many(load::Many),
    Edges(edges::Edges),
    Group(group::Group),
    Ephemeral(ephemeral::Ephemeral),
    Ephemerals(ephemeral::Ephemerals),
    BadFrames(bad_frames::BadFrames),
}

impl Cm {
    pub fn run(&self) -> Result<()> {
        match &self.verb {
            Verb::BadFrames(verb) => verb.run(),
            Verb::EchoServer(verb) => verb.run(),
            Verb::Ping(verb) => verb.run(),
            Verb::Info(verb) => verb.run(),
            Verb::Send(verb) => verb.run(),
            Verb::Recv(verb) => verb.run(),
            Verb::OpenClose(verb) => verb.run(),
            Verb::Many(verb) => verb.run(),
            Verb::Edges(verb) => verb.run(),
            Verb::Group(verb) => verb.run(),
            Verb::Ephemeral(verb) => verb.run(),
            Verb::Ephemerals(verb) => verb.run(),
        }
    }
}

/// The other end of a circuit, on the command line.
#[derive(Clone, Copy, Debug, clap::Args)]
struct To {
    /// A node by its number, or a process by the 16 digits of its GPID
    #[arg(value_parser = parse_gpid)]
    to: u64,

    /// The circuit's transmission group
    #[arg(long, value_enum, default_value_t = TransmissionGroup::Default)]
    group: TransmissionGroup,
}

/// How a circuit's frames are dealt to the rails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[repr(u32)]
enum TransmissionGroup {
    /// The cluster's
    Default = 0,
    Single = 1,
    RoundRobin = 2,
    Load = 3,
    Stripe = 4,
}

impl To {
    /// The argument of CONNECT.
    fn argument(self) -> abi::Connect {
        abi::Connect {
            host: (self.to >> 32) as u32,
            group: self.group as u32,
            gpid: if self.to & 0xffff == 0 { 0 } else { self.to },
        }
    }

    /// An endpoint whose first message opens a circuit.
    fn connect(self) -> Result<Endpoint> {
        Endpoint::connect(self.argument())
            .with_context(|| format!("cannot open {} (is podos_cmtest loaded?)", abi::DEVICE))
    }
}

/// `4` is the node 4, `0000000400010203` a process on it.
fn parse_gpid(text: &str) -> Result<u64> {
    let bad = || anyhow!("`{text}` is neither a node's number nor the 16 digits of a GPID");
    if text.len() == 16 {
        return u64::from_str_radix(text, 16).map_err(|_| bad());
    }
    let host: u32 = text.parse().map_err(|_| bad())?;
    Ok(u64::from(host) << 32)
}

/// A listening endpoint; tells whoever started the verb that it is there.
fn listen() -> Result<Endpoint> {
    let endpoint = Endpoint::listen()
        .with_context(|| format!("cannot open {} (is podos_cmtest loaded?)", abi::DEVICE))?;
    say("ready", 1);
    Ok(endpoint)
}

/// Sends `message` and wants it back.
fn round_trip(endpoint: &Endpoint, message: &[u8], buffer: &mut [u8]) -> io::Result<()> {
    endpoint.send(message)?;
    let len = endpoint.recv(buffer)?;
    if buffer[..len] == *message {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} bytes came back as {len} others", message.len()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ends() {
        assert_eq!(parse_gpid("4").unwrap(), 4 << 32);
        assert_eq!(parse_gpid("0000000400010203").unwrap(), 0x4_0001_0203);
        assert!(parse_gpid("linus4").is_err());
        assert!(parse_gpid("").is_err());
    }

    #[test]
    fn a_process_is_more_than_its_node() {
        let group = TransmissionGroup::Stripe;
        let node = To { to: 4 << 32, group }.argument();
        assert_eq!((node.host, node.gpid, node.group), (4, 0, 4));
        let to = 0x4_0001_0203;
        assert_eq!(To { to, group }.argument().gpid, to);
    }
}
