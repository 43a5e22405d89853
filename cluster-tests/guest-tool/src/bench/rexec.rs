// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench rexec-serve` and its client: a remote shell like rsh, over TCP, and with less to do.
//!
//! The client is this program by the name `rexec`, as in `rexec 2 /bin/echo hello`: under its own
//! name, the time that it takes to parse its large command line would count as the peer's.
//!
//! The program's standard streams are the connection itself, so that nobody stands between them.
//! rsh has a second connection, asks who the caller is, and has a shell take the command line
//! apart; like rsh, this does not tell the exit status. So its time is the least that such a
//! program can take.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{bail, Context, Result};

use super::tcp;
use crate::report::say;

const PORT: u16 = 7081;
/// No command line is longer.
const LONGEST: usize = 64 * 1024;

/// Serve rexec until killed; `ready=1` when clients may come
#[derive(Debug, clap::Args)]
pub struct Serve {}

impl Serve {
    pub fn run(&self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("cannot listen")?;
        say("ready", 1);
        loop {
            let (stream, _) = listener.accept().context("cannot accept a client")?;
            thread::spawn(move || {
                // Its client sees that nothing comes, and what is wrong is told here.
                if let Err(error) = serve(stream) {
                    eprintln!("podos-testtool: a client: {error}");
                }
            });
        }
    }
}

/// Runs the program that a client asks for, with the connection as its streams.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let args = receive(&mut stream)?;
    let out = OwnedFd::from(stream.try_clone()?);
    let mut child = Command::new(&args[0])
        .args(&args[1..])
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(out))
        .spawn()?;
    child.wait()?;
    Ok(())
}

pub fn connect(host: u32) -> Result<TcpStream> {
    let stream = TcpStream::connect((tcp::address(host)?, PORT))
        .with_context(|| format!("no rexec on host {host}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Length of all in 4 bytes, little-endian; then strings that each end with a null byte.
pub fn encode(args: &[OsString]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for arg in args {
        bytes.extend_from_slice(arg.as_bytes());
        bytes.push(0);
    }
    let len = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes
}

fn receive(from: &mut impl Read) -> io::Result<Vec<OsString>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "no command line");
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > LONGEST {
        return Err(bad());
    }
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes)?;
    let strings = bytes.strip_suffix(b"\0").ok_or_else(bad)?;
    let strings = strings.split(|byte| *byte == 0);
    Ok(strings.map(|s| OsString::from_vec(s.to_vec())).collect())
}

/// What this program is called to be the client.
const NAME: &str = "rexec";

/// The client's end, if that is what this program was called as.
pub fn by_name() -> Option<Result<()>> {
    let mut args = std::env::args_os();
    let called = args.next()?;
    (Path::new(&called).file_name()? == NAME).then(|| client(&args.collect::<Vec<_>>()))
}

/// Runs a program on another node; output and input are ours.
fn client(args: &[OsString]) -> Result<()> {
    let (host, command) = match args {
        [host, command @ ..] if !command.is_empty() => (host, command),
        _ => bail!("usage: {NAME} HOST PROGRAM [ARGUMENT...]"),
    };
    let host = host.to_str().and_then(|host| host.parse().ok());
    let mut stream = connect(host.with_context(|| format!("{args:?}: no host id"))?)?;
    stream.write_all(&encode(command))?;
    let input = stream.try_clone()?;
    // Input that nobody takes any more is not waited for: our end ends it.
    thread::spawn(move || pass_on(io::stdin().lock(), &input));
    let mut out = io::stdout().lock();
    let mut buffer = vec![0; 65536];
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            len => {
                out.write_all(&buffer[..len])?;
                out.flush()?;
            }
        }
    }
    Ok(())
}

/// Our input to its end.
fn pass_on(mut from: impl Read, mut to: &TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 65536];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            len => to.write_all(&buffer[..len])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_come_as_they_went() {
        let args: Vec<_> = ["echo", "", "a b"].map(OsString::from).into();
        assert_eq!(receive(&mut &encode(&args)[..]).unwrap(), args);
        for bad in [
            &b"\0\0\0\0"[..],
            b"\x02\0\0\0ab",
            b"\x05\0\0\0a\0",
            b"\0\0\0\xff",
            b"",
        ] {
            assert!(receive(&mut &bad[..]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_program_has_the_connection_as_its_streams() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let serving = thread::spawn(move || serve(server));
        client.write_all(&encode(&["cat".into()])).unwrap();
        pass_on(&b"there and back"[..], &client).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "there and back");
        serving.join().unwrap().unwrap();
    }
}
