// SPDX-License-Identifier: MIT OR Apache-2.0

//! The heap: all memory between the program and 48 MiB.

use core::ptr::addr_of;

use buddy_system_allocator::LockedHeap;

/// Blocks of up to 2^31 bytes.
#[global_allocator]
static HEAP: LockedHeap<32> = LockedHeap::empty();

extern "C" {
    static heap_start: u8;
    static heap_end: u8;
}

/// To be called once, before anything is allocated.
pub fn init() {
    let (start, end) = (addr_of!(heap_start) as usize, addr_of!(heap_end) as usize);
    // SAFETY: the linker script leaves this memory to us; QEMU is given more than that.
    unsafe { HEAP.lock().init(start, end - start) };
}
