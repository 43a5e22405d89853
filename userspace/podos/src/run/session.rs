// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pumping between our streams and the program's.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use podos::{Child, Error, Record, Signals};
use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::output_queue::{OutputQueue, Sink};
use super::own_stream::OwnStream;
use super::signaller::{self, Signaller};

/// Bytes of output that are taken in ahead of our own streams once a signal is to end the program: its
/// end is told behind what it wrote, of which the circuit and both nodes keep less than this.
const AHEAD: usize = 4 << 20;
/// How long our own streams may take nothing, once a signal that was passed on has ended the program.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// See the module. It waits in nothing but `poll(2)`, so that signals are heard whatever our own
/// streams and the other node do.
pub struct Session {
    child: Child,
    stdin: OwnStream,
    source: Source,
    /// Input that was read and not yet taken by the program.
    input: Vec<u8>,
    output: OutputQueue,
    signaller: Signaller,
    /// A signal that asks for the program's end was passed on.
    ending: bool,
    buffer: Vec<u8>,
}

/// How far our own input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// It may have more.
    Open,
    /// It has no more, for this error if there is one; the program is still to be told.
    Ended(Option<Errno>),
    /// The program was told, or there is none any more.
    Done,
}

impl Session {
    /// With a program that was just started.
    ///
    /// # Errors
    ///
    /// No memory, no descriptor or no thread.
    pub fn new(child: Child) -> Result<Self> {
        let signaller = Signaller::new(child.remote().try_clone()?)?;
        Ok(Self {
            child,
            stdin: OwnStream::new(rustix::stdio::stdin()),
            source: Source::Open,
            input: Vec::new(),
            output: OutputQueue::new(),
            signaller,
            ending: false,
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Serves the program to its end; how it ended.
    ///
    /// # Errors
    ///
    /// The program could not be started, its node or the circuit failed, or our own streams did.
    pub fn serve(mut self, signals: &mut Signals) -> Result<ExitStatus> {
        loop {
            let ready = self.wait(signals)?;
            if ready.nothing {
                break;
            }
            if ready.signal {
                let signal = signals.wait().context("cannot read a signal")?;
                if signaller::ends(signal) && self.signaller.waits() {
                    // Asked again, and the node has not even answered the first time.
                    return Ok(ExitStatus::from_raw(signal));
                }
                self.ending |= signaller::ends(signal);
                self.signaller.pass_on(signal);
            }
            if ready.input {
                self.read_input();
            }
            if ready.program_reads {
                self.write_input()?;
            }
            if ready.output {
                self.output.write()?;
            }
            if ready.program_wrote && self.read_output()? {
                // What is left goes where it was going.
                while self.output.sink().is_some() && !self.wait_for_sink()? {
                    self.output.write()?;
                }
                break;
            }
        }
        self.child.status().ok_or_else(|| {
            let node = self.child.remote().node().to_string();
            Error::NoExitStatus { node }.into()
        })
    }

    /// Whether a signal that was passed on has ended the program.
    fn is_killed(&self) -> bool {
        let killed = |status: ExitStatus| status.signal().is_some();
        self.ending && self.child.status().is_some_and(killed)
    }

    /// Whether our own stream takes nothing more, and the program is gone by a signal.
    fn wait_for_sink(&self) -> Result<bool> {
        let Some(sink) = self.output.sink() else {
            return Ok(false);
        };
        let mut fds = [PollFd::from_borrowed_fd(sink, PollFlags::OUT)];
        let patience = self.is_killed().then_some(PATIENCE);
        match poll(&mut fds, patience.as_ref()) {
            Ok(ready) => Ok(ready == 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error).context("cannot wait for the streams"),
        }
    }

    /// Waits until there is something to do.
    fn wait(&self, signals: &Signals) -> Result<Ready> {
        let sink = self.output.sink();
        let takes_output = sink.is_none() || (self.ending && self.output.len() < AHEAD);
        let mut circuit = PollFlags::empty();
        circuit.set(PollFlags::IN, takes_output);
        let told = matches!(self.source, Source::Ended(_));
        circuit.set(PollFlags::OUT, told || !self.input.is_empty());
        let reads = self.source == Source::Open && self.input.is_empty();

        let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
        let mut add = |fd| {
            fds.push(fd);
            fds.len() - 1
        };
        // A circuit at its end would be told of again and again.
        let wanted = !circuit.is_empty();
        let at_circuit = wanted.then(|| add(PollFd::new(self.child.remote(), circuit)));
        let stdin = self.stdin.fd();
        let at_stdin = reads.then(|| add(PollFd::from_borrowed_fd(stdin, PollFlags::IN)));
        let at_sink = sink.map(|sink| add(PollFd::from_borrowed_fd(sink, PollFlags::OUT)));
        let patience = (sink.is_some() && self.is_killed()).then_some(PATIENCE);
        let ready = match poll(&mut fds, patience.as_ref()) {
            Ok(ready) => ready,
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error).context("cannot wait for the streams"),
        };
        let events = |at: Option<usize>| at.map_or(PollFlags::empty(), |at| fds[at].revents());
        let over = PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            nothing: ready == 0,
            signal: !events(Some(0)).is_empty(),
            input: !events(at_stdin).is_empty(),
            output: !events(at_sink).is_empty(),
            program_reads: events(at_circuit).contains(PollFlags::OUT),
            program_wrote: takes_output && events(at_circuit).intersects(over | PollFlags::IN),
        })
    }

