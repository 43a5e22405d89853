// SPDX-License-Identifier: MIT OR Apache-2.0

//! What QEMU calls, and what it is called for. Of QEMU's interface for plugins only that is used
//! which its versions 1 (QEMU 8.2 and before) and 2 to 5 have alike.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::counts::Block;
use crate::COUNTS;

/// `QEMU_PLUGIN_VERSION`: QEMU refuses a plugin whose version it does not have. [`choose_version`]
/// sets it.
#[no_mangle]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(1);

/// `QEMU_PLUGIN_CB_NO_REGS`
const NO_REGISTERS: c_int = 0;

/// A translated block.
#[repr(C)]
pub struct QemuPluginTb {
    _opaque: [u8; 0],
}

type Translated = extern "C" fn(id: u64, tb: *mut QemuPluginTb);
type Executed = extern "C" fn(processor: c_uint, data: *mut c_void);

extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, cb: Translated);
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        tb: *mut QemuPluginTb,
        cb: Executed,
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(tb: *const QemuPluginTb) -> usize;
    fn qemu_plugin_tb_vaddr(tb: *const QemuPluginTb) -> u64;
}

/// Run by the dynamic linker when it loads the plugin, before QEMU looks at its version.
#[used]
#[link_section = ".init_array"]
static CHOOSE_VERSION: extern "C" fn() = choose_version;

/// Takes the version of the QEMU that is loading the plugin: 2 took this function out.
extern "C" fn choose_version() {
    const GONE: &CStr = c"qemu_plugin_n_vcpus";
    // SAFETY: The name is a string.
    let there = unsafe { libc::dlsym(libc::RTLD_DEFAULT, GONE.as_ptr()) };
    let version = if there.is_null() { 2 } else { 1 };
    qemu_plugin_version.store(version, Ordering::Relaxed);
}

/// Called once, when QEMU has loaded the plugin; anything but 0 ends QEMU.
///
/// # Safety
///
/// `argv` points to `argc` strings, which stay until this returns.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let arguments = (0..usize::try_from(argc).unwrap_or(0)).map(|index| {
        // SAFETY: `index` is below `argc`, and each of these is a string, as the caller promises.
        let argument = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(argument.to_bytes())
    });
    if let Err(why) = crate::start(arguments) {
        podos_terminal::eprintln!("podos-counter: {why}");
        return 1;
    }
    // SAFETY: `id` is the one that QEMU gave, and `translated` is there as long as the plugin is.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    0
}

/// Has QEMU call [`executed`] whenever it executes this block.
extern "C" fn translated(_: u64, tb: *mut QemuPluginTb) {
    let Some(counts) = COUNTS.get() else { return };
    // SAFETY: QEMU hands out a block for the time of this call.
    let (address, instructions) = unsafe { (qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb)) };
    let block = counts.block(address, instructions);
    let data = std::ptr::without_provenance_mut(block.raw());
    // SAFETY: As above; `executed` is there as long as the plugin is, and takes any word.
    unsafe { qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, NO_REGISTERS, data) };
}

/// `data` is a block's word.
extern "C" fn executed(_: c_uint, data: *mut c_void) {
    if let Some(counts) = COUNTS.get() {
        counts.executed(Block::from_raw(data.addr()));
    }
}
