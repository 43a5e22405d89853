// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames to bytes and back.

use crate::{Command, Exit, Frame, Stream, MAX_FRAME};

/// Bytes of kind and session id, the part of a frame that is always there.
const FIXED: usize = 5;

/// Why a byte stream is not the agent protocol. The stream is of no use afterwards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The length field lies outside what a frame can be.
    #[error("frame of {0} bytes; a frame has {FIXED} to {MAX_FRAME}")]
    Length(usize),
    /// No such frame kind.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// The body is shorter or longer than its kind needs, or holds a bad value.
    #[error("malformed body of frame kind {0}")]
    Body(u8),
}

mod kind {
    pub const HELLO: u8 = 1;
    pub const READY: u8 = 2;
    pub const EXEC: u8 = 3;
    pub const DATA: u8 = 4;
    pub const STDIN_EOF: u8 = 5;
    pub const CREDIT: u8 = 6;
    pub const SIGNAL: u8 = 7;
    pub const CLOSE: u8 = 8;
    pub const EXITED: u8 = 9;
    pub const FAILED: u8 = 10;
    pub const READ_FILE: u8 = 11;
    pub const CONTENT: u8 = 12;
    pub const PING: u8 = 13;
    pub const PONG: u8 = 14;
    pub const POWEROFF: u8 = 15;
}

/// Appends `frame` of session `id` to `out`.
///
/// A frame longer than [`MAX_FRAME`] (only a command line can be) gives
/// [`DecodeError::Length`] and leaves `out` as it was.
pub fn encode(id: u32, frame: &Frame, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.extend([0; 4]);
    out.push(kind_of(frame));
    out.extend(id.to_be_bytes());
    body(frame, out);
    let len = out.len() - start - 4;
    if len > MAX_FRAME {
        out.truncate(start);
        return Err(DecodeError::Length(len));
    }
    out[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
    Ok(())
}

fn kind_of(frame: &Frame) -> u8 {
    match frame {
        Frame::Hello { .. } => kind::HELLO,
        Frame::Ready { .. } => kind::READY,
        Frame::Exec(_) => kind::EXEC,
        Frame::Data(..) => kind::DATA,
        Frame::StdinEof => kind::STDIN_EOF,
        Frame::Credit(..) => kind::CREDIT,
        Frame::Signal(_) => kind::SIGNAL,
        Frame::Close => kind::CLOSE,
        Frame::Exited(_) => kind::EXITED,
        Frame::Failed { .. } => kind::FAILED,
        Frame::ReadFile(_) => kind::READ_FILE,
        Frame::Content(_) => kind::CONTENT,
        Frame::Ping => kind::PING,
        Frame::Pong => kind::PONG,
        Frame::Poweroff => kind::POWEROFF,
    }
}

fn body(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Hello { version, node } => {
            put_u32(out, *version);
            put_u32(out, *node);
        }
        Frame::Ready { problems } => {
            put_u32(out, problems.len() as u32);
            for problem in problems {
                put_bytes(out, problem.as_bytes());
            }
        }
        Frame::Exec(command) => {
            put_u32(out, command.argv.len() as u32);
            for arg in &command.argv {
                put_bytes(out, arg);
            }
            put_u32(out, command.env.len() as u32);
            for (name, value) in &command.env {
                put_bytes(out, name);
                put_bytes(out, value);
            }
            match &command.cwd {
                None => out.push(0),
                Some(cwd) => {
                    out.push(1);
                    put_bytes(out, cwd);
                }
            }
        }
        Frame::Data(stream, data) => {
            out.push(stream_code(*stream));
            out.extend(data);
        }
        Frame::Credit(stream, bytes) => {
            out.push(stream_code(*stream));
            put_u32(out, *bytes);
        }
        Frame::Signal(signal) => out.push(*signal),
        Frame::Exited(Exit::Code(code)) => out.extend([0, *code]),
        Frame::Exited(Exit::Signal(signal)) => out.extend([1, *signal]),
        Frame::Failed { errno, message } => {
            out.extend(errno.to_be_bytes());
            put_bytes(out, message.as_bytes());
        }
        Frame::ReadFile(bytes) | Frame::Content(bytes) => out.extend(bytes),
        Frame::StdinEof | Frame::Close | Frame::Ping | Frame::Pong | Frame::Poweroff => {}
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len() as u32);
    out.extend(bytes);
}

