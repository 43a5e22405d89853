// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames that no node may send, each bad in one way, with the reason for which the page drops it.

use alloc::vec;
use alloc::vec::Vec;

use crate::body::{Handshake, Hello, HELLO_INTERVAL};
use crate::check::Reason;
use crate::crypto::Key;
use crate::identity::{plain, Mode};
use crate::wire::{
    class, flag, kind, Gpid, Header, COUNTER, HEADER, MAX_DATA, MIN_PIECE, NONE, TAG,
};

/// A host that nobody is.
pub const STRANGER: u32 = 199;
/// A host that nobody is, and that is spoken to.
pub const NOBODY: u32 = 198;

/// A bad frame, without its Ethernet header.
#[derive(Clone, Debug)]
pub struct Bad {
    /// Why it is dropped.
    pub reason: Reason,
    /// The frame.
    pub frame: Vec<u8>,
}

fn stranger() -> Gpid {
    Gpid::new(STRANGER, 1, 0)
}

/// A Data frame with nothing wrong in it.
fn data() -> Header {
    Header {
        flags: flag::ACK_VALID,
        active: 0x0001_0001,
        passive: 0x0001_0002,
        ..Header::new(kind::DATA, class::TEST, 1, stranger(), Gpid(0))
    }
}

fn ack() -> Header {
    Header {
        kind: kind::ACK,
        ..data()
    }
}

fn open() -> Header {
    Header {
        flags: flag::OPEN | flag::TO_PASSIVE,
        passive: NONE,
        ..data()
    }
}

fn reset() -> Header {
    Header {
        kind: kind::RESET,
        flags: 0,
        ..data()
    }
}

fn alone(kind: u8) -> Header {
    Header::new(kind, class::CM, 0, stranger(), Gpid(0))
}

/// Bad by section 3, whatever the mode.
pub fn malformed() -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add = |reason, frames: Vec<Vec<u8>>| {
        all.extend(frames.into_iter().map(|frame| Bad { reason, frame }));
    };
    let heads = |headers: Vec<Header>| -> Vec<Vec<u8>> {
        headers
            .iter()
            .map(|header| header.bytes().to_vec())
            .collect()
    };
    let cut = |header: Header, len: usize| {
        header
            .bytes()
            .iter()
            .copied()
            .chain([0; 8])
            .take(len)
            .collect()
    };
    let auth = Header {
        flags: flag::ACK_VALID | flag::AUTH,
        ..data()
    };
    add(
        Reason::Short,
        vec![
            cut(data(), 1),
            cut(data(), 20),
            cut(data(), 47),
            cut(auth, 48),
            cut(auth, 55),
        ],
    );
    let versions = [0, 1, 3, 255].map(|version| Header { version, ..data() });
    add(Reason::Version, heads(versions.to_vec()));
    let kinds = [0, 7, 8, 255].map(|kind| Header { kind, ..data() });
    add(Reason::Kind, heads(kinds.to_vec()));
    let classes = [6, 6 | 31 << 3].map(|ctrl_info| Header {
        ctrl_info,
        ..data()
    });
    add(Reason::Class, heads(classes.to_vec()));
    add(Reason::Auth, heads(unauthenticated()));
    add(Reason::Flags, heads(flags()));
    add(Reason::Length, lengths());
    add(Reason::Offset, offsets());
    let nobody = [Gpid(0), Gpid::new(0, 1, 5), Gpid::new(STRANGER, 0, 5)];
    let from = nobody.map(|from| Header { from, ..data() });
    add(Reason::Address, heads(from.to_vec()));
    add(Reason::Index, heads(indices()));
    all
}

fn unauthenticated() -> Vec<Header> {
    vec![
        Header {
            flags: flag::ACK_VALID | flag::SEALED,
            ..data()
        },
        Header {
            key_id: 1,
            ..data()
        },
        Header {
            key_id: 0xf0,
            ..alone(kind::HELLO)
        },
    ]
}

fn flags() -> Vec<Header> {
    let unknown = (7..14).map(|bit| Header {
        flags: flag::ACK_VALID | 1 << bit,
        ..data()
    });
    let with = |header: Header, flags| Header { flags, ..header };
    let misfits = [
        with(data(), 0),
        with(data(), flag::END),
        with(open(), flag::OPEN),
        with(open(), open().flags | flag::FIN),
        with(open(), open().flags | flag::ACK_VALID),
        Header { seq: 1, ..open() },
        with(ack(), flag::PROBE),
        with(ack(), flag::ACK_VALID | flag::END),
        with(ack(), flag::ACK_VALID | flag::FIN),
        with(ack(), flag::ACK_VALID | flag::MORE),
        with(reset(), flag::ACK_VALID),
        with(reset(), flag::PROBE),
        with(alone(kind::HELLO), flag::END),
        with(alone(kind::EPHEMERAL), flag::PROBE),
        with(alone(kind::HANDSHAKE), flag::TO_PASSIVE),
    ];
    unknown.chain(misfits).collect()
}

