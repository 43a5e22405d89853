// SPDX-License-Identifier: GPL-2.0-only

//! The host name.

use core::ptr;
use kernel::bindings;

/// Copies the host name into `buffer` as far as there is room; its length.
pub(crate) fn copy_host_name(buffer: &mut [u8]) -> usize {
    // `sethostname` may write at the same time: a name that is half old and half new for one
    // beacon does no harm, and its lock is not for modules.
    // SAFETY: Only the address is taken, inside the object.
    let name = unsafe { &raw const bindings::init_uts_ns.name.nodename }.cast::<u8>();
    let room = size_of_val(&bindings::new_utsname::default().nodename).min(buffer.len());
    for (at, byte) in buffer.iter_mut().take(room).enumerate() {
        // SAFETY: The name space is there as long as the kernel, and `at` is inside the field.
        *byte = unsafe { ptr::read_volatile(name.add(at)) };
        if *byte == 0 {
            return at;
        }
    }
    room
}
