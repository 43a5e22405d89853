// SPDX-License-Identifier: MIT OR Apache-2.0

//! The test vectors of docs/wire-protocol.md, taken from the page itself.

use std::collections::BTreeMap;

use podos_firmware::body::{Handshake, Hello};
use podos_firmware::check::inspect;
use podos_firmware::crypto::{fingerprint, open, pair_key, seal, sender_key, Key};
use podos_firmware::wire::{class, flag, kind, Gpid};

const DOCUMENT: &str = include_str!("../../../docs/wire-protocol.md");

/// The bytes, by what they are.
fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    let (_, block) = DOCUMENT.split_once("```vectors\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut vectors = BTreeMap::new();
    let mut name = "";
    for line in block.lines() {
        match line.strip_suffix(':') {
            Some(given) => name = given,
            None => {
                let digits = line.trim();
                let bytes = (0..digits.len() / 2)
                    .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
                vectors.entry(name).or_insert_with(Vec::new).extend(bytes);
            }
        }
    }
    vectors
}

fn key(name: &str) -> Key {
    vectors()[name].as_slice().try_into().unwrap()
}

fn gpid(name: &str) -> Gpid {
    Gpid(u64::from_be_bytes(
        vectors()[name].as_slice().try_into().unwrap(),
    ))
}

#[test]
fn keys_are_made_as_on_the_page() {
    for name in ["K1", "K2"] {
        let made = fingerprint(&key(&format!("cluster key {name}")));
        let wanted = &vectors()[format!("fingerprint of {name}").as_str()];
        assert_eq!(&made.to_be_bytes(), wanted.as_slice(), "{name}");
    }
    let (k1, k2) = (key("cluster key K1"), key("cluster key K2"));
    let a = (gpid("GPID of A"), &key("nonce of A"));
    let b = (gpid("GPID of B"), &key("nonce of B"));
    assert_eq!(sender_key(&k1, a.0, a.1), key("sender key of A"));
    assert_eq!(sender_key(&k2, b.0, b.1), key("sender key of B"));
    assert_eq!(pair_key(&k1, a, b), key("pair key A to B"));
    assert_eq!(pair_key(&k2, b, a), key("pair key B to A"));
}

#[test]
fn frames_are_read_and_written_as_on_the_page() {
    let cases: [(&str, &str, &[u8]); 6] = [
        ("Hello of A", "sender key of A", b""),
        ("Handshake of B to A", "sender key of B", b""),
        ("Ephemeral of A", "sender key of A", b"load"),
        ("Data A to B, aead", "pair key A to B", b"GET /etc/motd"),
        ("Data A to B, mac", "pair key A to B", b"GET /etc/motd"),
        ("Ack B to A, aead", "pair key B to A", b""),
    ];
    for (name, under, wanted) in cases {
        let frame = vectors()[name].clone();
        let parts = inspect(&frame).unwrap();
        assert_eq!(parts.end, frame.len(), "{name}");
        let data = open(&key(under), &frame, &parts).unwrap();
        if !wanted.is_empty() || parts.data.is_empty() {
            assert_eq!(data, wanted, "{name}");
        }
        let again = seal(&key(under), parts.counter.unwrap(), parts.header, &data);
        assert_eq!(again, frame, "{name}");
    }
}

#[test]
fn what_the_frames_say_is_what_the_page_says() {
    let vectors = vectors();
    let data_of = |name: &str| {
        let frame = &vectors[name];
        let parts = inspect(frame).unwrap();
        (parts.header, frame[parts.data].to_vec())
    };
    let (header, data) = data_of("Hello of A");
    let hello = Hello::parse(&data).unwrap();
    assert_eq!(
        (header.kind, header.key_id, hello.epoch),
        (kind::HELLO, 0x50, 0x15)
    );
    assert_eq!(
        (hello.nonce, hello.interval_ms, hello.mtu),
        (key("nonce of A"), 300, 1500)
    );
    assert_eq!(hello.bytes(), data);
    let (header, data) = data_of("Handshake of B to A");
    let handshake = Handshake::parse(&data).unwrap();
    assert_eq!((header.to, handshake.epoch), (gpid("GPID of A"), 0x2c));
    assert_eq!(handshake.flags, Handshake::READY | Handshake::ANSWER);
    assert_eq!(
        (handshake.nonce, handshake.echo),
        (key("nonce of B"), key("nonce of A"))
    );
    assert_eq!(handshake.bytes(), data);
    let (header, _) = data_of("Data A to B, aead");
    // Of each end's epoch the lower half: A's 0x15, B's 0x2c.
    assert_eq!((header.key_id, header.class()), (0x5c, class::PDFS));
    assert!(header.has(flag::SEALED | flag::AUTH));
}
