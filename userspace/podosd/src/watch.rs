// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for news of the cluster.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use anyhow::{Context, Result};
use podos::Signals;
use rustix::event::{poll, PollFd, PollFlags};

/// The system state table's generation, and the signals that end the daemon.
pub struct Watch {
    generation: File,
    signals: Signals,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node appeared, died or came back.
    News,
    /// The daemon was told to end.
    Ended,
}

impl Watch {
    /// Watches the table in `sst`.
    pub fn new(sst: &Path) -> Result<Self> {
        let signals = Signals::block(&[libc::SIGTERM, libc::SIGINT])
            .context("signals can't be taken over")?;
        let path = sst.join("generation");
        let generation = File::open(&path)
            .with_context(|| format!("{} can't be opened: is podos_rm loaded?", path.display()))?;
        let mut watch = Self {
            generation,
            signals,
        };
        watch.read_generation()?;
        Ok(watch)
    }

    /// Waits for the next event. News that came since the last wait count.
    pub fn wait(&mut self) -> Result<Event> {
        let mut fds = [
            PollFd::new(&self.generation, PollFlags::PRI),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for news of the cluster"),
            }
        }
        if !fds[1].revents().is_empty() {
            self.signals.wait().context("reading a signal")?;
            return Ok(Event::Ended);
        }
        self.read_generation()?;
        Ok(Event::News)
    }

    /// What arms the file: sysfs reports a change since the last read.
    fn read_generation(&mut self) -> Result<()> {
        let mut text = String::new();
        self.generation
            .rewind()
            .and_then(|()| self.generation.read_to_string(&mut text))
            .context("the system state table's generation can't be read")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_is_named() {
        let error = Watch::new(Path::new("/nonexistent/sst")).err().unwrap();
        let message = format!("{error:#}");
        assert!(message.contains("/nonexistent/sst/generation") && message.contains("podos_rm"));
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("generation"), "1\n").unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        // SAFETY: The watch has blocked the signal in this thread, and it goes to no other.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGTERM) };
        assert_eq!(watch.wait().unwrap(), Event::Ended);
    }
}
