// SPDX-License-Identifier: GPL-2.0-only

//! The VM generation id: 16 bytes that a hypervisor changes when it runs a virtual machine from a
//! snapshot, before the machine's processors go on.

use core::ptr::NonNull;
use kernel::bindings;
use kernel::prelude::*;

/// Names that ACPI has for the device; those of its device that are longer come in capitals.
const DEVICES: [&CStr; 2] = [c"VM_GEN_COUNTER", c"VMGENCTR"];

/// Where the id lies.
///
/// # Invariants
///
/// `0` is the start of 16 bytes that `memremap` has mapped, and is aligned for a `u64`.
pub(crate) struct Generation(NonNull<u64>);

// SAFETY: Nobody but the hypervisor writes there, while no processor runs.
unsafe impl Send for Generation {}
// SAFETY: As above.
unsafe impl Sync for Generation {}

impl Generation {
    /// That of this machine; `None` if it is no virtual machine, or one without.
    pub(crate) fn find() -> Option<Self> {
        let mut place = None;
        for name in DEVICES {
            // SAFETY: `name` is null-terminated; `visit` takes `place` for what it is.
            let status = unsafe {
                bindings::acpi_get_devices(
                    name.as_char_ptr(),
                    Some(visit),
                    (&raw mut place).cast(),
                    core::ptr::null_mut(),
                )
            };
            if status == 0 && place.is_some() {
                break;
            }
        }
        let place: bindings::phys_addr_t = place?;
        if place % size_of::<u64>() as bindings::phys_addr_t != 0 {
            return None;
        }
        let flags = bindings::MEMREMAP_WB as c_ulong;
        // SAFETY: The firmware says that the id is there, and that nothing else is.
        let mapped = unsafe { bindings::memremap(place, 16, flags) };
        // INVARIANT: Mapped just now, page by page, so that it is aligned as the address is.
        NonNull::new(mapped.cast()).map(Self)
    }

    /// The id as it is now.
    pub(crate) fn read(&self) -> [u64; 2] {
        let start = self.0.as_ptr().cast_const();
        // SAFETY: By the type invariant.
        unsafe { [start.read_volatile(), start.add(1).read_volatile()] }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::memunmap(self.0.as_ptr().cast()) };
    }
}

/// Puts where the id of `device` lies into `place`, and ends the walk.
///
/// # Safety
///
/// Called by ACPI with a handle of a device; `place` is an `Option<phys_addr_t>` that nobody else
/// uses.
unsafe extern "C" fn visit(
    device: bindings::acpi_handle,
    _level: u32,
    place: *mut c_void,
    _result: *mut *mut c_void,
) -> bindings::acpi_status {
    /// Room for a package of two integers, and more.
    const ROOM: usize = 8;
    let mut answer = [const { core::mem::MaybeUninit::<bindings::acpi_object>::zeroed() }; ROOM];
    let mut buffer = bindings::acpi_buffer {
        length: size_of_val(&answer) as bindings::acpi_size,
        pointer: answer.as_mut_ptr().cast(),
    };
    // SAFETY: The buffer is as long as it says; the name is null-terminated.
    let status = unsafe {
        bindings::acpi_evaluate_object(
            device,
            c"ADDR".as_char_ptr().cast_mut(),
            core::ptr::null_mut(),
            &mut buffer,
        )
    };
    if status != 0 {
        return 0;
    }
    // SAFETY: ACPI has put an object at the buffer's start, whose type says which member holds; a
    // package has as many elements as it says, behind it in the buffer.
    let halves = unsafe {
        let answer = answer[0].assume_init_ref();
        if answer.type_ != bindings::ACPI_TYPE_PACKAGE || answer.package.count != 2 {
            return 0;
        }
        core::slice::from_raw_parts(answer.package.elements, 2)
    };
    let mut address = 0;
    for (half, shift) in halves.iter().zip([0, 32]) {
        // SAFETY: As above.
        unsafe {
            if half.type_ != bindings::ACPI_TYPE_INTEGER {
                return 0;
            }
            address |= half.integer.value << shift;
        }
    }
    // SAFETY: By the safety requirement.
    unsafe {
        place
            .cast::<Option<bindings::phys_addr_t>>()
            .write(Some(address))
    };
    0
}
