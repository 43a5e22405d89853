// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster console`.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{bail, Context as _, Result};
use podos::Signals;
use rustix::event::{poll, PollFd, PollFlags};
use rustix::process::{getpgrp, getpid, kill_process, Signal};
use rustix::termios::{isatty, tcgetattr, tcgetpgrp, tcsetattr, OptionalActions, Termios};

use super::Name;
use crate::context::Context;
use crate::signals::is_ignored;
use crate::Xtask;

/// Ctrl-], as in telnet.
const ESCAPE: u8 = 0x1d;

/// What ends a program, or stops it, and would leave the terminal raw. A write to the terminal
/// from the background sends the last one, unless it is blocked.
const ENDS: [i32; 6] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTOU,
];

/// Use a node's serial console from this terminal; Ctrl-] leaves it
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask cluster console linus2\n\n\
    Ctrl-] leaves the console; every other key goes to the node. Without a terminal, standard \
    input is typed in and its end leaves.")]
pub struct Console {
    #[command(flatten)]
    name: Name,
    /// The node: linus2, or 2
    node: String,
}

impl Xtask for Console {
    fn run(self, _: &Context) -> Result<ExitCode> {
        // Before any thread is there to which they could go.
        let signals = Signals::block(&ENDS).context("cannot take over signals")?;
        let cluster = self.name.find()?;
        let node = cluster.node_named(&self.node)?;
        let stream = node.attach_console()?;
        attend(stream, &node.name(), signals)?;
        eprintln!();
        Ok(ExitCode::SUCCESS)
    }
}

/// Joins the terminal to a console, until either ends, or a signal ends us.
///
/// What blocks is done by threads that may stay where they are: output that nobody takes, or a
/// node that reads nothing, does not keep the terminal from being given back.
fn attend(stream: UnixStream, name: &str, mut signals: Signals) -> Result<()> {
    let mut raw = RawTerminal::enter()?;
    if raw.is_some() {
        eprintln!("console of {name}; Ctrl-] leaves it\r");
    }
    // To read the terminal's keys would stop us while others have it.
    if raw.is_some() || !is_terminal() {
        let typed = stream
            .try_clone()
            .context("cannot share the console's connection")?;
        std::thread::spawn(move || type_in(typed));
    }
    let (ended, end) = UnixStream::pair().context("cannot make a socket")?;
    let printer = std::thread::spawn(move || {
        let _end = end;
        print(stream)
    });
    loop {
        let mut fds = [
            PollFd::new(&signals, PollFlags::IN),
            PollFd::new(&ended, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the console"),
        }
        if !fds[0].revents().is_empty() {
            let signal = signals.wait().context("cannot read a signal")?;
            if is_ignored(signal) {
                continue;
            }
            drop(raw.take());
            match Signal::from_named_raw(signal) {
                Some(Signal::TSTP) => {
                    kill_process(getpid(), Signal::STOP).context("cannot stop")?;
                    raw = RawTerminal::enter()?;
                    continue;
                }
                // As if nothing had kept it from us: our end tells why.
                Some(signal) => {
                    drop(signals);
                    kill_process(getpid(), signal).context("cannot end by a signal")?;
                }
                None => {}
            }
            bail!("signal {signal} has not ended the console");
        }
        if !fds[1].revents().is_empty() {
            drop(raw);
            return printer
                .join()
                .unwrap_or_else(|_| bail!("the console's thread has failed"));
        }
    }
}

/// Sends the keys, until the escape or the end, and then ends the connection.
fn type_in(mut to: UnixStream) {
    let mut keys = [0; 256];
    loop {
        let count = match io::stdin().read(&mut keys) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let keys = &keys[..count];
        let end = keys.iter().position(|key| *key == ESCAPE);
        if to.write_all(&keys[..end.unwrap_or(count)]).is_err() || end.is_some() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn print(mut from: UnixStream) -> Result<()> {
    let mut stdout = io::stdout();
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                let written = stdout
                    .write_all(&buffer[..count])
                    .and_then(|()| stdout.flush());
                match written {
                    // Who read it has left.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written.context("cannot write what the console says")?,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error).context("cannot read the console"),
        }
    }
}

fn is_terminal() -> bool {
    isatty(io::stdin())
}

/// The terminal, without line editing and signals while this lives.
struct RawTerminal(Termios);

impl RawTerminal {
    /// `None` when standard input is no terminal, or is one that is not ours now: we are in the
    /// background.
    fn enter() -> Result<Option<Self>> {
        let stdin = io::stdin();
        if !is_terminal() || tcgetpgrp(&stdin).ok() != Some(getpgrp()) {
            return Ok(None);
        }
        let before = tcgetattr(&stdin).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).context("cannot set the terminal raw")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // There is nobody to tell. SIGTTOU is blocked, so that this works in the background, too.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