fn lengths() -> Vec<Vec<u8>> {
    let bytes = |header: Header, behind: usize| {
        let mut frame = header.bytes().to_vec();
        frame.resize(HEADER + behind, 0x5a);
        frame
    };
    let long = |header: Header, length: u16| Header { length, ..header };
    let fin = Header {
        flags: flag::ACK_VALID | flag::FIN,
        ..data()
    };
    let auth = Header {
        flags: flag::ACK_VALID | flag::AUTH,
        ..data()
    };
    vec![
        bytes(long(ack(), 4), 4),
        bytes(long(reset(), 4), 4),
        bytes(long(fin, 4), 4),
        // More than there may be, and more than there is.
        bytes(long(data(), MAX_DATA as u16 + 1), 1000),
        bytes(long(data(), u16::MAX), 1000),
        bytes(long(data(), 1001), 1000),
        bytes(long(alone(kind::EPHEMERAL), 600), 100),
        // No room for the tag, or for its last byte.
        bytes(long(auth, 100), COUNTER + 100),
        bytes(long(auth, 100), COUNTER + 100 + TAG - 1),
    ]
}

fn offsets() -> Vec<Vec<u8>> {
    let with = |header: Header, flags: u16, offset: u16| Header {
        flags: header.flags | flags,
        offset,
        ..header
    };
    let empty = [
        with(data(), flag::MORE, 0),
        with(data(), 0, 5),
        with(open(), flag::MORE, 0),
        with(ack(), 0, 1),
        with(reset(), 0, 1),
        with(alone(kind::EPHEMERAL), 0, 1),
    ];
    let full = [
        plain(with(data(), 0, MAX_DATA as u16), &[1]),
        plain(with(data(), flag::MORE, 0), &[1]),
        plain(with(data(), flag::MORE, 0), &[1; MIN_PIECE - 1]),
        plain(with(data(), flag::MORE, u16::MAX), &[1; MIN_PIECE]),
        plain(with(data(), flag::MORE, 8000), &[1; MIN_PIECE]),
        plain(with(alone(kind::HELLO), 0, 8), &[1; 48]),
    ];
    empty
        .iter()
        .map(|header| header.bytes().to_vec())
        .chain(full)
        .collect()
}

fn indices() -> Vec<Header> {
    let mut all = Vec::new();
    // Every value whose low half is all ones means none.
    for none in [NONE, 0x0000_ffff, 0x1234_ffff] {
        all.extend([
            Header {
                active: none,
                ..data()
            },
            Header {
                passive: none,
                ..data()
            },
            Header {
                active: none,
                ..open()
            },
            Header {
                active: none,
                ..ack()
            },
            Header {
                passive: none,
                ..ack()
            },
            Header {
                active: none,
                ..reset()
            },
        ]);
    }
    all.extend([
        Header {
            passive: 0x0001_0001,
            ..open()
        },
        Header {
            active: 0x0001_0001,
            ..alone(kind::EPHEMERAL)
        },
        Header {
            passive: 0x0001_0001,
            ..alone(kind::HELLO)
        },
        Header {
            active: 0,
            ..alone(kind::HANDSHAKE)
        },
    ]);
    all
}

/// A Hello of a stranger who knows this fingerprint.
pub fn strange_hello(fingerprint: u32, nonce: Key) -> Hello {
    Hello {
        rail: 0,
        rails: 3,
        flags: 0,
        epoch: 1,
        incarnation: 0x1122_3344,
        interval_ms: HELLO_INTERVAL,
        mtu: 1500,
        nonce,
        fingerprint,
    }
}

fn strange_handshake(fingerprint: u32, nonce: Key) -> Handshake {
    Handshake {
        flags: Handshake::ANSWER,
        epoch: 1,
        reserved: 0,
        incarnation: 0x1122_3344,
        fingerprint,
        nonce,
        echo: [7; 32],
    }
}

/// A frame with a counter, and a tag that is none.
pub fn untagged(mut header: Header, counter: u64, data: &[u8]) -> Vec<u8> {
    header.flags |= flag::AUTH;
    header.length = data.len() as u16;
    let mut frame = header.bytes().to_vec();
    frame.extend(counter.to_be_bytes());
    frame.extend(data);
    frame.extend([0x5a; TAG]);
    frame
}

