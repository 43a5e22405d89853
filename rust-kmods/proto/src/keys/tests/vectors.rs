// SPDX-License-Identifier: GPL-2.0-only

//! The test vectors of the document, which were made by another implementation.

use std::collections::HashMap;
use std::string::String;
use std::vec::Vec;

use super::crypto::{open_frame, seal_frame, Blake2s};
use crate::derive::IntoBytes;
use crate::hello::Hello;
use crate::keys::{schedule, Fingerprint, Handshake, Key, Nonce, Seal};
use crate::tgroup::RailId;
use crate::wire::{Header, Kind};
use crate::Gpid;

const DOCUMENT: &str = include_str!("../../../../../docs/wire-protocol.md");

struct Vectors(HashMap<&'static str, Vec<u8>>);

impl Vectors {
    fn read() -> Self {
        let start = DOCUMENT.split_once("```vectors\n").expect("vectors").1;
        let mut digits: HashMap<_, String> = HashMap::new();
        let mut name = "";
        for line in start.split_once("```").expect("their end").0.lines() {
            match line.strip_suffix(':') {
                Some(heading) => name = heading,
                None => digits.entry(name).or_default().push_str(line.trim()),
            }
        }
        let byte = |pair: &[u8]| {
            let pair = core::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        };
        let bytes = |text: String| text.as_bytes().chunks(2).map(byte).collect();
        Self(
            digits
                .into_iter()
                .map(|(name, text)| (name, bytes(text)))
                .collect(),
        )
    }

    fn get<const N: usize>(&self, name: &str) -> [u8; N] {
        self.frame(name).try_into().unwrap()
    }

    fn frame(&self, name: &str) -> &[u8] {
        &self.0[name]
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.get(name))
    }

    fn gpid(&self, name: &str) -> Gpid {
        Gpid::from_raw(u64::from_be_bytes(self.get(name)))
    }
}

#[test]
fn the_key_schedule_is_that_of_the_document() {
    let vectors = Vectors::read();
    let (k1, k2) = (vectors.key("cluster key K1"), vectors.key("cluster key K2"));
    let name = |key: &Key| schedule::fingerprint::<Blake2s>(key).bytes();
    assert_eq!(name(&k1), vectors.get("fingerprint of K1"));
    assert_eq!(name(&k2), vectors.get("fingerprint of K2"));
    let (a, b) = (vectors.gpid("GPID of A"), vectors.gpid("GPID of B"));
    let (nonce_a, nonce_b): (Nonce, Nonce) = (vectors.get("nonce of A"), vectors.get("nonce of B"));
    // The process of a GPID makes no difference.
    let task = Gpid::new(a.host(), a.boot(), 99);
    let is = |key: Key, name| assert_eq!(*key.as_bytes(), vectors.get(name), "{name}");
    is(
        schedule::sender_key::<Blake2s>(&k1, task, &nonce_a),
        "sender key of A",
    );
    is(
        schedule::sender_key::<Blake2s>(&k2, b, &nonce_b),
        "sender key of B",
    );
    let (here, there) = ((task, &nonce_a), (b, &nonce_b));
    is(
        schedule::pair_key::<Blake2s>(&k1, here, there),
        "pair key A to B",
    );
    is(
        schedule::pair_key::<Blake2s>(&k2, there, here),
        "pair key B to A",
    );
}

#[test]
fn the_frames_are_those_of_the_document() {
    let vectors = Vectors::read();
    for (name, key, kind, sealed, data) in [
        ("Hello of A", "sender key of A", Kind::Hello, false, None),
        (
            "Handshake of B to A",
            "sender key of B",
            Kind::Handshake,
            false,
            None,
        ),
        (
            "Ephemeral of A",
            "sender key of A",
            Kind::Ephemeral,
            true,
            Some("load"),
        ),
        (
            "Data A to B, aead",
            "pair key A to B",
            Kind::Data,
            true,
            Some("GET /etc/motd"),
        ),
        (
            "Data A to B, mac",
            "pair key A to B",
            Kind::Data,
            false,
            Some("GET /etc/motd"),
        ),
        (
            "Ack B to A, aead",
            "pair key B to A",
            Kind::Ack,
            true,
            Some(""),
        ),
    ] {
        let frame = vectors.frame(name);
        let (header, _) = Header::parse(frame).unwrap();
        let auth = header.auth.unwrap();
        assert_eq!((header.kind, auth.sealed), (kind, sealed), "{name}");
        let key = vectors.key(key);
        let opened = open_frame(&header, frame, &key).expect(name);
        if let Some(data) = data {
            assert_eq!(opened, data.as_bytes());
        }
        let seal = Seal { key, auth };
        assert_eq!(seal_frame(header, &opened, &seal), frame, "{name}");
    }
}

#[test]
fn the_bodies_are_those_of_the_document() {
    let vectors = Vectors::read();
    let (header, body) = Header::parse(vectors.frame("Hello of A")).unwrap();
    let hello = Hello {
        epoch: 0x15,
        nonce: vectors.get("nonce of A"),
        fingerprint: vectors.get("fingerprint of K1"),
        ..Hello::new(RailId::R0, 3, 0x0102_0304)
    };
    assert_eq!(body, hello.as_bytes());
    assert_eq!(
        (header.from, header.to),
        (vectors.gpid("GPID of A"), Gpid::EVERYBODY)
    );
    assert_eq!(header.auth.unwrap().key_id, 0x50);

    let (header, body) = Header::parse(vectors.frame("Handshake of B to A")).unwrap();
    let handshake = Handshake {
        flags: 3,
        epoch: 0x2c,
        reserved: 0.into(),
        incarnation: 0x0506_0708.into(),
        fingerprint: vectors.get("fingerprint of K2"),
        nonce: vectors.get("nonce of B"),
        echo: vectors.get("nonce of A"),
    };
    assert_eq!(Handshake::decode(body), Ok(&handshake));
    assert_eq!(
        handshake.fingerprint(),
        Fingerprint::new([0xaa, 0x91, 0x04, 0xa2])
    );
    assert_eq!(
        (header.from, header.to),
        (vectors.gpid("GPID of B"), vectors.gpid("GPID of A"))
    );

    for (name, key_id) in [("Data A to B, aead", 0x5c), ("Ack B to A, aead", 0xc5)] {
        let (header, _) = Header::parse(vectors.frame(name)).unwrap();
        assert_eq!(header.auth.unwrap().key_id, key_id);
    }
}

#[test]
fn a_handshake_has_the_size_of_the_document() {
    let heading = std::format!("`Handshake`, {} bytes", size_of::<Handshake>());
    assert!(
        DOCUMENT.contains(&heading),
        "docs/wire-protocol.md lacks \"{heading}\""
    );
    let whole = [1; 80];
    assert!(Handshake::decode(&whole[..76]).is_ok() && Handshake::decode(&whole).is_ok());
    assert!(Handshake::decode(&whole[..75]).is_err());
    let mut nobody = whole;
    nobody[4..8].fill(0);
    assert!(Handshake::decode(&nobody).is_err());
    let mut zero = whole;
    zero[12..44].fill(0);
    assert!(Handshake::decode(&zero).is_err());
}