fn stream_code(stream: Stream) -> u8 {
    match stream {
        Stream::Stdin => 0,
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}

/// Turns a byte stream, however it was cut, back into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend(bytes);
    }

    /// The next whole frame with its session id; `None` until more bytes come.
    pub fn next_frame(&mut self) -> Result<Option<(u32, Frame)>, DecodeError> {
        let rest = &self.buffer[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*head) as usize;
        if !(FIXED..=MAX_FRAME).contains(&len) {
            return Err(DecodeError::Length(len));
        }
        let Some(frame) = rest.get(..len) else {
            return Ok(None);
        };
        let parsed = parse(frame)?;
        self.taken += 4 + len;
        Ok(Some(parsed))
    }
}

fn parse(frame: &[u8]) -> Result<(u32, Frame), DecodeError> {
    let kind = frame[0];
    let mut body = Body(&frame[1..]);
    let parsed = (|| {
        let id = body.u32()?;
        let frame = match kind {
            kind::HELLO => Frame::Hello {
                version: body.u32()?,
                node: body.u32()?,
            },
            kind::READY => Frame::Ready {
                problems: body.list(Body::string)?,
            },
            kind::EXEC => Frame::Exec(Command {
                argv: body.list(Body::bytes)?,
                env: body.list(|body| Some((body.bytes()?, body.bytes()?)))?,
                cwd: match body.u8()? {
                    0 => None,
                    1 => Some(body.bytes()?),
                    _ => return None,
                },
            }),
            kind::DATA => Frame::Data(body.stream()?, body.rest()),
            kind::STDIN_EOF => Frame::StdinEof,
            kind::CREDIT => Frame::Credit(body.stream()?, body.u32()?),
            kind::SIGNAL => Frame::Signal(body.u8()?),
            kind::CLOSE => Frame::Close,
            kind::EXITED => Frame::Exited(match body.u8()? {
                0 => Exit::Code(body.u8()?),
                1 => Exit::Signal(body.u8()?),
                _ => return None,
            }),
            kind::FAILED => Frame::Failed {
                errno: body.u32()? as i32,
                message: body.string()?,
            },
            kind::READ_FILE => Frame::ReadFile(body.rest()),
            kind::CONTENT => Frame::Content(body.rest()),
            kind::PING => Frame::Ping,
            kind::PONG => Frame::Pong,
            kind::POWEROFF => Frame::Poweroff,
            _ => return None,
        };
        body.0.is_empty().then_some((id, frame))
    })();
    match parsed {
        Some(parsed) => Ok(parsed),
        None if !(kind::HELLO..=kind::POWEROFF).contains(&kind) => Err(DecodeError::Kind(kind)),
        None => Err(DecodeError::Body(kind)),
    }
}