/// What somebody sends who has no key, but knows the mode and the key's fingerprint (it stands in
/// the clear in every Hello).
pub fn foreign(mode: Mode, fingerprint: u32, nonce: Key) -> Vec<Bad> {
    let elsewhere = Header {
        to: Gpid::new(NOBODY, 1, 0),
        ..data()
    };
    let mut all = vec![Bad {
        reason: Reason::Misaddressed,
        frame: plain(elsewhere, b"for somebody else"),
    }];
    let hello = strange_hello(fingerprint, nonce);
    let mut add = |reason, frame| all.push(Bad { reason, frame });
    let in_epoch = |kind| Header {
        key_id: 0x10,
        ..alone(kind)
    };
    let sealed = |header: Header| Header {
        flags: header.flags | flag::SEALED,
        ..header
    };
    match mode {
        Mode::Open => {
            add(Reason::Unsealed, untagged(data(), 1, b"with a tag"));
            add(
                Reason::Unsealed,
                untagged(in_epoch(kind::HELLO), 1, &hello.bytes()),
            );
            let handshake = strange_handshake(0, nonce).bytes();
            add(Reason::Unsealed, plain(alone(kind::HANDSHAKE), &handshake));
            return all;
        }
        Mode::Mac => add(Reason::Unsealed, untagged(sealed(data()), 1, b"sealed")),
        Mode::Aead => add(Reason::Unsealed, untagged(data(), 1, b"readable")),
    }
    add(Reason::Unsealed, plain(data(), b"nothing"));
    add(Reason::Unsealed, plain(alone(kind::HELLO), &hello.bytes()));
    add(
        Reason::Unsealed,
        untagged(sealed(in_epoch(kind::HELLO)), 1, &hello.bytes()),
    );
    for bad in [
        Hello {
            incarnation: 0,
            ..hello
        },
        Hello { mtu: 1279, ..hello },
        Hello { mtu: 0, ..hello },
    ] {
        let header = in_epoch(kind::HELLO);
        add(Reason::Handshake, untagged(header, 1, &bad.bytes()));
    }
    let handshake = strange_handshake(fingerprint, nonce);
    for bad in [
        Handshake {
            incarnation: 0,
            ..handshake
        },
        Handshake {
            nonce: [0; 32],
            ..handshake
        },
    ] {
        let header = in_epoch(kind::HANDSHAKE);
        add(Reason::Handshake, untagged(header, 1, &bad.bytes()));
    }
    let short = |kind, body: &[u8]| untagged(in_epoch(kind), 1, &body[..body.len() - 1]);
    add(Reason::Handshake, short(kind::HELLO, &hello.bytes()));
    add(
        Reason::Handshake,
        short(kind::HANDSHAKE, &handshake.bytes()),
    );
    let form = match mode {
        Mode::Aead => sealed(data()),
        _ => data(),
    };
    add(Reason::UnknownSession, untagged(form, 1, b"of a stranger"));
    for key_id in [0x00, 0x11, 0x20] {
        let header = Header {
            key_id,
            ..alone(kind::HELLO)
        };
        add(Reason::UnknownSession, untagged(header, 1, &hello.bytes()));
    }
    let other = Hello {
        fingerprint: !fingerprint,
        ..hello
    };
    add(
        Reason::NoKey,
        untagged(in_epoch(kind::HELLO), 1, &other.bytes()),
    );
    // A nonce of zeros is one that can't become fresh, and its tag has to be right first.
    for nonce in [hello.nonce, [0; 32]] {
        let hello = Hello { nonce, ..hello };
        add(
            Reason::BadTag,
            untagged(in_epoch(kind::HELLO), 1, &hello.bytes()),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::inspect;
    use std::collections::BTreeSet;

    #[test]
    fn each_malformed_frame_is_bad_in_the_way_that_it_says() {
        for bad in malformed() {
            assert_eq!(inspect(&bad.frame).unwrap_err(), bad.reason, "{bad:02x?}");
            assert!(bad.frame.len() <= 1500);
        }
        let reasons: BTreeSet<_> = malformed().iter().map(|bad| bad.reason).collect();
        assert_eq!(reasons.len(), 10);
    }

    #[test]
    fn foreign_frames_have_a_good_form() {
        for mode in [Mode::Open, Mode::Mac, Mode::Aead] {
            for bad in foreign(mode, 5, [1; 32]) {
                let parts = inspect(&bad.frame).unwrap();
                let form = parts.header.flags & (flag::AUTH | flag::SEALED);
                let right = form == mode.flags(parts.header.kind);
                let wrong = bad.reason == Reason::Unsealed;
                let excused = bad.reason == Reason::Misaddressed
                    || (mode == Mode::Open && parts.header.kind == kind::HANDSHAKE);
                assert!(right != wrong || excused, "{mode:?} {bad:02x?}");
            }
        }
    }
}
