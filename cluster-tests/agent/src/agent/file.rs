// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading a file for the harness. A child does it: the file may be on a node that does not answer,
//! or a FIFO.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use podos_agent_proto::{Frame, MAX_FRAME};
use podos_process::child;
use podos_process::watch::Watch;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{kill_process, Pid, Signal};

/// Longest content: what a frame has room for.
const LONGEST: usize = MAX_FRAME - 64;

/// A file being read. The child sends an errno and a length, four bytes each, and the content.
#[derive(Debug)]
pub struct Reading {
    path: PathBuf,
    /// `None` once it has ended.
    child: Option<Pid>,
    answer: File,
    got: Vec<u8>,
}

impl Reading {
    /// Starts to read the file at `path`.
    pub fn start(path: Vec<u8>) -> io::Result<Self> {
        let path = PathBuf::from(OsString::from_vec(path));
        let (answer, report) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&answer, true)?;
        let file = path.clone();
        let child = child::fork(move || {
            child::close_all_but(&report);
            let (errno, content) = match read(&file) {
                Ok(content) => (0, content),
                Err(error) => (error.raw_os_error().unwrap_or(libc::EIO), Vec::new()),
            };
            let mut report = File::from(report);
            let sent = [errno as u32, content.len() as u32]
                .iter()
                .try_for_each(|word| report.write_all(&word.to_ne_bytes()))
                .and_then(|()| report.write_all(&content));
            u8::from(sent.is_err())
        })?;
        Ok(Self {
            path,
            child: Some(child),
            answer: answer.into(),
            got: Vec::new(),
        })
    }

    /// A process has ended; if it was the child, its number is no longer ours to signal.
    pub fn ended(&mut self, pid: Pid) {
        self.child = self.child.filter(|&child| child != pid);
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(self) {
        if let Some(child) = self.child {
            // A child of ours that was not reaped is there to be signalled.
            let _ = kill_process(child, Signal::KILL);
        }
    }

    /// What to wait for.
    pub fn watch<T>(&self, token: T) -> Watch<'_, T> {
        Watch {
            token,
            fd: self.answer.as_fd(),
            events: PollFlags::IN,
        }
    }

    /// Takes what the child has sent; gives the answer once it is whole.
    pub fn advance(&mut self) -> Option<Frame> {
        let read = self.answer.read_to_end(&mut self.got);
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => return Some(self.failure(error)),
            Ok(_) => {}
        }
        let mut words = self.got.chunks_exact(4);
        let mut word = || Some(u32::from_ne_bytes(words.next()?.try_into().ok()?));
        let (errno, len) = (word(), word());
        let content = self.got.get(8..);
        Some(match (errno, len, content) {
            (Some(0), Some(len), Some(content)) if content.len() == len as usize => {
                Frame::Content(content.to_vec())
            }
            (Some(errno), Some(_), _) if errno != 0 => {
                self.failure(io::Error::from_raw_os_error(errno as i32))
            }
            // The child was killed.
            _ => self.failure(Errno::IO.into()),
        })
    }

    fn failure(&self, error: io::Error) -> Frame {
        Frame::Failed {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            message: format!("cannot read {}: {error}", self.path.display()),
        }
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(LONGEST as u64 + 1)
        .read_to_end(&mut content)?;
    if content.len() > LONGEST {
        return Err(Errno::FBIG.into());
    }
    Ok(content)
}
