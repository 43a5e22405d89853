// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench serve`: the other end of what is measured, until it is killed.

use std::io;

use anyhow::{bail, Context, Result};

use super::transport::{Channel, Listener, Role, Transport};
use crate::report::say;

/// Clients that are served at once. Their threads stand ready, so that a new client waits for none
/// to be made.
const THREADS: usize = 8;
/// The longest message of a client.
const BUFFER: usize = 1 << 20;

/// Serve rtt, setup and stream until killed; `ready=1` when clients may come
#[derive(Debug, clap::Args)]
pub struct Serve {
    transport: Transport,
    /// Host id of this node
    #[arg(long)]
    host: u32,
}

impl Serve {
    pub fn run(&self) -> Result<()> {
        let listener = self
            .transport
            .listen(self.host)
            .with_context(|| format!("cannot listen for {:?}", self.transport))?;
        say("ready", 1);
        std::thread::scope(|scope| {
            let listener = &*listener;
            let threads: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(move || accept(listener)))
                .collect();
            for thread in threads {
                match thread.join() {
                    Ok(done) => done?,
                    Err(_) => bail!("a thread panicked"),
                }
            }
            Ok(())
        })
    }
}

fn accept(listener: &dyn Listener) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut channel = listener.accept().context("cannot accept a client")?;
        // A client that goes away in the middle is its own trouble, and is told there.
        if let Err(error) = serve(&mut *channel, &mut buffer) {
            eprintln!("podos-testtool: a client: {error}");
        }
    }
}

/// Serves one client to its end.
fn serve(channel: &mut dyn Channel, buffer: &mut [u8]) -> io::Result<()> {
    let len = channel.receive(buffer)?;
    if len == 0 {
        return Ok(());
    }
    let role = Role::of(buffer[0])?;
    channel.send(&buffer[..len])?;
    let mut count = 0u64;
    loop {
        let len = channel.receive(buffer)?;
        match role {
            _ if len == 0 => break,
            Role::Echo => channel.send(&buffer[..len])?,
            Role::Sink => count += len as u64,
        }
    }
    if role == Role::Sink {
        channel.send(&count.to_le_bytes())?;
    }
    channel.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::bench::transport::receive_exact;

    impl Channel for UnixStream {
        fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
            io::Write::write_all(self, bytes)
        }

        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            io::Read::read(self, buffer)
        }

        fn finish(&mut self) -> io::Result<()> {
            self.shutdown(std::net::Shutdown::Write)
        }
    }

    fn with_server(client: impl FnOnce(&mut UnixStream)) -> io::Result<()> {
        let (mut ours, mut its) = UnixStream::pair()?;
        std::thread::scope(|scope| {
            let server = scope.spawn(move || serve(&mut its, &mut [0; 64]));
            client(&mut ours);
            drop(ours);
            server.join().expect("the server does not panic")
        })
    }

    #[test]
    fn an_echo_sends_back_what_it_got() {
        with_server(|client| {
            for message in [&b"E"[..], b"hello", b"again"] {
                client.send(message).unwrap();
                let mut answer = vec![0; message.len()];
                receive_exact(client, &mut answer).unwrap();
                assert_eq!(answer, message);
            }
        })
        .unwrap();
    }

    #[test]
    fn a_sink_counts_what_came_after_the_role() {
        with_server(|client| {
            client.send(b"S").unwrap();
            receive_exact(client, &mut [0]).unwrap();
            (0..100).for_each(|_| client.send(&[7; 30]).unwrap());
            client.finish().unwrap();
            let mut count = [0; 8];
            receive_exact(client, &mut count).unwrap();
            assert_eq!(u64::from_le_bytes(count), 3000);
        })
        .unwrap();
    }

    #[test]
    fn an_unknown_role_is_refused() {
        let served = with_server(|client| client.send(b"?").unwrap());
        assert!(served.unwrap_err().to_string().contains("'?'"));
    }
}
