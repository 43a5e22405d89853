// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster console`.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use rustix::termios::{isatty, tcgetattr, tcsetattr, OptionalActions, Termios};

use super::Name;
use crate::context::Context;
use crate::Xtask;

/// Ctrl-], as in telnet.
const ESCAPE: u8 = 0x1d;

/// Use a node's serial console from this terminal. Ctrl-] leaves it.
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
        let cluster = podos_harness::Cluster::find(&self.name.name)?;
        let node = cluster.node_named(&self.node)?;
        let stream = node.attach_console()?;
        let raw = RawTerminal::enter()?;
        if raw.is_some() {
            eprint!("console of {}; Ctrl-] leaves it\r\n", node.name());
        }
        let typed = stream
            .try_clone()
            .context("share the console's connection")?;
        // Not joined: it may sit in a read of the terminal.
        std::thread::spawn(move || type_in(typed));
        print(stream)?;
        drop(raw);
        eprintln!();
        Ok(ExitCode::SUCCESS)
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
                stdout.write_all(&buffer[..count])?;
                stdout.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error).context("read the console"),
        }
    }
}

/// The terminal, without line editing and signals while this lives.
struct RawTerminal(Termios);

impl RawTerminal {
    /// `None` when standard input is no terminal.
    fn enter() -> Result<Option<Self>> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(None);
        }
        let before = tcgetattr(&stdin).context("read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).context("set the terminal raw")?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
