// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent: runs what the harness asks for over the virtio-serial port.

mod command;
mod credit;
mod doomed;
mod file;
mod port;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use podos_agent_proto::{Command, Exit, Frame, Stream, NODE, VERSION};
use podos_process::watch::Watch;
use rustix::event::PollFlags;
use rustix::process::Pid;

use crate::journal;
use command::Running;
use doomed::Doomed;
use file::Reading;
use port::{Port, Received};
use search::Search;

/// What the agent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Device events, while there is no port.
    Search,
    /// The port.
    Port,
    /// A stream of a command.
    Stream(u32, Stream),
    /// A file being read.
    File(u32),
}

/// The agent and all its sessions.
#[derive(Debug)]
pub struct Agent {
    node: u32,
    search: Search,
    port: Option<Port>,
    /// What went wrong in the boot, once that is over.
    problems: Option<Vec<String>>,
    commands: BTreeMap<u32, Running>,
    files: BTreeMap<u32, Reading>,
    doomed: Doomed,
    poweroff: bool,
}

impl Agent {
    /// The agent of a node that boots; it looks for its port.
    pub fn new(node: u32) -> io::Result<Self> {
        let mut agent = Self::without_port(node)?;
        agent.look_for_port();
        Ok(agent)
    }

    fn without_port(node: u32) -> io::Result<Self> {
        Ok(Self {
            node,
            search: Search::new()?,
            port: None,
            problems: None,
            commands: BTreeMap::new(),
            files: BTreeMap::new(),
            doomed: Doomed::default(),
            poweroff: false,
        })
    }

    /// The boot is over; says so to the harness, now and whenever it comes back.
    pub fn ready(&mut self, problems: Vec<String>) {
        self.send(
            NODE,
            Frame::Ready {
                problems: problems.clone(),
            },
        );
        self.problems = Some(problems);
    }

    /// Whether the harness wants the node switched off, and this was not asked before.
    pub fn take_poweroff(&mut self) -> bool {
        std::mem::take(&mut self.poweroff)
    }

    /// Whether no command is left, and nothing waits to be sent.
    pub fn is_idle(&self) -> bool {
        self.commands.is_empty() && self.port.as_ref().is_none_or(Port::is_empty)
    }

