// SPDX-License-Identifier: MIT OR Apache-2.0

//! The state of the node's boot: whether it is over, and what went wrong.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use podos_init::boot_report;
use rustix::fs::inotify;
use rustix::io::Errno;

/// The wait for init's report.
#[derive(Debug)]
pub struct BootReport {
    file: PathBuf,
    /// Readable when a file was put into the report's folder.
    events: OwnedFd,
}

impl BootReport {
    /// Waits for the report of this boot from now on.
    pub fn expect() -> io::Result<Self> {
        Self::at(Path::new(boot_report::FILE))
    }

    fn at(file: &Path) -> io::Result<Self> {
        let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        inotify::add_watch(&events, folder, inotify::WatchFlags::MOVED_TO)?;
        Ok(Self {
            file: file.to_owned(),
            events,
        })
    }

    /// What went wrong in the boot, if that is over. When it is not, the next event is the time to
    /// ask again.
    pub fn read(&self) -> io::Result<Option<Vec<String>>> {
        // Events first: a report that comes after this makes the descriptor readable again.
        let mut events = [0; 4096];
        loop {
            match rustix::io::read(&self.events, &mut events) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        match fs::read_to_string(&self.file) {
            Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for BootReport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_process::watch::{self, Watch};
    use rustix::event::PollFlags;
    use std::time::Instant;

    #[test]
    fn the_report_wakes_who_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("boot");
        let report = BootReport::at(&file).unwrap();
        assert_eq!(report.read().unwrap(), None);
        let woken = || {
            let fd = report.as_fd();
            let watch = Watch {
                token: (),
                fd,
                events: PollFlags::IN,
            };
            !watch::wait(&[watch], Some(Instant::now()))
                .unwrap()
                .is_empty()
        };
        assert!(!woken());
        boot_report::write_to(&file, &["no\nmodule".into(), "no key".into()]).unwrap();
        assert!(woken());
        let problems = report.read().unwrap();
        assert_eq!(problems, Some(vec!["no module".into(), "no key".into()]));
        assert!(!woken());
    }
}
