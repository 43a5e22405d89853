// SPDX-License-Identifier: MIT OR Apache-2.0

//! Section 3: what makes a frame void, before anybody looks into a table.

use core::ops::Range;

use crate::wire::{
    flag, is_none, kind, Header, COUNTER, HEADER, MAX_DATA, MIN_PIECE, TAG, VERSION,
};

/// Why a frame is dropped, by the names of sections 3 and 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "the tables of sections 3 and 11 say what they are"
)]
pub enum Reason {
    Short,
    Version,
    Kind,
    Class,
    Auth,
    Flags,
    Length,
    Offset,
    Address,
    Index,
    Misaddressed,
    Echo,
    Unsealed,
    Handshake,
    UnknownSession,
    Replayed,
    NotFresh,
    NoKey,
    Limited,
    BadTag,
}

impl Reason {
    /// Its name in the document and in `/sys/kernel/podos/cm/drops`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::Class => "class",
            Self::Auth => "auth",
            Self::Flags => "flags",
            Self::Length => "length",
            Self::Offset => "offset",
            Self::Address => "address",
            Self::Index => "index",
            Self::Misaddressed => "misaddressed",
            Self::Echo => "echo",
            Self::Unsealed => "unsealed",
            Self::Handshake => "handshake",
            Self::UnknownSession => "unknown_session",
            Self::Replayed => "replayed",
            Self::NotFresh => "not_fresh",
            Self::NoKey => "no_key",
            Self::Limited => "limited",
            Self::BadTag => "bad_tag",
        }
    }
}

/// Where the parts of a frame are, behind its Ethernet header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The header.
    pub header: Header,
    /// The counter, with `AUTH`.
    pub counter: Option<u64>,
    /// Where the data are.
    pub data: Range<usize>,
    /// Where what counts ends: behind the data or the tag. What follows is padding.
    pub end: usize,
}

/// Takes a frame apart, or says for which reason of section 3 it is dropped.
pub fn inspect(frame: &[u8]) -> Result<Parts, Reason> {
    let header = Header::parse(frame).ok_or(Reason::Short)?;
    let auth = header.has(flag::AUTH);
    let start = if auth { HEADER + COUNTER } else { HEADER };
    if frame.len() < start {
        return Err(Reason::Short);
    }
    fields(&header)?;
    let data = start..start + usize::from(header.length);
    let end = if auth { data.end + TAG } else { data.end };
    if frame.len() < end {
        return Err(Reason::Length);
    }
    let counter = auth.then(|| crate::wire::be64(frame, HEADER));
    Ok(Parts {
        header,
        counter,
        data,
        end,
    })
}

/// The checks that need only the header, in their order.
fn fields(header: &Header) -> Result<(), Reason> {
    if header.version != VERSION {
        return Err(Reason::Version);
    }
    if !(kind::EPHEMERAL..=kind::HANDSHAKE).contains(&header.kind) {
        return Err(Reason::Kind);
    }
    if header.class() == 6 {
        return Err(Reason::Class);
    }
    if !header.has(flag::AUTH) && (header.has(flag::SEALED) || header.key_id != 0) {
        return Err(Reason::Auth);
    }
    if !flags_fit(header) {
        return Err(Reason::Flags);
    }
    let length = usize::from(header.length);
    let without_data = matches!(header.kind, kind::ACK | kind::RESET) || header.has(flag::FIN);
    if length > MAX_DATA || (without_data && length > 0) {
        return Err(Reason::Length);
    }
    let offset = usize::from(header.offset);
    let least = match (header.has(flag::MORE), offset) {
        (true, _) => MIN_PIECE,
        (false, 0) => 0,
        (false, _) => 1,
    };
    if (least > 0 && header.kind != kind::DATA) || length < least || offset + length > MAX_DATA {
        return Err(Reason::Offset);
    }
    if header.from.host() == 0 || header.from.boot() == 0 {
        return Err(Reason::Address);
    }
    if !indices_fit(header) {
        return Err(Reason::Index);
    }
    Ok(())
}

fn flags_fit(header: &Header) -> bool {
    if header.flags & !flag::KNOWN != 0 {
        return false;
    }
    let flags = header.flags & !(flag::AUTH | flag::SEALED);
    let fit = |must: u16, may: u16| flags & must == must && flags & !(must | may) == 0;
    match header.kind {
        kind::DATA if header.has(flag::OPEN) => {
            header.seq == 0
                && fit(
                    flag::OPEN | flag::TO_PASSIVE,
                    flag::END | flag::PROBE | flag::MORE,
                )
        }
        kind::DATA => fit(
            flag::ACK_VALID,
            flag::END | flag::FIN | flag::TO_PASSIVE | flag::PROBE | flag::MORE,
        ),
        kind::ACK => fit(flag::ACK_VALID, flag::TO_PASSIVE | flag::PROBE),
        kind::RESET => fit(0, flag::TO_PASSIVE),
        _ => flags == 0,
    }
}

