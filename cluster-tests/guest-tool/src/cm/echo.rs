// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cm echo-server`, and what is asked of it: `cm ping`, `cm info`.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::{abi, listen, round_trip, Endpoint, To};
use crate::report::{number as error_number, say};

/// Send every message of every circuit back, until killed
///
/// One thread serves all circuits, so that opening one costs no more than CM itself. A circuit that
/// breaks is told with its error number; the server goes on.
#[derive(Debug, clap::Args)]
pub struct EchoServer {}

impl EchoServer {
    pub fn run(&self) -> Result<()> {
        let listener = listen()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?;
        let watch = |endpoint: &Endpoint, number: u64| {
            let data = epoll::EventData::new_u64(number);
            epoll::add(&epoll, endpoint, data, epoll::EventFlags::IN)
                .context("cannot watch a circuit")
        };
        watch(&listener, LISTENER)?;
        let mut circuits = BTreeMap::new();
        let mut numbers = LISTENER + 1..;
        let mut buffer = vec![0; abi::MAX_MESSAGE];
        let mut events = Vec::with_capacity(64);
        loop {
            epoll::wait(&epoll, spare_capacity(&mut events), None)
                .context("cannot wait for circuits")?;
            for event in events.drain(..) {
                let number = event.data.u64();
                if number == LISTENER {
                    let circuit = listener.accept().context("cannot accept a circuit")?;
                    let number = numbers.next().context("too many circuits")?;
                    watch(&circuit, number)?;
                    circuits.insert(number, circuit);
                } else if let Some(circuit) = circuits.get(&number) {
                    match echo(circuit, &mut buffer) {
                        Ok(true) => {}
                        Ok(false) => drop(circuits.remove(&number)),
                        Err(error) => {
                            say("broken", error_number(&error));
                            circuits.remove(&number);
                        }
                    }
                }
            }
        }
    }
}

/// The listener's number among what is watched.
const LISTENER: u64 = 0;

/// Sends one message back; whether there may be more.
fn echo(circuit: &Endpoint, buffer: &mut [u8]) -> io::Result<bool> {
    match circuit.recv(buffer)? {
        0 => Ok(false),
        len => circuit.send(&buffer[..len]).map(|()| true),
    }
}

/// Measure round trips: to an echo server's process, or with --kernel to the kernel's own service
///
/// The first one, which opens the circuit, is told apart.
#[derive(Debug, clap::Args)]
pub struct Ping {
    #[command(flatten)]
    to: To,

    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: u32,

    /// How many round trips
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// From kernel to kernel
    #[arg(long)]
    kernel: bool,
}

impl Ping {
    pub fn run(&self) -> Result<()> {
        if self.kernel {
            return self.ping_kernel();
        }
        let message = vec![0x5a; self.size as usize];
        let mut buffer = vec![0; message.len()];
        let circuit = self.to.connect()?;
        let mut timed = || -> Result<Duration> {
            let start = Instant::now();
            round_trip(&circuit, &message, &mut buffer)?;
            Ok(start.elapsed())
        };
        let first = timed().context("the first round trip")?;
        let mut times = Vec::with_capacity(self.count as usize);
        for _ in 0..self.count {
            times.push(timed()?);
        }
        times.sort_unstable();
        let total: Duration = times.iter().sum();
        say("count", self.count);
        say("first_ns", first.as_nanos());
        say("min_ns", times[0].as_nanos());
        say("median_ns", times[times.len() / 2].as_nanos());
        say("mean_ns", (total / self.count).as_nanos());
        Ok(())
    }

    fn ping_kernel(&self) -> Result<()> {
        let mut ping = abi::Ping {
            host: self.to.argument().host,
            size: self.size,
            count: self.count,
            ..abi::Ping::default()
        };
        Endpoint::open()
            .context(abi::DEVICE)?
            .ping(&mut ping)
            .context("PING")?;
        say("count", self.count);
        say("min_ns", ping.ns_min);
        say("mean_ns", ping.ns_total / u64::from(self.count));
        Ok(())
    }
}

/// Open a circuit to an echo server, make a round trip, show what the circuit has done
#[derive(Debug, clap::Args)]
pub struct Info {
    #[command(flatten)]
    to: To,
}

impl Info {
    pub fn run(&self) -> Result<()> {
        let circuit = self.to.connect()?;
        round_trip(&circuit, b"who?", &mut [0; 4]).context("round trip")?;
        say_info(&circuit)
    }
}

/// Says what a circuit has done.
pub fn say_info(circuit: &Endpoint) -> Result<()> {
    let info = circuit.info().context("INFO")?;
    say("remote", format_args!("{:016x}", info.remote));
    say("index", info.index);
    say("rail", info.rail);
    say("sent", info.sent);
    say("received", info.received);
    say("retransmitted", info.retransmitted);
    say("timeouts", info.timeouts);
    Ok(())
}
