// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processor's ports.
//!
//! These functions are safe because nothing that this program talks to over ports touches memory
//! behind its back: the serial port, `fw_cfg` without DMA, the timer, PCI configuration, the exit.

use core::arch::asm;

/// Writes a byte.
pub fn out8(port: u16, value: u8) {
    // SAFETY: see the module.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes two bytes.
pub fn out16(port: u16, value: u16) {
    // SAFETY: see the module.
    unsafe {
        asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Writes four bytes.
pub fn out32(port: u16, value: u32) {
    // SAFETY: see the module.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags))
    };
}

/// Reads a byte.
pub fn in8(port: u16) -> u8 {
    let value;
    // SAFETY: see the module.
    unsafe {
        asm!("in al, dx", out("al") value, in("dx") port, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads four bytes.
pub fn in32(port: u16) -> u32 {
    let value;
    // SAFETY: see the module.
    unsafe {
        asm!("in eax, dx", out("eax") value, in("dx") port, options(nomem, nostack, preserves_flags))
    };
    value
}
