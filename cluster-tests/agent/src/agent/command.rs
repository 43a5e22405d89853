// SPDX-License-Identifier: MIT OR Apache-2.0

//! A command of the harness and its three streams.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process;

use podos_agent_proto::{Command, Exit, Frame, Stream, MAX_DATA};
use podos_process::child::{signal_group, spawn, Spawned};
use podos_process::watch::Watch;
use podos_process::ENVIRONMENT;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{setpgid, Pid};

use super::credit::{Backlog, Credit, Overrun};

/// The working directory of commands, unless told otherwise.
const HOME: &str = "/root";

/// A command that runs, or has ended and left output to send.
#[derive(Debug)]
pub struct Running {
    name: String,
    spawned: Spawned,
    /// Set when the status was taken; from then on the process group is no longer ours to signal.
    exit: Option<Exit>,
    stdin: Input,
    stdout: Output,
    stderr: Output,
}

impl Running {
    /// Starts a command in a process group of its own. Whether its program could be executed
    /// turns out at its end, so that nobody waits for a program on a node that does not answer.
    pub fn start(command: Command) -> io::Result<Self> {
        let mut argv = command.argv.into_iter().map(OsString::from_vec);
        let program = argv.next().ok_or(Errno::INVAL)?;
        let name = program.to_string_lossy().into_owned();
        let (from_agent, stdin) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stdout, to_agent) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, errors_to_agent) = pipe_with(PipeFlags::CLOEXEC)?;
        for ours in [&stdin, &stdout, &stderr] {
            rustix::io::ioctl_fionbio(ours, true)?;
        }
        let mut child = process::Command::new(program);
        let variables = command.env.into_iter();
        child
            .args(argv)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(
                variables
                    .map(|(name, value)| (OsString::from_vec(name), OsString::from_vec(value))),
            )
            .current_dir(command.cwd.map_or(HOME.into(), OsString::from_vec))
            .process_group(0)
            .stdin(from_agent)
            .stdout(to_agent)
            .stderr(errors_to_agent);
        let spawned = spawn(child, be_ordinary)?;
        // The child does the same; whoever is first, the group is there for the next signal. It
        // fails once the child has executed its program, when it is there already.
        let _ = setpgid(Some(spawned.pid), Some(spawned.pid));
        Ok(Self {
            name,
            spawned,
            exit: None,
            stdin: Input::new(stdin),
            stdout: Output::new(stdout),
            stderr: Output::new(stderr),
        })
    }

    /// The command's process and process group.
    pub fn pid(&self) -> Pid {
        self.spawned.pid
    }

    /// Whether its process is still there.
    pub fn is_alive(&self) -> bool {
        self.exit.is_none()
    }

    /// Sends a signal to the command's process group.
    pub fn signal(&self, signal: u8) {
        if self.is_alive() {
            signal_group(self.pid(), signal.into());
        }
    }

    /// The command's process has ended. What its output pipes hold by now is its output; what
    /// processes that it left behind write later is not.
    pub fn ended(&mut self, exit: Exit) {
        self.exit = Some(exit);
        self.stdout.end();
        self.stderr.end();
    }

    /// Takes bytes for the command's input; gives the credit to return for bytes nobody will read.
    pub fn input(&mut self, data: &[u8]) -> Result<u32, Overrun> {
        self.stdin.backlog.push(data)?;
        Ok(self.stdin.advance())
    }

    /// No more input follows.
    pub fn end_of_input(&mut self) {
        self.stdin.ending = true;
        self.stdin.advance();
    }

    /// Hands input on to the command; gives the credit to return.
    pub fn advance_input(&mut self) -> u32 {
        self.stdin.advance()
    }

    /// The harness took `bytes` of an output stream.
    pub fn credit(&mut self, stream: Stream, bytes: u32) {
        match stream {
            Stream::Stdin => {}
            Stream::Stdout => self.stdout.credit.restore(bytes),
            Stream::Stderr => self.stderr.credit.restore(bytes),
        }
    }

    /// The next piece of an output stream.
    pub fn output(&mut self, stream: Stream) -> Option<Vec<u8>> {
        match stream {
            Stream::Stdin => None,
            Stream::Stdout => self.stdout.read(),
            Stream::Stderr => self.stderr.read(),
        }
    }

    /// The session's last frame, once the command has ended and all its output was read.
    pub fn last_frame(&mut self) -> Option<Frame> {
        let exit = self.exit?;
        if self.stdout.fd.is_some() || self.stderr.fd.is_some() {
            return None;
        }
        Some(match self.spawned.failure() {
            None => Frame::Exited(exit),
            Some(errno) => Frame::Failed {
                errno,
                message: format!(
                    "cannot run {}: {}",
                    self.name,
                    io::Error::from_raw_os_error(errno)
                ),
            },
        })
    }

    /// What to wait for; output only when there is `room` for it.
    pub fn watches<T>(&self, room: bool, token: impl Fn(Stream) -> T) -> Vec<Watch<'_, T>> {
        let mut watches = Vec::new();
        let outputs = [
            (Stream::Stdout, &self.stdout),
            (Stream::Stderr, &self.stderr),
        ];
        for (stream, output) in outputs {
            match &output.fd {
                Some(fd) if room && output.allowance() > 0 => watches.push(Watch {
                    token: token(stream),
                    fd: fd.as_fd(),
                    events: PollFlags::IN,
                }),
                _ => {}
            }
        }
        match &self.stdin.fd {
            Some(fd) if !self.stdin.backlog.is_empty() => watches.push(Watch {
                token: token(Stream::Stdin),
                fd: fd.as_fd(),
                events: PollFlags::OUT,
            }),
            _ => {}
        }
        watches
    }
}

