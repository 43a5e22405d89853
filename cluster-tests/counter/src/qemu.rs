// SPDX-License-Identifier: MIT OR Apache-2.0

//! What QEMU calls, and what it is called for: version 1 of its interface for plugins.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

/// `QEMU_PLUGIN_VERSION`: QEMU refuses a plugin whose version it does not have.
#[no_mangle]
pub static qemu_plugin_version: c_int = 1;

/// `QEMU_PLUGIN_INLINE_ADD_U64`
const INLINE_ADD_U64: c_uint = 0;

/// A translated block.
#[repr(C)]
pub struct QemuPluginTb {
    _opaque: [u8; 0],
}

/// `qemu_info_t`, of which the machine's processors are asked for.
#[repr(C)]
pub struct QemuInfo {
    target_name: *const c_char,
    version_min: c_int,
    version_cur: c_int,
    system_emulation: bool,
    smp_vcpus: c_int,
    max_vcpus: c_int,
}

type Translated = extern "C" fn(id: u64, tb: *mut QemuPluginTb);

extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, cb: Translated);
    fn qemu_plugin_register_vcpu_tb_exec_inline(
        tb: *mut QemuPluginTb,
        op: c_uint,
        ptr: *mut c_void,
        imm: u64,
    );
    fn qemu_plugin_tb_n_insns(tb: *const QemuPluginTb) -> usize;
    fn qemu_plugin_tb_vaddr(tb: *const QemuPluginTb) -> u64;
}

/// Called once, when QEMU has loaded the plugin; anything but 0 ends QEMU.
///
/// # Safety
///
/// `info` points to what QEMU tells, and `argv` to `argc` strings; both stay until this returns.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const QemuInfo,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let arguments = (0..usize::try_from(argc).unwrap_or(0)).map(|index| {
        // SAFETY: `index` is below `argc`, and each of these is a string, as the caller promises.
        let argument = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(argument.to_bytes())
    });
    // SAFETY: As the caller promises.
    let processors = unsafe { (*info).max_vcpus };
    if let Err(why) = crate::start(processors, arguments) {
        podos_terminal::eprintln!("podos-counter: {why}");
        return 1;
    }
    // SAFETY: `id` is the one that QEMU gave, and `translated` is there as long as the plugin is.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

/// Has QEMU add a block's instructions whenever it executes it.
extern "C" fn translated(_: u64, tb: *mut QemuPluginTb) {
    // SAFETY: QEMU hands out a block for the time of this call.
    let (address, instructions) = unsafe { (qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb)) };
    let Some(counter) = crate::counter(address) else {
        return;
    };
    // SAFETY: As above; the counter is never unmapped, and only the one processor adds to it.
    unsafe {
        qemu_plugin_register_vcpu_tb_exec_inline(
            tb,
            INLINE_ADD_U64,
            counter.as_ptr().cast(),
            instructions as u64,
        );
    }
}
