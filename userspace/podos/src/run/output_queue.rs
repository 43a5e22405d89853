// SPDX-License-Identifier: MIT OR Apache-2.0

//! Output of the program on its way to our own streams.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use anyhow::{bail, Context, Result};
use rustix::io::Errno;

use super::own_stream::OwnStream;
use crate::output::unread;

/// One of our own streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    Stdout,
    Stderr,
}

impl Sink {
    fn name(self) -> &'static str {
        match self {
            Sink::Stdout => "standard output",
            Sink::Stderr => "standard error",
        }
    }
}

/// Records in the order in which the program wrote them, which they keep.
#[derive(Debug)]
pub struct OutputQueue {
    stdout: OwnStream,
    stderr: OwnStream,
    records: VecDeque<(Sink, Vec<u8>)>,
    /// Bytes of the first record that are written.
    written: usize,
    /// Bytes in the queue.
    len: usize,
}

impl OutputQueue {
    pub fn new() -> Self {
        Self {
            stdout: OwnStream::new(rustix::stdio::stdout()),
            stderr: OwnStream::new(rustix::stdio::stderr()),
            records: VecDeque::new(),
            written: 0,
            len: 0,
        }
    }

    /// Bytes that are not written yet.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn put(&mut self, sink: Sink, data: &[u8]) {
        if !data.is_empty() {
            self.len += data.len();
            self.records.push_back((sink, data.to_vec()));
        }
    }

    /// The stream that is written to next, if anything is left.
    pub fn sink(&self) -> Option<BorrowedFd<'static>> {
        let (sink, _) = self.records.front()?;
        Some(match sink {
            Sink::Stdout => self.stdout.fd(),
            Sink::Stderr => self.stderr.fd(),
        })
    }

    /// Writes as much of the first record as there is room for.
    ///
    /// # Errors
    ///
    /// [`NoReader`](crate::output::NoReader) and those of `write(2)`.
    pub fn write(&mut self) -> Result<()> {
        let Some((sink, data)) = self.records.front() else {
            return Ok(());
        };
        let (sink, rest) = (*sink, &data[self.written..]);
        let stream = match sink {
            Sink::Stdout => &mut self.stdout,
            Sink::Stderr => &mut self.stderr,
        };
        match stream.write(rest) {
            Ok(0) => bail!("cannot write {}: it takes nothing", sink.name()),
            Ok(len) => {
                let whole = len == rest.len();
                self.len -= len;
                self.written += len;
                if whole {
                    self.records.pop_front();
                    self.written = 0;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => unread(Err(error.into()))
                .with_context(|| format!("cannot write {}", sink.name()))?,
        }
        Ok(())
    }
}