/// Makes the child one that the kernel may kill for want of memory, which the agent is not.
fn be_ordinary() -> io::Result<()> {
    const ADJUSTMENT: &str = "/proc/self/oom_score_adj";
    if std::fs::read_to_string(ADJUSTMENT)?.starts_with('-') {
        std::fs::write(ADJUSTMENT, "0")?;
    }
    Ok(())
}

/// The command's standard input.
#[derive(Debug)]
struct Input {
    /// `None` when it was closed, by either side.
    fd: Option<OwnedFd>,
    backlog: Backlog,
    ending: bool,
}

impl Input {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Some(fd),
            backlog: Backlog::default(),
            ending: false,
        }
    }

    fn advance(&mut self) -> u32 {
        let mut credit = 0;
        while let Some(fd) = self.fd.as_ref().filter(|_| !self.backlog.is_empty()) {
            match rustix::io::write(fd, self.backlog.first()) {
                Ok(len) => credit += self.backlog.take(len),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return credit,
                // Nobody reads it any more.
                Err(_) => self.fd = None,
            }
        }
        if self.fd.is_none() {
            // The harness may go on sending, as to any pipe into the void.
            credit += self.backlog.take_all();
        }
        if self.ending {
            self.fd = None;
        }
        credit
    }
}

/// Standard output or error of the command.
#[derive(Debug)]
struct Output {
    /// `None` when all of it was read.
    fd: Option<OwnedFd>,
    credit: Credit,
    /// Once the command has ended: bytes of it still in the pipe.
    left: Option<usize>,
}

impl Output {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Some(fd),
            credit: Credit::new(),
            left: None,
        }
    }

    fn allowance(&self) -> usize {
        let left = self.left.unwrap_or(MAX_DATA);
        MAX_DATA.min(left).min(self.credit.left())
    }

    fn end(&mut self) {
        let Some(fd) = &self.fd else { return };
        match rustix::io::ioctl_fionread(fd) {
            Ok(left) if left > 0 => self.left = Some(left as usize),
            _ => self.fd = None,
        }
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let mut data = vec![0; self.allowance()];
        if data.is_empty() {
            return None;
        }
        match rustix::io::read(self.fd.as_ref()?, &mut data) {
            Ok(len) => {
                data.truncate(len);
                self.credit.spend(len);
                self.left = self.left.map(|left| left - len);
                if len == 0 || self.left == Some(0) {
                    self.fd = None;
                }
                Some(data).filter(|data| !data.is_empty())
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => {
                self.fd = None;
                None
            }
        }
    }
}
