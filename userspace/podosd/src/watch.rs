// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wait for news of the cluster.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use podos::Signals;
use rustix::event::{poll, PollFd, PollFlags, Timespec};

/// How often to see whether the table is still, or again, there: its file does not wake who polls
/// it when the module goes.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 250_000_000,
};

/// The system state table's generation, and the signals that end the daemon.
pub struct Watch {
    path: PathBuf,
    /// Unset while podos_rm is not loaded.
    generation: Option<Generation>,
    signals: Signals,
}

/// The table's generation as it was last read.
struct Generation {
    file: File,
    text: String,
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node appeared, died or came back.
    News,
    /// The table is gone: the modules were unloaded, and gave the directories back.
    Gone,
    /// The table is there again.
    Back,
    /// The daemon was told to end.
    Ended,
}

impl Watch {
    /// Watches the table in `sst`.
    pub fn new(sst: &Path) -> Result<Self> {
        let signals =
            Signals::block(&[libc::SIGTERM, libc::SIGINT]).context("cannot take over signals")?;
        let path = sst.join("generation");
        let generation = open(&path)
            .with_context(|| format!("cannot open {}: is podos_rm loaded?", path.display()))?;
        Ok(Self {
            path,
            generation: Some(generation),
            signals,
        })
    }

    /// Waits for the next event. News that came since the last wait count, and so does, where not
    /// all that was wanted `is_done`, that it is time to try again.
    pub fn wait(&mut self, is_done: bool) -> Result<Event> {
        loop {
            let woken = self.poll().context("cannot wait for news of the cluster")?;
            if woken {
                self.signals.wait().context("cannot read a signal")?;
                return Ok(Event::Ended);
            }
            match self.generation.as_mut().map(Generation::advance) {
                Some(Err(_)) => {
                    self.generation = None;
                    return Ok(Event::Gone);
                }
                // Not whether the poll told of it: a change behind a poll that timed out is taken
                // by this read, and no later poll will tell.
                Some(Ok(changed)) if changed || !is_done => return Ok(Event::News),
                Some(Ok(_)) => {}
                None => {
                    if let Ok(generation) = open(&self.path) {
                        self.generation = Some(generation);
                        return Ok(Event::Back);
                    }
                }
            }
        }
    }

    /// Sleeps until something happens, or it is time to look; whether there is a signal.
    fn poll(&self) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        fds.extend(
            self.generation
                .as_ref()
                .map(|generation| PollFd::new(&generation.file, PollFlags::PRI)),
        );
        match poll(&mut fds, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(!fds[0].revents().is_empty())
    }
}

fn open(path: &Path) -> io::Result<Generation> {
    let mut generation = Generation {
        file: File::open(path)?,
        text: String::new(),
    };
    generation.advance()?;
    Ok(generation)
}

impl Generation {
    /// Reads it anew, which arms the file: sysfs reports a change since the last read. Whether it
    /// is another one.
    fn advance(&mut self) -> io::Result<bool> {
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        let changed = text != self.text;
        self.text = text;
        Ok(changed)
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
    fn a_table_that_comes_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("generation");
        std::fs::write(&path, "1\n").unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        watch.generation = None;
        assert_eq!(watch.wait(true).unwrap(), Event::Back);
        assert!(watch.generation.is_some());
    }

    #[test]
    fn news_that_no_poll_told_of_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("generation");
        std::fs::write(&path, "1\n").unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        // An ordinary file tells nobody of its changes.
        std::fs::write(&path, "2\n").unwrap();
        assert_eq!(watch.wait(true).unwrap(), Event::News);
    }

    #[test]
    fn what_is_not_done_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("generation"), "1\n").unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        assert_eq!(watch.wait(false).unwrap(), Event::News);
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("generation"), "1\n").unwrap();
        let mut watch = Watch::new(dir.path()).unwrap();
        // SAFETY: The watch has blocked the signal in this thread, and it goes to no other.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGTERM) };
        assert_eq!(watch.wait(true).unwrap(), Event::Ended);
    }
}
