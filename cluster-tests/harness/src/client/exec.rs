// SPDX-License-Identifier: MIT OR Apache-2.0

//! A command on a node.

mod dialogue;

pub use dialogue::Dialogue;

use std::ffi::OsStr;
use std::io::{self, Cursor, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use podos_agent_proto::{encode, Command, Decoder, Exit, Frame, Stream, MAX_DATA, WINDOW};

use crate::client::cancellation::Call;
use crate::client::node::Node;
use crate::error::{Error, Result};

/// How long a command may take when nothing else was said.
const LIMIT: Duration = Duration::from_secs(60);

/// A command to run on a node. It gets a process group of its own, and is killed when nobody
/// waits for it any more.
#[derive(Clone, Debug)]
pub struct Exec<'a> {
    node: Node<'a>,
    command: Command,
    stdin: Vec<u8>,
    limit: Duration,
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, without white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

impl<'a> Exec<'a> {
    pub(crate) fn new(node: Node<'a>, program: &OsStr) -> Self {
        let command = Command {
            argv: vec![program.as_bytes().to_vec()],
            ..Command::default()
        };
        Self {
            node,
            command,
            stdin: Vec::new(),
            limit: LIMIT,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.argv.push(arg.as_ref().as_bytes().to_vec());
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, |exec, arg| exec.arg(arg))
    }

    /// A variable in the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let pair = (
            name.as_ref().as_bytes().to_vec(),
            value.as_ref().as_bytes().to_vec(),
        );
        self.command.env.push(pair);
        self
    }

    /// The working directory; `/root` without it.
    pub fn cwd(mut self, folder: impl AsRef<OsStr>) -> Self {
        self.command.cwd = Some(folder.as_ref().as_bytes().to_vec());
        self
    }

    /// Standard input, followed by its end; empty without it.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may take with a kernel that takes its ordinary time, 60 s without it.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever its status.
    pub fn run(self) -> Result<Output> {
        self.spawn()?.wait()
    }

    /// Runs it to its end, which must be status 0.
    pub fn succeed(self) -> Result<Output> {
        let (node, command) = (self.node.name(), self.display());
        let output = self.run()?;
        if output.exit.success() {
            return Ok(output);
        }
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Unsuccessful {
            node,
            command,
            exit: output.exit,
            stderr,
        })
    }

    /// Starts it, and returns while it runs.
    pub fn spawn(self) -> Result<Running> {
        let (mut session, line) = (self.node.session()?, self.display());
        session.send(&Frame::Exec(self.command))?;
        let control = session.try_clone()?;
        let seen = Arc::<Seen>::default();
        let writer = Arc::clone(&seen);
        let limit = self.node.cluster().topology().kernel.scale(self.limit);
        let deadline = Instant::now() + limit;
        let stdin = Cursor::new(self.stdin);
        let driver = std::thread::spawn(move || {
            let result = session.drive(stdin, Some(deadline), &mut |stream, data| {
                writer.add(stream, data);
                Ok(())
            });
            writer.end();
            result
        });
        Ok(Running {
            line,
            limit,
            control,
            seen,
            driver: Some(driver),
        })
    }

    /// Runs it with the standard streams of this process, without a limit of time.
    pub fn run_on_own_streams(self) -> Result<Exit> {
        let mut session = self.node.session()?;
        session.send(&Frame::Exec(self.command))?;
        let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
        let ended = session.drive(io::stdin(), None, &mut |stream, data| match stream {
            Stream::Stderr => stderr.write_all(data),
            _ => stdout.write_all(data).and_then(|()| stdout.flush()),
        })?;
        // Whoever read our output went away: end as a local program would.
        Ok(ended.unwrap_or(Exit::Signal(libc::SIGPIPE as u8)))
    }

    fn display(&self) -> String {
        let words = self
            .command
            .argv
            .iter()
            .map(|word| String::from_utf8_lossy(word));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// A command that runs. Dropping it kills the command.
#[derive(Debug)]
pub struct Running {
    line: String,
    limit: Duration,
    control: Session,
    seen: Arc<Seen>,
    driver: Option<JoinHandle<Result<Option<Exit>>>>,
}

impl Running {
    /// Sends a signal to the command's process group.
    pub fn signal(&mut self, signal: u8) -> Result<()> {
        self.control.send(&Frame::Signal(signal))
    }

    /// Waits until standard output holds this text; an error if the command ends or `limit`
    /// passes before.
    pub fn wait_for_stdout(&self, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut streams = self
            .seen
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !String::from_utf8_lossy(&streams.stdout).contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            if streams.ended || left.is_zero() {
                let stdout = String::from_utf8_lossy(&streams.stdout);
                let message = format!("`{}` did not print {text:?}, but {stdout:?}", self.line);
                return Err(self.control.call.reason(Error::Guest {
                    node: self.control.node.clone(),
                    errno: 0,
                    message,
                }));
            }
            let waited = self.seen.more.wait_timeout(streams, left);
            streams = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Output> {
        let node = self.control.node.clone();
        let panicked = || Error::Supervisor {
            cluster: self.control.node.clone(),
            reason: "the thread of a command's streams panicked".into(),
        };
        let driver = self.driver.take().ok_or_else(panicked)?;
        let seen = &self.seen;
        match driver.join() {
            Ok(Ok(Some(exit))) => {
                let mut streams = seen.streams.lock().unwrap_or_else(PoisonError::into_inner);
                let (stdout, stderr) = (
                    std::mem::take(&mut streams.stdout),
                    std::mem::take(&mut streams.stderr),
                );
                Ok(Output {
                    exit,
                    stdout,
                    stderr,
                })
            }
            Ok(Ok(None)) => {
                let seconds = self.limit.as_secs();
                Err(Error::Deadline {
                    node,
                    command: self.line.clone(),
                    seconds,
                })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(panicked()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.control.hang_up();
    }
}

#[derive(Debug, Default)]
struct Seen {
    streams: Mutex<Streams>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Streams {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ended: bool,
}

impl Seen {
    fn change(&self, change: impl FnOnce(&mut Streams)) {
        change(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        self.more.notify_all();
    }

    fn add(&self, stream: Stream, data: &[u8]) {
        self.change(|streams| match stream {
            Stream::Stderr => streams.stderr.extend(data),
            _ => streams.stdout.extend(data),
        });
    }

    fn end(&self) {
        self.change(|streams| streams.ended = true);
    }
}

/// A connection that carries the frames of one agent session.
#[derive(Debug)]
pub(crate) struct Session {
    node: String,
    stream: UnixStream,
    decoder: Decoder,
    call: Arc<Call>,
}

impl Session {
    pub(crate) fn new(node: String, stream: UnixStream, call: Call) -> Self {
        Self::with(node, stream, Arc::new(call))
    }

    fn with(node: String, stream: UnixStream, call: Arc<Call>) -> Self {
        Self {
            node,
            stream,
            decoder: Decoder::new(),
            call,
        }
    }

    fn try_clone(&self) -> Result<Self> {
        let stream = self.stream.try_clone().map_err(|error| self.lost(error))?;
        let call = Arc::clone(&self.call);
        Ok(Self::with(self.node.clone(), stream, call))
    }

    pub(crate) fn send(&mut self, frame: &Frame) -> Result<()> {
        let mut bytes = Vec::new();
        encode(0, frame, &mut bytes).map_err(|error| Error::Guest {
            node: self.node.clone(),
            errno: libc::E2BIG,
            message: format!("the command line is too long: {error}"),
        })?;
        self.stream
            .write_all(&bytes)
            .map_err(|error| self.lost(error))
    }

    /// Waits for the answer to [`Frame::ReadFile`].
    pub(crate) fn content(&mut self) -> Result<Vec<u8>> {
        match self.receive(Some(Instant::now() + LIMIT))? {
            Some(Frame::Content(content)) => Ok(content),
            Some(Frame::Failed { errno, message }) => Err(self.failed(errno, message)),
            Some(other) => Err(self.lost(io::Error::other(format!("unexpected {other:?}")))),
            None => Err(self.lost(io::Error::from(io::ErrorKind::TimedOut))),
        }
    }

    /// Ends the session from our side; whoever reads from it sees the end.
    fn hang_up(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Moves the streams until the command ends. `None`: the deadline passed, or `output` failed.
    fn drive(
        mut self,
        stdin: impl Read + Send + 'static,
        deadline: Option<Instant>,
        output: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
    ) -> Result<Option<Exit>> {
        let credit = Arc::new(StdinCredit::default());
        let feeder = (self.try_clone()?, Arc::clone(&credit));
        // Never joined: it may sit in a read of a terminal that outlives the command.
        std::thread::spawn(move || feed(stdin, feeder.0, &feeder.1));
        let ended = self.pump(&credit, deadline, output);
        // Before any error goes up: the feeder holds the stream too.
        credit.close();
        self.hang_up();
        ended
    }

    fn pump(
        &mut self,
        credit: &StdinCredit,
        deadline: Option<Instant>,
        output: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
    ) -> Result<Option<Exit>> {
        loop {
            match self.receive(deadline)? {
                None => return Ok(None),
                Some(Frame::Data(stream, data)) => {
                    if output(stream, &data).is_err() {
                        return Ok(None);
                    }
                    self.send_credit(stream, data.len());
                }
                Some(Frame::Credit(Stream::Stdin, bytes)) => credit.give(bytes),
                Some(Frame::Exited(exit)) => return Ok(Some(exit)),
                Some(Frame::Failed { errno, message }) => return Err(self.failed(errno, message)),
                Some(_) => {}
            }
        }
    }

    fn send_credit(&mut self, stream: Stream, bytes: usize) {
        // If it cannot be sent the session is over, which the next receive tells.
        let _ = self.send(&Frame::Credit(stream, bytes as u32));
    }

    /// The next frame; `None` when the deadline passed.
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<Frame>> {
        let mut buffer = [0; 64 * 1024];
        loop {
            let next = self.decoder.next_frame();
            if let Some((_, frame)) = next.map_err(|error| self.lost(io::Error::other(error)))? {
                return Ok(Some(frame));
            }
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                self.stream
                    .set_read_timeout(Some(left))
                    .map_err(|error| self.lost(error))?;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.lost(io::Error::from(io::ErrorKind::UnexpectedEof))),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                    _ => return Err(self.lost(error)),
                },
            }
        }
    }

    fn failed(&self, errno: i32, message: String) -> Error {
        // No guest fails with 0: this is the supervisor's word.
        if errno == 0 {
            return self.call.reason(Error::NodeDown(self.node.clone()));
        }
        Error::Guest {
            node: self.node.clone(),
            errno,
            message,
        }
    }

    fn lost(&self, error: io::Error) -> Error {
        self.call.reason(Error::Io {
            what: format!("talk to the agent of {}", self.node),
            source: error,
        })
    }
}

/// Bytes of standard input that the agent still takes; `None` when the session is over.
struct StdinCredit(Mutex<Option<u32>>, Condvar);

impl Default for StdinCredit {
    fn default() -> Self {
        Self(Mutex::new(Some(WINDOW)), Condvar::new())
    }
}

impl StdinCredit {
    fn change(&self, change: impl FnOnce(Option<u32>) -> Option<u32>) {
        let mut credit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *credit = change(*credit);
        self.1.notify_all();
    }

    fn give(&self, bytes: u32) {
        self.change(|credit| Some(credit?.saturating_add(bytes)));
    }

    fn close(&self) {
        self.change(|_| None);
    }

    /// Waits for credit; how much of `wanted` may be sent, `None` when it is over.
    fn take(&self, wanted: usize) -> Option<usize> {
        let credit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut credit = self
            .1
            .wait_while(credit, |credit| *credit == Some(0))
            .unwrap_or_else(PoisonError::into_inner);
        let taken = wanted.min((*credit)? as usize);
        *credit = credit.map(|credit| credit - taken as u32);
        Some(taken)
    }
}

/// Sends a stream as standard input until its end or the session's.
fn feed(mut stdin: impl Read, mut session: Session, credit: &StdinCredit) {
    let mut buffer = [0; MAX_DATA];
    loop {
        let mut rest = match stdin.read(&mut buffer) {
            // A standard input that cannot be read (it is closed, say) has ended.
            Ok(0) => break,
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        while !rest.is_empty() {
            let Some(count) = credit.take(rest.len()) else {
                return;
            };
            let (now, later) = rest.split_at(count);
            if session
                .send(&Frame::Data(Stream::Stdin, now.to_vec()))
                .is_err()
            {
                return;
            }
            rest = later;
        }
    }
    let _ = session.send(&Frame::StdinEof);
}
