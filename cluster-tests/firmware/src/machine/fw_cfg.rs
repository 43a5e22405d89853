// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files that QEMU was given for the firmware.

use alloc::vec::Vec;

use super::port::{in8, out16};

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
/// The list of files: a count, then 64 bytes for each.
const DIRECTORY: u16 = 0x19;

/// The content of a file; `None` if there is none of this name.
pub fn file(name: &str) -> Option<Vec<u8>> {
    out16(SELECTOR, DIRECTORY);
    let count = u32::from_be_bytes(read());
    for _ in 0..count {
        let size = u32::from_be_bytes(read());
        let selector = u16::from_be_bytes(read());
        let _reserved: [u8; 2] = read();
        let entry: [u8; 56] = read();
        let len = entry.iter().position(|byte| *byte == 0);
        if entry.get(..len?) == Some(name.as_bytes()) {
            out16(SELECTOR, selector);
            return Some((0..size).map(|_| in8(DATA)).collect());
        }
    }
    None
}

fn read<const N: usize>() -> [u8; N] {
    [(); N].map(|()| in8(DATA))
}
