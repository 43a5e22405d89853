// SPDX-License-Identifier: MIT OR Apache-2.0

//! A capture read by the format's own description, sharing nothing with what wrote it.

use anyhow::{ensure, Context, Result};

/// The frames of a capture of Ethernet with nanoseconds.
pub fn frames(capture: &[u8]) -> Result<Vec<&[u8]>> {
    let word = |at: usize| -> Result<u32> {
        let bytes = capture.get(at..at + 4).context("it ends in a header")?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    ensure!(word(0)? == 0xa1b2_3c4d, "its magic is {:#x}", word(0)?);
    ensure!(word(4)? == 0x0004_0002, "its version is {:#x}", word(4)?);
    ensure!(word(20)? == 1, "its link type is {}", word(20)?);
    let (mut frames, mut at, mut last) = (Vec::new(), 24, (0, 0));
    while at < capture.len() {
        let time = (word(at)?, word(at + 4)?);
        ensure!(
            time >= last && time.1 < 1_000_000_000,
            "{time:?} after {last:?}"
        );
        let (kept, length) = (word(at + 8)?, word(at + 12)?);
        ensure!(kept == length, "{kept} of {length} bytes of a frame");
        let end = at + 16 + kept as usize;
        frames.push(capture.get(at + 16..end).context("it ends in a frame")?);
        (at, last) = (end, time);
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(frame: &[u8]) -> Vec<u8> {
        let head = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 9018, 1];
        let record = [7, 8, frame.len() as u32, frame.len() as u32];
        let words = head
            .iter()
            .chain(&record)
            .flat_map(|word: &u32| word.to_le_bytes());
        words.chain(frame.iter().copied()).collect()
    }

    #[test]
    fn frames_come_out_whole() {
        let bytes = capture(b"frame");
        assert_eq!(frames(&bytes).unwrap(), [b"frame"]);
        assert_eq!(frames(&bytes[..24]).unwrap(), [b""; 0]);
        for (cut, word) in [(bytes.len() - 1, "in a frame"), (30, "in a header")] {
            let error = frames(&bytes[..cut]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(frames(&[0; 24]).is_err());
    }
}
