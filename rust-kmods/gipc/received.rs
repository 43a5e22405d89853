// SPDX-License-Identifier: GPL-2.0-only

//! What the active end has received.

use kernel::iov::IovIterDest;
use kernel::prelude::*;
use podos_cm::{Circuit, Incoming};
use podos_proto::gipc::{Exit, Failed, Op, Started};
use podos_proto::Gpid;

use crate::abi::RecordStream;
use crate::convert;
use crate::inbox::Inbox;

/// Where the program is, as far as its node has told, and its output that was not read yet.
pub(crate) struct Received {
    inbox: Inbox,
    records: bool,
    started: Option<Gpid>,
    exit: Option<i32>,
    failed: Option<Error>,
    /// How the circuit ended, once it did.
    end: Option<Result>,
}

impl Received {
    /// Nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            inbox: Inbox::new()?,
            records: false,
            started: None,
            exit: None,
            failed: None,
            end: None,
        })
    }

    /// Has every read give one record.
    pub(crate) fn use_records(&mut self) {
        self.records = true;
    }

    /// Takes in what has arrived, without waiting.
    pub(crate) fn pump(&mut self, circuit: &Circuit) {
        while self.end.is_none() && !self.inbox.is_full() && circuit.readable() {
            match circuit.recv() {
                Ok(Some(segment)) => {
                    if let Err(e) = self.take(segment) {
                        circuit.abort();
                        self.end = Some(Err(e));
                    }
                }
                Ok(None) => self.end = Some(Ok(())),
                Err(e) => self.end = Some(Err(e)),
            }
        }
    }

    fn take(&mut self, mut segment: Incoming) -> Result {
        let malformed = |_| EPROTO;
        match Op::from_raw(segment.op()) {
            Some(Op::Started) => {
                self.started = Some(Started::decode(segment.linear()?).map_err(malformed)?);
            }
            Some(Op::Stdout) => self.inbox.add(RecordStream::Stdout, segment)?,
            Some(Op::Stderr) => self.inbox.add(RecordStream::Stderr, segment)?,
            Some(Op::Exit) => {
                let status = Exit::decode(segment.linear()?).map_err(malformed)?;
                self.exit = Some(status);
                self.inbox.add_exit(status)?;
            }
            Some(Op::Failed) => {
                let errno = Failed::decode(segment.linear()?).map_err(malformed)?;
                self.failed = Some(match Error::from_errno(errno) {
                    // To who reads without waiting it would mean that there is nothing yet.
                    e if e == EAGAIN => EUSERS,
                    e => convert::told(e),
                });
            }
            _ => return Err(EPROTO),
        }
        Ok(())
    }

    /// Reads as `read(2)` does; `None` if there is nothing yet.
    ///
    /// # Errors
    ///
    /// The failure of the program's start, or of the circuit; and those of the inbox.
    pub(crate) fn read(&mut self, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let read = if self.records {
            self.inbox.read_record(to)?
        } else {
            self.inbox.read_bytes(to)?
        };
        if read.is_some() {
            return Ok(read);
        }
        match (self.failed, self.end) {
            (Some(error), _) | (None, Some(Err(error))) => Err(error),
            (None, Some(Ok(()))) if self.exit.is_some() => Ok(Some(0)),
            (None, Some(Ok(()))) => Err(ECONNRESET),
            (None, None) => Ok(None),
        }
    }

    /// The program's wait status, or why there is none; `None` if that is not known yet.
    pub(crate) fn status(&self) -> Option<Result<i32>> {
        self.exit.map(Ok).or(self.failure().map(Err))
    }

    /// The program's GPID, or why there is none; `None` if that is not known yet.
    pub(crate) fn gpid(&self) -> Option<Result<Gpid>> {
        self.started.map(Ok).or(self.failure().map(Err))
    }

    fn failure(&self) -> Option<Error> {
        match self.end {
            Some(Err(e)) => Some(self.failed.unwrap_or(e)),
            Some(Ok(())) => Some(self.failed.unwrap_or(ECONNRESET)),
            None => self.failed,
        }
    }

    /// Whether a read would not wait, once what has arrived was taken in.
    pub(crate) fn is_ready(&self) -> bool {
        !self.inbox.is_empty() || self.failed.is_some() || self.end.is_some()
    }

    /// Whether nothing is taken in before something is read.
    pub(crate) fn is_full(&self) -> bool {
        self.inbox.is_full()
    }

    /// How the circuit ended, once it did.
    pub(crate) fn end(&self) -> Option<Result> {
        self.end
    }
}
