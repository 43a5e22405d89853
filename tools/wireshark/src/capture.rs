// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files of PODOS frames that nobody has sent.

use std::io::{self, Write};
use std::time::Duration;

use podos_pcap::Writer;

/// EtherType of PODOS frames.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
/// The least that an Ethernet frame has behind its header.
const LEAST_PAYLOAD: usize = 46;

/// A capture that is being written.
#[derive(Debug)]
pub struct Capture<W> {
    to: Writer<W>,
    /// The time of the next frame.
    at: Duration,
}

impl<W: Write> Capture<W> {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn new(to: W) -> io::Result<Self> {
        let to = Writer::new(to)?;
        let at = Duration::ZERO;
        Ok(Self { to, at })
    }

    /// Adds a frame, given without its Ethernet header, as sent to all; frames are a millisecond
    /// apart. A short one is filled up, as Ethernet does it.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn add(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![0xff; 6];
        frame.extend([0x52, 0x54, 0x00, 0x50, 0x00, 0x01]);
        frame.extend(ETHERTYPE);
        frame.extend(payload);
        frame.resize(frame.len().max(14 + LEAST_PAYLOAD), 0);
        self.to.add(self.at, &frame)?;
        self.at += Duration::from_millis(1);
        Ok(())
    }

    /// Puts out what was added.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