    /// Takes what our input has. That it can't be read is the program's to know: it may not want to.
    fn read_input(&mut self) {
        let mut buffer = [0; 16 * 1024];
        match self.stdin.read(&mut buffer) {
            Ok(0) => self.source = Source::Ended(None),
            Ok(len) => self.input.extend_from_slice(&buffer[..len]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => self.source = Source::Ended(Some(error)),
        }
    }

    /// Passes on input, or that there is no more. There is room for that, so that it does not wait.
    fn write_input(&mut self) -> Result<()> {
        if self.input.is_empty() {
            if let Source::Ended(error) = self.source {
                let told = match error {
                    None => self.child.end_input(),
                    Some(error) => self.child.fail_input(error.raw_os_error()),
                };
                match told {
                    // The program would wait for it for ever.
                    Err(Error::Io { source, .. }) if is_no_memory(&source) => {
                        return Err(source).context("cannot end standard input");
                    }
                    // The program may be gone, which its output will tell.
                    _ => self.source = Source::Done,
                }
            }
            return Ok(());
        }
        match self.child.remote().write(&self.input) {
            Ok(len) => drop(self.input.drain(..len)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // As above.
            Err(e) if is_no_memory(&e) => return Err(e).context("cannot pass on standard input"),
            // It reads no more; what it still says and how it ends comes by the other way.
            Err(_) => {
                self.input.clear();
                self.source = Source::Done;
            }
        }
        Ok(())
    }

    /// Takes one record; whether the circuit is at its end.
    fn read_output(&mut self) -> Result<bool> {
        let record = match self.child.next(&mut self.buffer) {
            Ok(record) => record,
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        match record {
            Some(Record::Stdout(data)) => self.output.put(Sink::Stdout, data),
            Some(Record::Stderr(data)) => self.output.put(Sink::Stderr, data),
            Some(Record::Exit(_)) => {}
            None => return Ok(true),
        }
        Ok(false)
    }
}

fn is_no_memory(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOMEM)
}

/// What [`Session::wait`] has found.
#[derive(Default)]
struct Ready {
    /// Nothing in all the time that there was.
    nothing: bool,
    signal: bool,
    /// Our input has something.
    input: bool,
    /// What the program wrote can go on.
    output: bool,
    program_reads: bool,
    program_wrote: bool,
}
