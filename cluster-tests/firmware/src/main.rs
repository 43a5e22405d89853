// SPDX-License-Identifier: MIT OR Apache-2.0

//! The machine under the test firmware: no operating system, one processor, interrupts only while it
//! naps.
//!
//! QEMU boots it by `-kernel` and gives it the scenario and the cluster key by `fw_cfg`. It ends by
//! `isa-debug-exit`. See docs/firmware.md.

#![no_std]
#![no_main]

extern crate alloc;

mod machine;

use alloc::format;
use alloc::string::String;

use podos_firmware::crypto::Key;
use podos_firmware::run::Run;
use podos_firmware::scenario::Scenario;

use machine::{exit, fw_cfg, Bare, Exit};

/// Where the scenario is.
const SCENARIO: &str = "opt/podos/firmware";
/// Where the cluster key is: 64 hexadecimal digits.
const KEY: &str = "opt/podos/cluster-key";

/// Where the boot code goes when the processor can run Rust.
#[no_mangle]
extern "C" fn rust_start() -> ! {
    machine::heap::init();
    exit(match run() {
        Ok(true) => Exit::Passed,
        Ok(false) => Exit::Failed,
        Err(why) => {
            machine::serial::print(format_args!("fw: broken {why}"));
            Exit::Broken
        }
    })
}

fn run() -> Result<bool, String> {
    let text =
        fw_cfg::file(SCENARIO).ok_or_else(|| format!("there is no fw_cfg file {SCENARIO}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("{SCENARIO} is no text"))?;
    let scenario = Scenario::parse(&text)?;
    let key = cluster_key()?;
    let bare = Bare::new(&scenario.mtu)?;
    Ok(Run::new(bare, &scenario, key)?.go(&scenario))
}

/// The key; zeros if there is none, which only mode `open` can do with.
fn cluster_key() -> Result<Key, String> {
    let mut key = [0; 32];
    let text = fw_cfg::file(KEY).unwrap_or_default();
    let digits = text.trim_ascii_end();
    if digits.is_empty() || digits == b"none" {
        return Ok(key);
    }
    let bad = || format!("{KEY}: 64 hexadecimal digits are wanted");
    if digits.len() != 64 {
        return Err(bad());
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        let pair = core::str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(key)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    machine::serial::print(format_args!("fw: panic {info}"));
    exit(Exit::Broken)
}