    /// What to wait for.
    pub fn watches(&self) -> Vec<Watch<'_, Token>> {
        let Some(port) = &self.port else {
            return vec![Watch {
                token: Token::Search,
                fd: self.search.as_fd(),
                events: PollFlags::IN,
            }];
        };
        let mut watches: Vec<_> = port.watch(Token::Port).into_iter().collect();
        for (&id, command) in &self.commands {
            watches.extend(command.watches(port.has_room(), |stream| Token::Stream(id, stream)));
        }
        watches.extend(
            self.files
                .iter()
                .map(|(&id, file)| file.watch(Token::File(id))),
        );
        watches
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.doomed.deadline()
    }

    /// Does what is due, and sends what has come together.
    pub fn tick(&mut self, now: Instant) {
        self.doomed.tick(now);
        self.finish_commands();
        if let Some(Err(error)) = self.port.as_mut().map(Port::flush) {
            self.lose_port(&error);
        }
    }

    /// Something has come for `token`, which may be of a session that is over by now.
    pub fn handle(&mut self, token: Token) {
        match token {
            Token::Search => self.look_for_port(),
            Token::Port => self.receive(),
            Token::Stream(id, Stream::Stdin) => {
                let credit = self.commands.get_mut(&id).map(Running::advance_input);
                self.give_back(id, credit.unwrap_or(0));
            }
            Token::Stream(id, stream) => {
                let command = self.commands.get_mut(&id);
                if let Some(data) = command.and_then(|command| command.output(stream)) {
                    self.send(id, Frame::Data(stream, data));
                }
            }
            Token::File(id) => {
                if let Some(answer) = self.files.get_mut(&id).and_then(Reading::advance) {
                    self.files.remove(&id);
                    self.send(id, answer);
                }
            }
        }
    }

    /// A child has ended and is about to be reaped; most are none of the agent's.
    pub fn ended(&mut self, pid: Pid, exit: Exit) {
        self.doomed.ended(pid);
        self.files.values_mut().for_each(|file| file.ended(pid));
        let mut commands = self.commands.values_mut();
        if let Some(command) = commands.find(|one| one.is_alive() && one.pid() == pid) {
            command.ended(exit);
        }
    }

    /// The host may have come or gone.
    pub fn port_changed(&mut self) {
        match self.port.as_mut().map(Port::arrival) {
            Some(Ok(true)) => self.greet(),
            Some(Ok(false)) | None => {}
            Some(Err(error)) => self.lose_port(&error),
        }
    }

    fn look_for_port(&mut self) {
        let found = self.search.find().and_then(|found| match found {
            None => Ok(None),
            Some(device) => {
                let port = Port::new(device);
                port.signal_changes()?;
                Ok(Some(port))
            }
        });
        match found {
            Ok(port) => {
                self.port = port;
                self.port_changed();
            }
            Err(error) => journal::say(&format!("cannot use the agent's port: {error}")),
        }
    }

    fn lose_port(&mut self, error: &io::Error) {
        journal::say(&format!("the agent's port is lost: {error}"));
        self.end_sessions();
        self.port = None;
    }

    fn greet(&mut self) {
        let hello = Frame::Hello {
            version: VERSION,
            node: self.node,
        };
        self.send(NODE, hello);
        if let Some(problems) = self.problems.clone() {
            self.send(NODE, Frame::Ready { problems });
        }
    }

    fn receive(&mut self) {
        let Some(port) = &mut self.port else { return };
        let received = match port.receive() {
            Ok(received) => received,
            Err(error) => return self.lose_port(&error),
        };
        loop {
            match self.port.as_mut().map(Port::next_frame) {
                Some(Ok(Some((id, frame)))) => self.take(id, frame),
                Some(Ok(None)) | None => break,
                Some(Err(error)) => self.refuse(&error.to_string()),
            }
        }
        if received == Received::Gone {
            self.end_sessions();
            if let Some(port) = &mut self.port {
                port.departed();
            }
            // It may be back already.
            self.port_changed();
        }
    }

    /// The host does not keep to the protocol; there is no telling what it means from here on.
    fn refuse(&mut self, why: &str) {
        journal::say(&format!(
            "the host does not speak the agent protocol ({why}); it must connect again"
        ));
        self.end_sessions();
        if let Some(port) = &mut self.port {
            port.ignore();
        }
    }

    fn take(&mut self, id: u32, frame: Frame) {
        match frame {
            Frame::Exec(command) => self.execute(id, command),
            Frame::ReadFile(path) => self.read_file(id, path),
            Frame::Ping => self.send(id, Frame::Pong),
            Frame::Poweroff => self.poweroff = true,
            Frame::Close => self.close(id),
            // These may cross with the session's last frame, so that it is over already.
            Frame::Data(Stream::Stdin, data) => {
                let took = self.commands.get_mut(&id).map(|one| one.input(&data));
                match took {
                    Some(Err(credit::Overrun)) => self.refuse("more input than the window"),
                    Some(Ok(credit)) => self.give_back(id, credit),
                    None => {}
                }
            }
            Frame::StdinEof => {
                if let Some(command) = self.commands.get_mut(&id) {
                    command.end_of_input();
                }
            }
            Frame::Credit(stream, bytes) => {
                if let Some(command) = self.commands.get_mut(&id) {
                    command.credit(stream, bytes);
                }
            }
            Frame::Signal(signal) => {
                if let Some(command) = self.commands.get(&id) {
                    command.signal(signal);
                }
            }
            Frame::Hello { .. }
            | Frame::Ready { .. }
            | Frame::Data(..)
            | Frame::Exited(_)
            | Frame::Failed { .. }
            | Frame::Content(_)
            | Frame::Pong => self.refuse("it sends what only agents send"),
        }
    }

    fn execute(&mut self, id: u32, command: Command) {
        if self.is_in_use(id) {
            return self.refuse("a session id is used twice");
        }
        match Running::start(command) {
            Ok(command) => drop(self.commands.insert(id, command)),
            Err(error) => self.fail(id, "cannot start the command", &error),
        }
    }

    fn read_file(&mut self, id: u32, path: Vec<u8>) {
        if self.is_in_use(id) {
            return self.refuse("a session id is used twice");
        }
        match Reading::start(path) {
            Ok(file) => drop(self.files.insert(id, file)),
            Err(error) => self.fail(id, "no process to read the file", &error),
        }
    }

    fn is_in_use(&self, id: u32) -> bool {
        self.commands.contains_key(&id) || self.files.contains_key(&id)
    }

    fn fail(&mut self, id: u32, what: &str, error: &io::Error) {
        let failed = Frame::Failed {
            errno: error.raw_os_error().unwrap_or(libc::EINVAL),
            message: format!("{what}: {error}"),
        };
        self.send(id, failed);
    }

    /// Sends what commands left behind, and their last frames.
    fn finish_commands(&mut self) {
        let Some(port) = &mut self.port else { return };
        let mut over = Vec::new();
        for (&id, command) in &mut self.commands {
            if command.is_alive() {
                continue;
            }
            for stream in [Stream::Stdout, Stream::Stderr] {
                while port.has_room() {
                    let Some(data) = command.output(stream) else {
                        break;
                    };
                    send(port, id, &Frame::Data(stream, data));
                }
            }
            if let Some(last) = command.last_frame() {
                send(port, id, &last);
                over.push(id);
            }
        }
        for id in over {
            self.commands.remove(&id);
        }
    }

    fn close(&mut self, id: u32) {
        if let Some(command) = self.commands.remove(&id) {
            if command.is_alive() {
                self.doomed.hang_up(command.pid());
            }
        }
        if let Some(file) = self.files.remove(&id) {
            file.cancel();
        }
    }

    fn end_sessions(&mut self) {
        let ids: Vec<_> = self
            .commands
            .keys()
            .chain(self.files.keys())
            .copied()
            .collect();
        for id in ids {
            self.close(id);
        }
    }

    fn give_back(&mut self, id: u32, credit: u32) {
        if credit > 0 {
            self.send(id, Frame::Credit(Stream::Stdin, credit));
        }
    }

    fn send(&mut self, id: u32, frame: Frame) {
        if let Some(port) = &mut self.port {
            send(port, id, &frame);
        }
    }
}

fn send(port: &mut Port, id: u32, frame: &Frame) {
    if let Err(error) = port.send(id, frame) {
        journal::say(&format!("an answer to the host is left out: {error}"));
    }
}
