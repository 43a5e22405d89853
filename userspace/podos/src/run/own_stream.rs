// SPDX-License-Identifier: MIT OR Apache-2.0

//! One of this process's own streams, read and written without waiting.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{fstat, major, minor, FileType, Mode, OFlags};
use rustix::io::{preadv2, pwritev2, read, write, Errno, ReadWriteFlags};
use rustix::termios::isatty;

/// Bytes that a stream takes at once where it can't be told not to wait: what a pipe with room has
/// room for.
const AT_ONCE: usize = 4096;
/// The number of `/dev/ptmx`, each open of which is another terminal.
const PTMX: (u32, u32) = (5, 2);
/// The position of a stream, for calls that take one.
const CURRENT: u64 = u64::MAX;

/// A stream. Others may have it, too: how it waits for them stays as it is.
#[derive(Debug)]
pub struct OwnStream {
    fd: BorrowedFd<'static>,
    way: Way,
}

/// How it is used without waiting.
#[derive(Debug)]
enum Way {
    /// Each call says that it does not wait.
    Call,
    /// By an open file of our own, which does not wait.
    Reopened(OwnedFd),
    /// As it is: a regular file does not wait, and of anything else little is asked at a time.
    Plain { at_once: usize },
}

impl OwnStream {
    /// That of a standard stream.
    pub fn new(fd: BorrowedFd<'static>) -> Self {
        let Ok(stat) = fstat(fd) else {
            // Whatever is wrong with it shows when it is used.
            return Self {
                fd,
                way: Way::Plain { at_once: AT_ONCE },
            };
        };
        let way = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Way::Plain {
                at_once: usize::MAX,
            },
            FileType::CharacterDevice
                if isatty(fd) && (major(stat.st_rdev), minor(stat.st_rdev)) != PTMX =>
            {
                Way::reopened(fd)
            }
            FileType::Fifo | FileType::Socket => Way::Call,
            _ => Way::Plain { at_once: AT_ONCE },
        };
        Self { fd, way }
    }

    /// For `poll(2)`.
    pub fn fd(&self) -> BorrowedFd<'static> {
        self.fd
    }

    /// Reads what there is.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is nothing yet, and those of `read(2)`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            let done = match &self.way {
                Way::Call => {
                    let mut buffers = [IoSliceMut::new(buffer)];
                    preadv2(self.fd, &mut buffers, CURRENT, ReadWriteFlags::NOWAIT)
                }
                Way::Reopened(own) => read(own, &mut *buffer),
                Way::Plain { .. } => read(self.fd, &mut *buffer),
            };
            if !self.must_reopen(done) {
                return done;
            }
        }
    }

    /// Writes as much as there is room for, and perhaps less.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is no room, and those of `write(2)`.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        loop {
            let done = match &self.way {
                Way::Call => {
                    let data = [IoSlice::new(data)];
                    pwritev2(self.fd, &data, CURRENT, ReadWriteFlags::NOWAIT)
                }
                Way::Reopened(own) => write(own, data),
                Way::Plain { at_once } => write(self.fd, &data[..data.len().min(*at_once)]),
            };
            if !self.must_reopen(done) {
                return done;
            }
        }
    }

    /// Whether it can't be told with the call, and was reopened.
    fn must_reopen(&mut self, done: Result<usize, Errno>) -> bool {
        let refused = matches!(done, Err(Errno::OPNOTSUPP | Errno::NOSYS));
        let again = refused && matches!(self.way, Way::Call);
        if again {
            self.way = Way::reopened(self.fd);
        }
        again
    }
}

impl Way {
    fn reopened(fd: BorrowedFd<'_>) -> Self {
        let access = rustix::fs::fcntl_getfl(fd).map(|flags| flags & OFlags::RWMODE);
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        let reopened = access.and_then(|access| {
            let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
        });
        match reopened {
            Ok(own) => Way::Reopened(own),
            // A terminal of somebody else's, or no /proc.
            Err(_) => Way::Plain { at_once: AT_ONCE },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A stream over an open file that outlives the test.
    fn own(file: impl Into<OwnedFd>) -> (OwnStream, &'static OwnedFd) {
        let file: &'static OwnedFd = Box::leak(Box::new(file.into()));
        (OwnStream::new(file.as_fd()), file)
    }

    fn wants_no_wait(mut reader: OwnStream, mut writer: OwnStream) {
        let mut buffer = [0; 8192];
        assert_eq!(reader.read(&mut buffer), Err(Errno::AGAIN));
        let mut written = 0;
        loop {
            match writer.write(&buffer) {
                Ok(len) => written += len,
                Err(error) => {
                    assert_eq!(error, Errno::AGAIN);
                    break;
                }
            }
        }
        while written > 0 {
            written -= reader.read(&mut buffer).unwrap();
        }
        assert_eq!(reader.read(&mut buffer), Err(Errno::AGAIN));
    }

    #[test]
    fn pipes_and_sockets_are_not_waited_for_and_stay_as_they_are() {
        let (reader, writer) = std::io::pipe().unwrap();
        let ((reader, _), (writer, file)) = (own(reader), own(writer));
        wants_no_wait(reader, writer);
        let flags = rustix::fs::fcntl_getfl(file).unwrap();
        assert!(!flags.contains(OFlags::NONBLOCK));
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        wants_no_wait(own(one).0, own(other).0);
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let both = File::options().read(true).write(true).open(&path).unwrap();
        let (reader, writer) = (File::open(&path).unwrap(), both);
        wants_no_wait(own(reader).0, own(writer).0);
    }

    #[test]
    fn a_file_is_read_to_its_end() {
        let file = tempfile::tempfile().unwrap();
        let (mut stream, _) = own(file);
        assert_eq!(stream.write(&[7; 10_000]), Ok(10_000));
        assert_eq!(stream.read(&mut [0; 10]), Ok(0));
        // Open for writing only.
        let dir = tempfile::tempdir().unwrap();
        let (mut stream, _) = own(File::create(dir.path().join("f")).unwrap());
        assert_eq!(stream.read(&mut [0; 10]), Err(Errno::BADF));
    }
}
