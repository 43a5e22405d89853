// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files of frames, in the format of libpcap.

use std::io::{self, Write};

/// EtherType of PODOS frames.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];
/// The least that an Ethernet frame has behind its header.
const LEAST_PAYLOAD: usize = 46;

/// A capture that is being written.
#[derive(Debug)]
pub struct Capture<W> {
    to: W,
    frames: u32,
}

impl<W: Write> Capture<W> {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn new(mut to: W) -> io::Result<Self> {
        const MICROSECONDS: u32 = 0xa1b2_c3d4;
        const SNAP_LENGTH: u32 = 65535;
        const ETHERNET: u32 = 1;
        to.write_all(&MICROSECONDS.to_le_bytes())?;
        // Version 2.4, time zone 0, accuracy 0.
        to.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        to.write_all(&SNAP_LENGTH.to_le_bytes())?;
        to.write_all(&ETHERNET.to_le_bytes())?;
        Ok(Self { to, frames: 0 })
    }

    /// Adds a frame, given without its Ethernet header, as sent to all; frames are a millisecond
    /// apart. A short one is filled up, as Ethernet does it.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn add(&mut self, payload: &[u8]) -> io::Result<()> {
        let padding = LEAST_PAYLOAD.saturating_sub(payload.len());
        let len = (14 + payload.len() + padding) as u32;
        for field in [self.frames / 1000, self.frames % 1000 * 1000, len, len] {
            self.to.write_all(&field.to_le_bytes())?;
        }
        self.to.write_all(&[0xff; 6])?;
        self.to.write_all(&[0x52, 0x54, 0x00, 0x50, 0x00, 0x01])?;
        self.to.write_all(&ETHERTYPE)?;
        self.to.write_all(payload)?;
        self.to.write_all(&vec![0; padding])?;
        self.frames += 1;
        Ok(())
    }
}