fn indices_fit(header: &Header) -> bool {
    let (active, passive) = (!is_none(header.active), !is_none(header.passive));
    match header.kind {
        kind::DATA if header.has(flag::OPEN) => active && !passive,
        kind::DATA => active && passive,
        kind::ACK => active && (passive || header.has(flag::TO_PASSIVE)),
        kind::RESET => active,
        _ => !active && !passive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{class, Gpid, NONE};
    use alloc::vec::Vec;

    fn data() -> Header {
        let (from, to) = (Gpid::new(9, 1, 0), Gpid::new(1, 1, 0));
        Header {
            flags: flag::ACK_VALID,
            active: 1,
            passive: 2,
            ..Header::new(kind::DATA, class::TEST, 1, from, to)
        }
    }

    fn verdict(header: Header, data: usize) -> Result<Parts, Reason> {
        let mut frame = Vec::from(header.bytes());
        frame.resize(HEADER + data, 0);
        inspect(&frame)
    }

    #[test]
    fn good_frames_are_taken_apart() {
        let header = Header {
            length: 3,
            ..data()
        };
        let parts = verdict(header, 5).unwrap();
        assert_eq!((parts.data, parts.end, parts.counter), (48..51, 51, None));
        let sealed = Header {
            flags: header.flags | flag::AUTH | flag::SEALED,
            ..header
        };
        let parts = verdict(sealed, 8 + 3 + 16).unwrap();
        assert_eq!(
            (parts.data, parts.end, parts.counter),
            (56..59, 75, Some(0))
        );
    }

    #[test]
    fn each_reason_is_found_in_its_turn() {
        let good = data();
        let bad = [
            (Header { version: 1, ..good }, Reason::Version),
            (Header { kind: 7, ..good }, Reason::Kind),
            (
                Header {
                    ctrl_info: 6,
                    ..good
                },
                Reason::Class,
            ),
            (Header { key_id: 1, ..good }, Reason::Auth),
            (Header { flags: 0, ..good }, Reason::Flags),
            (
                Header {
                    flags: good.flags | 0x80,
                    ..good
                },
                Reason::Flags,
            ),
            (
                Header {
                    length: 8953,
                    ..good
                },
                Reason::Length,
            ),
            (Header { length: 1, ..good }, Reason::Length),
            (Header { offset: 1, ..good }, Reason::Offset),
            (
                Header {
                    flags: good.flags | flag::MORE,
                    ..good
                },
                Reason::Offset,
            ),
            (
                Header {
                    from: Gpid::new(0, 1, 0),
                    ..good
                },
                Reason::Address,
            ),
            (
                Header {
                    from: Gpid::new(1, 0, 7),
                    ..good
                },
                Reason::Address,
            ),
            (
                Header {
                    passive: NONE,
                    ..good
                },
                Reason::Index,
            ),
            (
                Header {
                    active: 0xffff,
                    ..good
                },
                Reason::Index,
            ),
        ];
        for (header, reason) in bad {
            assert_eq!(verdict(header, 0).unwrap_err(), reason, "{header:?}");
        }
        assert_eq!(inspect(&good.bytes()[..47]).unwrap_err(), Reason::Short);
        let auth = Header {
            flags: good.flags | flag::AUTH,
            ..good
        };
        assert_eq!(verdict(auth, 7).unwrap_err(), Reason::Short);
        assert_eq!(verdict(auth, 8).unwrap_err(), Reason::Length);
    }

    #[test]
    fn an_open_and_a_probe_need_no_passive_index() {
        let open = Header {
            flags: flag::OPEN | flag::TO_PASSIVE | flag::END,
            passive: NONE,
            ..data()
        };
        verdict(open, 0).unwrap();
        let with = |header: Header| verdict(header, 0).unwrap_err();
        assert_eq!(with(Header { seq: 1, ..open }), Reason::Flags);
        assert_eq!(with(Header { passive: 4, ..open }), Reason::Index);
        let probe = Header {
            kind: kind::ACK,
            flags: flag::ACK_VALID | flag::PROBE | flag::TO_PASSIVE,
            ..open
        };
        verdict(probe, 0).unwrap();
        let back = flag::ACK_VALID | flag::PROBE;
        assert_eq!(
            with(Header {
                flags: back,
                ..probe
            }),
            Reason::Index
        );
    }
}
