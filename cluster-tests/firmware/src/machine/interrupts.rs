// SPDX-License-Identifier: MIT OR Apache-2.0

//! Interrupts, as few as possible: a timer that ends naps, and faults that are reported.
//!
//! They are on only while the processor naps, so that the code may use the red zone.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::ptr::addr_of;

use super::port::{in8, out8};

/// The vector of the timer; those below 32 are the processor's faults.
const TIMER: usize = 32;
/// Naps end after a millisecond at the latest.
const TIMER_TICKS: u16 = 1193;

global_asm!(
    r#"
    .text
interrupt_timer:
    pushq %rax
    movb $0x20, %al
    outb %al, $0x20
    popq %rax
    iretq

    # What lies on the stack: perhaps an error code, then the place.
interrupt_fault:
    movq (%rsp), %rdi
    movq 8(%rsp), %rsi
    andq $-16, %rsp
    call interrupt_tell_fault
"#,
    options(att_syntax)
);

extern "C" {
    static interrupt_timer: u8;
    static interrupt_fault: u8;
}

/// Entries of 16 bytes, for the faults and the timer.
struct Table(UnsafeCell<[[u64; 2]; TIMER + 1]>);

// SAFETY: there is one processor, and `init` alone writes to it, before the table is in use.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([[0; 2]; TIMER + 1]));

/// Where the table is, as the processor is told.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

/// An interrupt gate of ring 0 to this code.
fn gate(code: *const u8) -> [u64; 2] {
    let code = code as u64;
    let low = (code & 0xffff) | 8 << 16 | 0x8e00 << 32 | (code >> 16 & 0xffff) << 48;
    [low, code >> 32]
}

/// Starts the timer. To be called once.
pub fn init() {
    let mut gates = [gate(addr_of!(interrupt_fault)); TIMER + 1];
    gates[TIMER] = gate(addr_of!(interrupt_timer));
    // SAFETY: nobody else looks at the table yet.
    unsafe { TABLE.0.get().write(gates) };
    let pointer = Pointer {
        limit: (size_of::<[[u64; 2]; TIMER + 1]>() - 1) as u16,
        base: TABLE.0.get() as u64,
    };
    // SAFETY: the table lives for ever, and its gates lead to code that keeps the registers or
    // does not return.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(readonly, nostack, preserves_flags)) };
    // Both controllers: vectors from 32 on, and all lines masked but the timer's.
    for (port, value) in [
        (0x20, 0x11),
        (0xa0, 0x11),
        (0x21, 0x20),
        (0xa1, 0x28),
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xfe),
        (0xa1, 0xff),
    ] {
        out8(port, value);
    }
    // Channel 0, both bytes, again and again.
    out8(0x43, 0x34);
    out8(0x40, TIMER_TICKS as u8);
    out8(0x40, (TIMER_TICKS >> 8) as u8);
    // Reading a port that is there lets the last write arrive.
    let _ = in8(0x61);
}

/// Sleeps until the next tick of the timer.
pub fn nap() {
    // SAFETY: the timer's code keeps all registers. `nostack` is not promised: it uses the stack.
    unsafe { asm!("sti", "hlt", "cli", options(preserves_flags)) };
}

/// A fault of the processor: the firmware itself is broken.
#[no_mangle]
extern "C" fn interrupt_tell_fault(first: u64, second: u64) -> ! {
    super::serial::print(format_args!(
        "fw: panic a fault of the processor at {second:#x} (error {first:#x}) or {first:#x}"
    ));
    super::exit(super::Exit::Broken)
}
