// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames between two nodes, made by the protocol's own encoder, and what tshark says of them.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use podos_proto::cdt::CdtIndex;
use podos_proto::keys::Key;
use podos_proto::wire::{Class, Flags, Header, Kind, HEADER_LEN};
use podos_proto::{pdfs, Gpid, HostId, Seq};
use podos_wireshark::{Capture, Dissector};
use zerocopy::big_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

pub const ALICE: Gpid = Gpid::new(HostId::new(1), 7, 300);
pub const BOB: Gpid = Gpid::new(HostId::new(2), 9, 41);

/// Frames on their way into a file.
pub struct Frames {
    dir: tempfile::TempDir,
    pub capture: Capture<BufWriter<File>>,
}

impl Frames {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("capture.pcap")).unwrap();
        let capture = Capture::new(BufWriter::new(file)).unwrap();
        Self { dir, capture }
    }

    pub fn add(&mut self, header: &Header, data: &[u8]) {
        self.capture.add(&plain(header, data)).unwrap();
    }

    pub fn add_keyed(&mut self, header: &Header, data: &[u8], key: &Key) {
        self.capture.add(&keyed(header, data, key)).unwrap();
    }

    /// The file, and the folder that it lasts as long as.
    pub fn done(self) -> (PathBuf, tempfile::TempDir) {
        drop(self.capture);
        (self.dir.path().join("capture.pcap"), self.dir)
    }
}

pub fn sized(header: &Header, data: &[u8]) -> Header {
    Header {
        len: data.len() as u16,
        ..*header
    }
}

pub fn plain(header: &Header, data: &[u8]) -> Vec<u8> {
    let mut start = [0; HEADER_LEN];
    sized(header, data).write(&mut start);
    [&start, data].concat()
}

/// The frame with counter and tag, its data encrypted if the header says so.
pub fn keyed(header: &Header, data: &[u8], key: &Key) -> Vec<u8> {
    let header = sized(header, data);
    let auth = header.auth.expect("the header is a keyed one's");
    let mut start = [0; HEADER_LEN];
    header.write(&mut start);
    let mut frame = [&start[..], &auth.counter.to_be_bytes()].concat();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&auth.counter.to_le_bytes());
    let cipher = ChaCha20Poly1305::new(key.as_bytes().into());
    let mut data = data.to_vec();
    let tag = if auth.sealed {
        cipher.encrypt_inout_detached(&nonce.into(), &frame, (&mut data[..]).into())
    } else {
        let all = [&frame[..], &data].concat();
        cipher.encrypt_inout_detached(&nonce.into(), &all, (&mut [][..]).into())
    };
    frame.extend(data);
    frame.extend(tag.unwrap());
    frame
}

/// A segment from Alice to Bob's passive end.
pub fn segment(class: Class, op: u8, seq: u32, flags: Flags) -> Header {
    let mut header = Header::new(Kind::Data, class, ALICE, BOB);
    header.op = op;
    header.seq = seq;
    header.active = CdtIndex::from_raw(0x0001_0003);
    header.flags = flags | Flags::TO_PASSIVE;
    if seq == 0 {
        header.flags |= Flags::OPEN;
        header.ack = Seq::new(77);
    } else {
        header.flags |= Flags::ACK_VALID;
        header.passive = CdtIndex::from_raw(0x0005_0002);
    }
    header
}

/// A segment of the answer.
pub fn answer(class: Class, op: u8, seq: u32, flags: Flags) -> Header {
    let mut header = segment(class, op, seq.max(1), Flags::NONE);
    (header.from, header.to) = (BOB, ALICE);
    header.seq = seq;
    header.flags = flags | Flags::ACK_VALID;
    header
}

pub fn path_args(path: &[u8], second: &[u8]) -> Vec<u8> {
    let mut args = pdfs::PathArgs::new_zeroed();
    args.creds.fsuid = U32::new(1000);
    args.path_len = (path.len() as u16).into();
    args.second_len = (second.len() as u16).into();
    args.as_bytes().to_vec()
}

pub fn rows(dissector: &Dissector, capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    dissector.fields(capture, "podos", fields).unwrap()
}

pub fn words(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}
