// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm edges`: how the device handles calls that make no sense, or have to wait.

use std::io;

use anyhow::Result;
use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};

use super::{abi, round_trip, Endpoint, To};
use crate::report::{errno, say};

/// Bytes of a message of several segments.
const LONG: usize = 100_000;
/// A host that no cluster of the tests has.
const NOBODY: u32 = 0xffff;

/// Check the error numbers of calls at the edges, against an echo server
///
/// One line for each case, `NAME=ok` or what was found; `wrong` counts the latter.
#[derive(Debug, clap::Args)]
pub struct Edges {
    #[command(flatten)]
    to: To,
}

impl Edges {
    pub fn run(&self) -> Result<()> {
        let mut wrong = 0;
        for (name, expected, case) in CASES {
            let found = errno(&case(self.to));
            if found == *expected {
                say(name, "ok");
            } else {
                say(name, format_args!("{found} instead of {expected}"));
                wrong += 1;
            }
        }
        say("wrong", wrong);
        Ok(())
    }
}

type Case = fn(To) -> io::Result<()>;

/// Name, error number, what to do.
const CASES: &[(&str, i32, Case)] = &[
    ("write_to_nobody", libc::ENOTCONN, |_| {
        Endpoint::open()?.send(b"x")
    }),
    ("read_from_nobody", libc::ENOTCONN, |_| {
        Endpoint::open()?.recv(&mut [0]).map(drop)
    }),
    ("info_of_nobody", libc::ENOTCONN, |_| {
        Endpoint::open()?.info().map(drop)
    }),
    ("accept_without_listen", libc::EINVAL, |_| {
        Endpoint::open()?.accept().map(drop)
    }),
    ("listen_twice", libc::EADDRINUSE, |_| {
        let _first = Endpoint::listen()?;
        Endpoint::listen().map(drop)
    }),
    ("listen_again_after_close", 0, |_| {
        drop(Endpoint::listen()?);
        Endpoint::listen().map(drop)
    }),
    ("connect_when_connected", libc::EISCONN, |to| {
        let endpoint = Endpoint::connect(to.argument())?;
        endpoint.connect_to(to.argument())
    }),
    ("unknown_transmission_group", libc::EINVAL, |to| {
        let mut argument = to.argument();
        argument.group = 99;
        Endpoint::connect(argument).map(drop)
    }),
    ("host_that_is_not_there", libc::EHOSTDOWN, |_| {
        let host = NOBODY;
        let argument = abi::Connect {
            host,
            ..abi::Connect::default()
        };
        Endpoint::connect(argument)?.send(b"x")
    }),
    ("message_too_long", libc::EMSGSIZE, |to| {
        Endpoint::connect(to.argument())?.send(&vec![0; abi::MAX_MESSAGE + 1])
    }),
    ("nothing_to_read", libc::EAGAIN, |to| {
        let circuit = Endpoint::connect(to.argument())?;
        round_trip(&circuit, b"x", &mut [0])?;
        let flags = fcntl_getfl(&circuit)?;
        fcntl_setfl(&circuit, flags | OFlags::NONBLOCK)?;
        circuit.recv(&mut [0]).map(drop)
    }),
    ("short_message_stays", 0, |to| stays(to, 1000)),
    ("long_message_stays", 0, |to| stays(to, LONG)),
    ("write_after_shutdown", libc::EPIPE, |to| {
        let circuit = Endpoint::connect(to.argument())?;
        round_trip(&circuit, b"x", &mut [0])?;
        circuit.shutdown()?;
        circuit.send(b"y")
    }),
    ("end_after_shutdown", 0, |to| {
        let circuit = Endpoint::connect(to.argument())?;
        round_trip(&circuit, b"x", &mut [0])?;
        circuit.shutdown()?;
        expect(circuit.recv(&mut [0])? == 0)
    }),
    ("read_after_abort", libc::ECONNRESET, |to| {
        let circuit = Endpoint::connect(to.argument())?;
        round_trip(&circuit, b"x", &mut [0])?;
        circuit.abort()?;
        circuit.recv(&mut [0]).map(drop)
    }),
    ("ping_too_large", libc::EINVAL, |to| {
        let mut ping = abi::Ping {
            host: to.argument().host,
            size: u32::MAX,
            count: 1,
            ..abi::Ping::default()
        };
        Endpoint::open()?.ping(&mut ping)
    }),
    ("group_of_nobody", libc::EINVAL, |_| {
        Endpoint::open()?.group(abi::GROUP_CALL, &mut [], b"x", 0)
    }),
    ("ephemeral_too_long", libc::EMSGSIZE, |_| {
        Endpoint::open()?.ephemeral(0, &[0; abi::MAX_EPHEMERAL + 1], 1)
    }),
];

/// A message for which a buffer is too small, twice, comes whole when there is room.
fn stays(to: To, len: usize) -> io::Result<()> {
    let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    let circuit = Endpoint::connect(to.argument())?;
    circuit.send(&message)?;
    for short in [1, len / 2] {
        let read = circuit.recv(&mut vec![0; short]);
        expect(errno(&read) == libc::EMSGSIZE)?;
    }
    let mut buffer = vec![0; len];
    expect(circuit.recv(&mut buffer)? == len && buffer == message)
}

fn expect(holds: bool) -> io::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
