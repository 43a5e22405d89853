// SPDX-License-Identifier: MIT OR Apache-2.0

//! The first serial port, on which the report goes out.

use core::fmt::{self, Write as _};

use super::port::{in8, out8};

const DATA: u16 = 0x3f8;
const LINE_STATUS: u16 = DATA + 5;
/// There is room for a byte.
const ROOM: u8 = 0x20;

struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while in8(LINE_STATUS) & ROOM == 0 {
                core::hint::spin_loop();
            }
            out8(DATA, byte);
        }
        Ok(())
    }
}

/// Prints a line.
pub fn print(line: fmt::Arguments<'_>) {
    // Writing here never fails; a value's own formatting may, which then lacks.
    let _ = Serial.write_fmt(line);
    let _ = Serial.write_str("\n");
}
