// SPDX-License-Identifier: MIT OR Apache-2.0

//! A command that answers line by line.

use std::time::{Duration, Instant};

use podos_agent_proto::{Frame, Stream};

use super::{Exec, Session};
use crate::error::{Error, Result};

/// A command that is told a line and says one, over and over. Dropping it kills the command.
#[derive(Debug)]
pub struct Dialogue {
    line: String,
    session: Session,
    /// What it said behind its last whole line.
    said: Vec<u8>,
    errors: Vec<u8>,
}

/// How much of its standard error is kept for messages.
const ERRORS: usize = 4096;

impl Exec<'_> {
    /// Starts it for questions and answers; its limit of time is that of [`Dialogue::ask`].
    pub fn talk(self) -> Result<Dialogue> {
        let (mut session, line) = (self.node.session()?, self.display());
        session.send(&Frame::Exec(self.command))?;
        Ok(Dialogue {
            line,
            session,
            said: Vec::new(),
            errors: Vec::new(),
        })
    }
}

impl Dialogue {
    /// Tells it a line, of 64 KiB at most, and waits for one; an error if the command ends instead,
    /// or `limit` passes. After an error it is of no use any more.
    pub fn ask(&mut self, question: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        // One question at a time stays far below what may be under way without credit.
        let question = format!("{question}\n").into_bytes();
        for piece in question.chunks(podos_agent_proto::MAX_DATA) {
            let data = Frame::Data(Stream::Stdin, piece.to_vec());
            self.session.send(&data)?;
        }
        loop {
            if let Some(end) = self.said.iter().position(|byte| *byte == b'\n') {
                let answer = self.said.drain(..=end).collect::<Vec<_>>();
                return Ok(String::from_utf8_lossy(&answer[..end]).into_owned());
            }
            match self.session.receive(Some(deadline))? {
                Some(Frame::Data(stream, data)) => {
                    self.session.send_credit(stream, data.len());
                    match stream {
                        Stream::Stderr if self.errors.len() < ERRORS => self.errors.extend(data),
                        Stream::Stderr => {}
                        _ => self.said.extend(data),
                    }
                }
                Some(Frame::Exited(exit)) => {
                    return Err(Error::Unsuccessful {
                        node: self.session.node.clone(),
                        command: self.line.clone(),
                        exit,
                        stderr: String::from_utf8_lossy(&self.errors).trim().to_owned(),
                    })
                }
                Some(Frame::Failed { errno, message }) => {
                    return Err(self.session.failed(errno, message))
                }
                Some(_) => {}
                None => {
                    return Err(Error::Deadline {
                        node: self.session.node.clone(),
                        command: self.line.clone(),
                        seconds: limit.as_secs(),
                    })
                }
            }
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.session.hang_up();
    }
}
