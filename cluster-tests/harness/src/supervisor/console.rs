// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node's serial console: kept in a file, watched for alarms, lent to
//! whoever attaches.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;

/// Lines of the end that are kept for reports.
const TAIL: usize = 30;

/// Longest line that is kept whole; a longer one is cut in two.
const LONGEST: usize = 4096;

/// Pieces of output that an attached terminal may lag behind before it misses some.
const LAG: usize = 1024;

/// One node's console, over all its boots.
pub(crate) struct Console {
    node: String,
    path: PathBuf,
    clock: Clock,
    inner: Mutex<Inner>,
}

struct Inner {
    log: File,
    line: Vec<u8>,
    tail: VecDeque<String>,
    watchers: Vec<SyncSender<Vec<u8>>>,
    input: Option<UnixStream>,
}

impl Console {
    pub(crate) fn create(node: &str, path: PathBuf, clock: Clock) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let inner = Inner {
            log,
            line: Vec::new(),
            tail: VecDeque::with_capacity(TAIL),
            watchers: Vec::new(),
            input: None,
        };
        Ok(Self {
            node: node.into(),
            path,
            clock,
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }

    /// Everything printed from now on.
    pub(crate) fn watch(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = sync_channel(LAG);
        self.lock().watchers.push(sender);
        receiver
    }

    /// Types into the console; a node that is down swallows it.
    pub(crate) fn type_in(&self, bytes: &[u8]) {
        let input = self
            .lock()
            .input
            .as_ref()
            .and_then(|input| input.try_clone().ok());
        if let Some(mut input) = input {
            let _ = input.write_all(bytes);
        }
    }

    /// Follows one boot to its end; `line` sees every whole line.
    pub(crate) fn follow(&self, mut serial: UnixStream, mut line: impl FnMut(&str)) {
        self.lock().input = serial.try_clone().ok();
        let mut buffer = [0; 8192];
        loop {
            match serial.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.print(&buffer[..count], &mut line),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if !self.lock().line.is_empty() {
            self.print(b"\n", &mut line);
        }
        self.lock().input = None;
    }

    fn print(&self, bytes: &[u8], line: &mut impl FnMut(&str)) {
        let mut whole = Vec::new();
        {
            let mut inner = self.lock();
            inner.watchers.retain(|watcher| {
                use std::sync::mpsc::TrySendError;
                !matches!(
                    watcher.try_send(bytes.to_vec()),
                    Err(TrySendError::Disconnected(_))
                )
            });
            for &byte in bytes {
                match byte {
                    b'\n' => whole.push(inner.end_line(&self.node, self.clock)),
                    b'\r' => {}
                    _ => {
                        inner.line.push(byte);
                        if inner.line.len() == LONGEST {
                            whole.push(inner.end_line(&self.node, self.clock));
                        }
                    }
                }
            }
        }
        // Outside the lock: whoever hears a line may ask for the tail.
        whole.iter().for_each(|text| line(text));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end_line(&mut self, node: &str, clock: Clock) -> String {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        // A full disk costs the record, never the cluster.
        let _ = writeln!(self.log, "{} {node} | {line}", clock.stamp());
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> (tempfile::TempDir, Console) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let console = Console::create("linus1", path, Clock::start()).unwrap();
        (dir, console)
    }

    #[test]
    fn lines_are_stamped_kept_and_heard() {
        let (_dir, console) = console();
        let (mut guest, serial) = UnixStream::pair().unwrap();
        let watcher = console.watch();
        guest.write_all(b"one\r\ntw").unwrap();
        guest.write_all(b"o\nthree").unwrap();
        drop(guest);
        let mut heard = Vec::new();
        console.follow(serial, |line| heard.push(line.to_owned()));
        assert_eq!(heard, ["one", "two", "three"]);
        assert_eq!(console.tail(), heard);
        let log = std::fs::read_to_string(console.path()).unwrap();
        assert!(log.lines().all(|line| line.contains(" linus1 | ")), "{log}");
        let seen = watcher.try_iter().flatten().collect::<Vec<_>>();
        assert!(seen.starts_with(b"one\r\ntwo\nthree"));
    }

    #[test]
    fn the_tail_is_bounded_and_so_is_a_line() {
        let (_dir, console) = console();
        let (mut guest, serial) = UnixStream::pair().unwrap();
        let writer = std::thread::spawn(move || {
            guest.write_all(&[b'x'; LONGEST + 1]).unwrap();
            for number in 0..100 {
                guest.write_all(format!("\n{number}").as_bytes()).unwrap();
            }
        });
        let mut longest = 0;
        console.follow(serial, |line| longest = longest.max(line.len()));
        writer.join().unwrap();
        assert_eq!(longest, LONGEST);
        assert_eq!(console.tail().len(), TAIL);
        assert_eq!(console.tail().last().unwrap(), "99");
    }
}