/// What is left of a frame's body; every taker gives `None` when it is too short.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head.to_vec())
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn stream(&mut self) -> Option<Stream> {
        match self.u8()? {
            0 => Some(Stream::Stdin),
            1 => Some(Stream::Stdout),
            2 => Some(Stream::Stderr),
            _ => None,
        }
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // The count may lie; every item takes at least four bytes, so a lie ends
        // the loop soon, and nothing is reserved on its word.
        (0..self.u32()?).map(|_| item(self)).collect()
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..64)
    }

    fn stream() -> impl Strategy<Value = Stream> {
        prop_oneof![
            Just(Stream::Stdin),
            Just(Stream::Stdout),
            Just(Stream::Stderr)
        ]
    }

    fn command() -> impl Strategy<Value = Command> {
        let env = prop::collection::vec((bytes(), bytes()), 0..4);
        (
            prop::collection::vec(bytes(), 0..5),
            env,
            prop::option::of(bytes()),
        )
            .prop_map(|(argv, env, cwd)| Command { argv, env, cwd })
    }

    fn frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u32>(), any::<u32>()).prop_map(|(version, node)| Frame::Hello { version, node }),
            prop::collection::vec("\\PC{0,20}", 0..4)
                .prop_map(|problems| Frame::Ready { problems }),
            command().prop_map(Frame::Exec),
            (stream(), bytes()).prop_map(|(stream, data)| Frame::Data(stream, data)),
            Just(Frame::StdinEof),
            (stream(), any::<u32>()).prop_map(|(stream, bytes)| Frame::Credit(stream, bytes)),
            any::<u8>().prop_map(Frame::Signal),
            Just(Frame::Close),
            any::<u8>().prop_map(|code| Frame::Exited(Exit::Code(code))),
            any::<u8>().prop_map(|signal| Frame::Exited(Exit::Signal(signal))),
            (any::<i32>(), "\\PC{0,20}")
                .prop_map(|(errno, message)| Frame::Failed { errno, message }),
            bytes().prop_map(Frame::ReadFile),
            bytes().prop_map(Frame::Content),
            Just(Frame::Ping),
            Just(Frame::Pong),
            Just(Frame::Poweroff),
        ]
    }

    fn drain(decoder: &mut Decoder, into: &mut Vec<(u32, Frame)>) {
        while let Some(frame) = decoder.next_frame().expect("a stream of our own making") {
            into.push(frame);
        }
    }

    proptest! {
        /// Frames come back as they went, however the stream is cut.
        #[test]
        fn frames_survive_any_cut(
            frames in prop::collection::vec((any::<u32>(), frame()), 0..12),
            cut in 1_usize..40,
        ) {
            let mut stream = Vec::new();
            for (id, frame) in &frames {
                encode(*id, frame, &mut stream).unwrap();
            }
            let mut decoder = Decoder::new();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.push(piece);
                drain(&mut decoder, &mut seen);
            }
            prop_assert_eq!(seen, frames);
        }

        /// Any bytes give frames, a wait for more, or an error; never a panic.
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::new();
            decoder.push(&noise);
            while let Ok(Some(_)) = decoder.next_frame() {}
        }

        /// A frame with any one byte of its body cut off or added is refused,
        /// unless its body is free bytes.
        #[test]
        fn lengths_are_checked(frame in frame(), extra in any::<u8>()) {
            let free = matches!(
                frame,
                Frame::Data(..) | Frame::ReadFile(_) | Frame::Content(_)
            );
            prop_assume!(!free);
            let mut bytes = Vec::new();
            encode(7, &frame, &mut bytes).unwrap();
            let kind = bytes[4];
            bytes.push(extra);
            let len = bytes.len() as u32 - 4;
            bytes[..4].copy_from_slice(&len.to_be_bytes());
            let mut decoder = Decoder::new();
            decoder.push(&bytes);
            prop_assert_eq!(decoder.next_frame(), Err(DecodeError::Body(kind)));
        }
    }

    #[test]
    fn a_length_that_lies_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::new();
        decoder.push(&u32::MAX.to_be_bytes());
        assert_eq!(
            decoder.next_frame(),
            Err(DecodeError::Length(u32::MAX as usize))
        );
        let mut decoder = Decoder::new();
        decoder.push(&[0, 0, 0, 4, kind::PING]);
        assert_eq!(decoder.next_frame(), Err(DecodeError::Length(4)));
    }

    #[test]
    fn a_command_line_too_long_is_refused_whole() {
        let command = Command {
            argv: vec![vec![b'x'; MAX_FRAME]],
            ..Command::default()
        };
        let mut out = vec![1, 2, 3];
        assert!(matches!(
            encode(1, &Frame::Exec(command), &mut out),
            Err(DecodeError::Length(len)) if len > MAX_FRAME
        ));
        assert_eq!(out, [1, 2, 3]);
    }
}
