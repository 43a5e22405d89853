// SPDX-License-Identifier: MIT OR Apache-2.0

//! The socket of a node's interface: frames with their lengths before them,
//! as QEMU's `stream` and `socket` netdevs have it.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::net::{send, SendFlags};

/// Bytes of the length before a frame, big-endian.
const LENGTH: usize = 4;

/// A length above this is no length: QEMU's own buffer has no room for it.
const ABSURD: usize = 4096 + 65536;

/// Most bytes read at once: then another port has its turn.
const CHUNK: usize = 128 * 1024;

/// Bytes that wait for a node that does not read, as in a switch's own memory.
const ROOM: usize = 1 << 20;

/// What an interface sends.
pub(super) struct Reader {
    stream: Arc<UnixStream>,
    input: Vec<u8>,
    /// Bytes of `input` that are an incomplete frame.
    rest: usize,
}

/// What an interface is sent.
pub(super) struct Writer {
    stream: Arc<UnixStream>,
    output: Vec<u8>,
    /// Bytes of `output` that are sent already.
    sent: usize,
    /// The socket takes nothing now.
    blocked: bool,
}

/// Both ends of a connected interface.
pub(super) fn open(stream: UnixStream) -> io::Result<(Reader, Writer)> {
    stream.set_nonblocking(true)?;
    let stream = Arc::new(stream);
    let reader = Reader {
        stream: Arc::clone(&stream),
        input: vec![0; CHUNK + ABSURD + LENGTH],
        rest: 0,
    };
    let writer = Writer {
        stream,
        output: Vec::new(),
        sent: 0,
        blocked: false,
    };
    Ok((reader, writer))
}

impl Reader {
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads once, and hands over the whole frames. False when the other end is gone, or speaks
    /// something else.
    pub(super) fn read(&mut self, mut frame: impl FnMut(&[u8])) -> bool {
        let end = self.rest + CHUNK;
        let count = match (&*self.stream).read(&mut self.input[self.rest..end]) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => {
                return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
            }
        };
        let bytes = &self.input[..self.rest + count];
        let mut at = 0;
        while let Some(head) = bytes[at..].first_chunk::<LENGTH>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > ABSURD {
                return false;
            }
            let start = at + LENGTH;
            let Some(whole) = bytes.get(start..start + length) else {
                break;
            };
            frame(whole);
            at = start + length;
        }
        self.rest = bytes.len() - at;
        let end = bytes.len();
        self.input.copy_within(at..end, 0);
        true
    }
}

impl Writer {
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Takes a frame to send at the next flush; false when there is no room.
    pub(super) fn put(&mut self, frame: &[u8]) -> bool {
        if self.output.len() - self.sent + LENGTH + frame.len() > ROOM {
            return false;
        }
        self.output.extend((frame.len() as u32).to_be_bytes());
        self.output.extend(frame);
        true
    }

    /// Whether there is something that the socket may take.
    pub(super) fn is_ready(&self) -> bool {
        !self.blocked && !self.output.is_empty()
    }

    /// Sends what the socket takes; true when something is left.
    pub(super) fn flush(&mut self) -> bool {
        self.blocked = false;
        while self.sent < self.output.len() {
            match send(
                &*self.stream,
                &self.output[self.sent..],
                SendFlags::NOSIGNAL,
            ) {
                Ok(count) => self.sent += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    // The rest moves to the front once most of it is gone: seldom, so cheap.
                    if self.sent > ROOM / 2 {
                        self.output.drain(..self.sent);
                        self.sent = 0;
                    }
                    self.blocked = true;
                    return true;
                }
                // The other end is gone, which reading tells, too.
                Err(_) => break,
            }
        }
        self.output.clear();
        self.sent = 0;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pair() -> (UnixStream, Reader, Writer) {
        let (guest, ours) = UnixStream::pair().unwrap();
        let (reader, writer) = open(ours).unwrap();
        (guest, reader, writer)
    }

    fn read(link: &mut Reader) -> (bool, Vec<Vec<u8>>) {
        let mut frames = Vec::new();
        let alive = link.read(|frame| frames.push(frame.to_vec()));
        (alive, frames)
    }

    #[test]
    fn frames_are_whole_however_they_come() {
        let (mut guest, mut link, _writer) = pair();
        assert_eq!(read(&mut link), (true, vec![]));
        guest
            .write_all(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9, 0])
            .unwrap();
        assert_eq!(read(&mut link), (true, vec![vec![7, 8], vec![9]]));
        guest.write_all(&[0, 0, 3, 1]).unwrap();
        assert_eq!(read(&mut link), (true, vec![]));
        guest.write_all(&[2, 3]).unwrap();
        assert_eq!(read(&mut link), (true, vec![vec![1, 2, 3]]));
        drop(guest);
        assert_eq!(read(&mut link), (false, vec![]));
    }

    #[test]
    fn what_is_no_length_ends_the_link() {
        let (mut guest, mut link, _writer) = pair();
        guest.write_all(&[0xff; 64]).unwrap();
        assert_eq!(read(&mut link), (false, vec![]));
    }

    #[test]
    fn a_node_that_does_not_read_costs_bounded_memory() {
        let (mut guest, _reader, mut link) = pair();
        let frame = [5; 9000];
        let mut taken = 0_usize;
        while link.put(&frame) {
            taken += 1;
            link.flush();
        }
        assert!(taken > ROOM / 9004 && link.flush());
        // All of it comes once the node reads, and then there is room again.
        let mut bytes = vec![0; taken * 9004];
        let reader = std::thread::spawn(move || {
            guest.read_exact(&mut bytes).unwrap();
            bytes
        });
        while link.flush() {
            std::thread::yield_now();
        }
        let bytes = reader.join().unwrap();
        for one in bytes.chunks(9004) {
            assert_eq!(one[..4], 9000_u32.to_be_bytes());
            assert_eq!(one[4..], frame);
        }
        assert!(link.put(&frame));
    }
}
