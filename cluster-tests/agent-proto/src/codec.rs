// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames to bytes and back.

use crate::{Frame, MAX_FRAME};

/// Why a byte stream is not the agent protocol. The stream is of no use afterwards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A frame is longer than frames can be.
    #[error("frame of {0} bytes; a frame has at most {MAX_FRAME}")]
    Length(usize),
    /// It is none: it is too short, of an unknown kind, or has a bad value.
    #[error("malformed frame: {0}")]
    Malformed(#[from] postcard::Error),
    /// There are this many bytes behind what the frame says.
    #[error("{0} bytes too many in a frame")]
    Trailing(usize),
}

/// Appends `frame` of session `id` to `out`.
///
/// A frame longer than [`MAX_FRAME`] (only a command line can be) gives
/// [`DecodeError::Length`] and leaves `out` as it was.
pub fn encode(id: u32, frame: &Frame, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let bytes = postcard::to_stdvec(&(id, frame))?;
    if bytes.len() > MAX_FRAME {
        return Err(DecodeError::Length(bytes.len()));
    }
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
    Ok(())
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
    ///
    /// No length, of a frame or inside one, has memory set aside for bytes that are not there. The
    /// most that a frame becomes is a list of empty strings, each of them 24 bytes for one.
    pub fn next_frame(&mut self) -> Result<Option<(u32, Frame)>, DecodeError> {
        let rest = &self.buffer[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*head) as usize;
        if len > MAX_FRAME {
            return Err(DecodeError::Length(len));
        }
        let Some(frame) = rest.get(..len) else {
            return Ok(None);
        };
        let (parsed, extra) = postcard::take_from_bytes(frame)?;
        if !extra.is_empty() {
            return Err(DecodeError::Trailing(extra.len()));
        }
        self.taken += 4 + len;
        Ok(Some(parsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Exit, Stream};
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

    /// What follows the length of a frame.
    fn body(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(7, frame, &mut bytes).unwrap();
        bytes.split_off(4)
    }

    /// A frame of this body, decoded.
    fn decode(body: &[u8]) -> Result<Option<(u32, Frame)>, DecodeError> {
        let mut decoder = Decoder::new();
        decoder.push(&(body.len() as u32).to_be_bytes());
        decoder.push(body);
        decoder.next_frame()
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
            // As a frame, it gets further.
            let _ = decode(&noise);
        }

        /// Nor do frames that were changed on their way.
        #[test]
        fn damage_never_panics(frame in frame(), at in any::<prop::sample::Index>(), bits in 1_u8..) {
            let mut bytes = body(&frame);
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            let _ = decode(&bytes);
        }

        /// A frame of which something is missing, or to which something was added, is refused.
        #[test]
        fn lengths_are_checked(
            frame in frame(),
            cut in any::<prop::sample::Index>(),
            extra in prop::collection::vec(any::<u8>(), 1..4),
        ) {
            let bytes = body(&frame);
            prop_assert_eq!(
                decode(&bytes[..cut.index(bytes.len())]),
                Err(postcard::Error::DeserializeUnexpectedEnd.into())
            );
            let more = [&bytes[..], &extra].concat();
            prop_assert_eq!(decode(&more), Err(DecodeError::Trailing(extra.len())));
        }
    }

    #[test]
    fn every_version_is_told_in_the_same_way() {
        let mut bytes = Vec::new();
        let hello = Frame::Hello {
            version: 2,
            node: 3,
        };
        encode(0, &hello, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 4, 0, 0, 2, 3]);
    }

    #[test]
    fn what_no_frame_has_is_malformed() {
        // A kind, a stream, an option, a text.
        for bytes in [
            &[0, 15][..],
            &[0, 3, 3, 0],
            &[0, 2, 0, 0, 2],
            &[0, 9, 0, 1, 0xff],
        ] {
            let DecodeError::Malformed(error) = decode(bytes).unwrap_err() else {
                panic!("{bytes:?} has another fault");
            };
            assert_ne!(error, postcard::Error::DeserializeUnexpectedEnd);
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
        // The same inside: a content, and an argument list, of nearly 4 GiB.
        for kind in [11, 2] {
            let bytes = [0, kind, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
            let end = postcard::Error::DeserializeUnexpectedEnd;
            assert_eq!(decode(&bytes), Err(end.into()));
        }
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
