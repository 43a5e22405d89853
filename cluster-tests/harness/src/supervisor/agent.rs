// SPDX-License-Identifier: MIT OR Apache-2.0

//! The supervisor's end of a node's agent port: many sessions on one stream.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use podos_agent_proto::{encode, Decoder, Frame, NODE};

/// The agent port of one boot of a node.
pub(crate) struct AgentPort {
    sessions: Mutex<Sessions>,
    outgoing: Sender<Vec<u8>>,
}

#[derive(Default)]
struct Sessions {
    last: u32,
    open: HashMap<u32, Sender<Frame>>,
    gone: bool,
}

impl AgentPort {
    /// Takes over a connected port. Frames about the node itself go to `node`,
    /// from a thread that ends with the port, after which every session ends
    /// too.
    pub(crate) fn start(
        stream: UnixStream,
        mut node: impl FnMut(Frame) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let (outgoing, queue) = channel::<Vec<u8>>();
        let mut writer = stream.try_clone()?;
        // The queue is bounded by the credit of the sessions' streams.
        std::thread::spawn(move || {
            for bytes in queue {
                if writer.write_all(&bytes).is_err() {
                    break;
                }
            }
        });
        let port = Arc::new(Self {
            sessions: Mutex::default(),
            outgoing,
        });
        let reader = Arc::clone(&port);
        std::thread::spawn(move || {
            if let Err(error) = reader.read(stream, &mut node) {
                eprintln!("agent port: {error}");
            }
            let mut sessions = reader.lock();
            sessions.gone = true;
            sessions.open.clear();
        });
        Ok(port)
    }

    /// A new session; `None` when the port is gone. The receiver ends with the
    /// session.
    pub(crate) fn open(&self) -> Option<(u32, Receiver<Frame>)> {
        let mut sessions = self.lock();
        if sessions.gone {
            return None;
        }
        loop {
            sessions.last = sessions.last.wrapping_add(1);
            let id = sessions.last;
            if id != NODE && !sessions.open.contains_key(&id) {
                let (sender, receiver) = channel();
                sessions.open.insert(id, sender);
                return Some((id, receiver));
            }
        }
    }

    /// Sends a frame of a session.
    pub(crate) fn send(&self, id: u32, frame: &Frame) {
        let mut bytes = Vec::new();
        match encode(id, frame, &mut bytes) {
            // When the port is gone, every session hears of it.
            Ok(()) => drop(self.outgoing.send(bytes)),
            Err(error) => self.finish(
                id,
                Frame::Failed {
                    errno: 7,
                    message: error.to_string(),
                },
            ),
        }
    }

    /// Hangs a session up, if it still is.
    pub(crate) fn close(&self, id: u32) {
        if self.lock().open.remove(&id).is_some() {
            self.send(id, &Frame::Close);
        }
    }

    /// Sends a signal to whatever runs in any session.
    pub(crate) fn signal_all(&self, signal: u8) {
        let open = self.lock().open.keys().copied().collect::<Vec<_>>();
        for id in open {
            self.send(id, &Frame::Signal(signal));
        }
    }

    /// Whether no session is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().open.is_empty()
    }

    fn finish(&self, id: u32, last: Frame) {
        if let Some(sender) = self.lock().open.remove(&id) {
            let _ = sender.send(last);
        }
    }

    fn read(&self, mut stream: UnixStream, node: &mut impl FnMut(Frame)) -> io::Result<()> {
        let mut decoder = Decoder::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => decoder.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // QEMU was killed.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some((id, frame)) = decoder.next_frame().map_err(io::Error::other)? {
                match frame {
                    frame if id == NODE => node(frame),
                    Frame::Exited(_) | Frame::Failed { .. } | Frame::Content(_) => {
                        self.finish(id, frame);
                    }
                    frame => {
                        let sender = self.lock().open.get(&id).cloned();
                        let _ = sender.map(|sender| sender.send(frame));
                    }
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_agent_proto::{Exit, Stream};

    fn say(guest: &mut UnixStream, id: u32, frame: &Frame) {
        let mut bytes = Vec::new();
        encode(id, frame, &mut bytes).unwrap();
        guest.write_all(&bytes).unwrap();
    }

    #[test]
    fn sessions_get_their_own_frames_and_end_with_the_port() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let (hello, heard) = channel();
        let port = AgentPort::start(host, move |frame| hello.send(frame).unwrap()).unwrap();
        let (first, first_frames) = port.open().unwrap();
        let (second, second_frames) = port.open().unwrap();
        say(
            &mut guest,
            NODE,
            &Frame::Hello {
                version: 1,
                node: 4,
            },
        );
        say(
            &mut guest,
            second,
            &Frame::Data(Stream::Stdout, b"two".to_vec()),
        );
        say(&mut guest, first, &Frame::Exited(Exit::Code(7)));
        assert_eq!(
            heard.recv().unwrap(),
            Frame::Hello {
                version: 1,
                node: 4
            }
        );
        assert_eq!(
            first_frames.iter().collect::<Vec<_>>(),
            [Frame::Exited(Exit::Code(7))]
        );
        drop(guest);
        let data = Frame::Data(Stream::Stdout, b"two".to_vec());
        assert_eq!(second_frames.iter().collect::<Vec<_>>(), [data]);
        assert!(heard.recv().is_err(), "the reader has ended");
        assert!(port.open().is_none());
    }

    #[test]
    fn a_closed_session_is_told_to_the_agent_once() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let port = AgentPort::start(host, |_| {}).unwrap();
        let (id, frames) = port.open().unwrap();
        port.close(id);
        port.close(id);
        assert!(frames.recv().is_err());
        port.send(9, &Frame::Ping);
        let mut expected = Vec::new();
        encode(id, &Frame::Close, &mut expected).unwrap();
        encode(9, &Frame::Ping, &mut expected).unwrap();
        let mut got = vec![0; expected.len()];
        guest.read_exact(&mut got).unwrap();
        assert_eq!(got, expected);
    }
}
